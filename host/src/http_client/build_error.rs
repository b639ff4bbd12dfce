//! Why a client cannot be made.

use std::path::PathBuf;

/// Why a client cannot be made: the operator's mistake, or the machine's. One line, no secrets.
#[derive(Debug, thiserror::Error)]
pub enum ClientBuildError {
    /// An entry of `allow_origins` cannot be the beginning of a URL.
    #[error("allow_origins: {origin}: {reason}")]
    Origin {
        /// The entry.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `ca_file` cannot be used.
    #[error("ca_file {}: {reason}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An `https` origin is allowed and the system has no certificates to trust.
    #[error("no certificates to trust: {reason}; ca_file can name some")]
    SystemCertificates {
        /// What the system said.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// The credentials cannot be sent.
    #[error("the credentials for the application cannot be used: {reason}")]
    Auth {
        /// What is wrong with them; not what they are.
        reason: &'static str,
    },
}
