//! What can be wrong with a certificate and its key. Each is one line, with the file's name and what to do.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {} ({table}.{key}): {source}; the file has to be readable for the user that the host runs as", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The table of the configuration that names it.
        table: &'static str,
        /// The key that does.
        key: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file is not in PEM form, or holds something else.
    #[error("{} ({table}.{key}) has no {expected} in PEM form: {reason}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// The table of the configuration that names it.
        table: &'static str,
        /// The key that does.
        key: &'static str,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The key has a passphrase.
    #[error(
        "the key in {} ({table}.key) is encrypted, and there is nobody to ask for its passphrase; decrypt it with: openssl pkey \
         -in {} -out NEW, and name the new file", file.display(), file.display()
    )]
    Encrypted {
        /// The key's file.
        file: PathBuf,
        /// The table of the configuration that names it.
        table: &'static str,
    },
    /// Both are readable, and do not belong together.
    #[error(
        "{} ({table}.key) is not the key of the certificate in {} ({table}.certificate); {hint}",
        key.display(), certificate.display()
    )]
    Mismatch {
        /// The table of the configuration that names them.
        table: &'static str,
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// TLS cannot work with the key.
    #[error("the key in {} ({table}.key) cannot be used: {source}; RSA from 2048 bits, ECDSA with P-256 or P-384, and Ed25519 can", file.display())]
    Key {
        /// The table of the configuration that names it.
        table: &'static str,
        /// The key's file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// TLS cannot work with the certificate.
    #[error("the certificate in {} ({table}.certificate) cannot be used: {source}; have it issued anew", certificate.display())]
    Unusable {
        /// The table of the configuration that names it.
        table: &'static str,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Its time is over.
    #[error(
        "the certificate in {} ({table}.certificate) expired on {}, and clients refuse it; renew it and put the new one there: \
         a host that runs takes it by itself", file.display(), date(*ended)
    )]
    Expired {
        /// The table of the configuration that names it.
        table: &'static str,
        /// The certificate's file.
        file: PathBuf,
        /// When.
        ended: SystemTime,
    },
    /// Its time has not come.
    #[error(
        "the certificate in {} ({table}.certificate) is not valid before {}, and clients refuse it; if that is past, this \
         machine's clock is wrong", file.display(), date(*begins)
    )]
    NotYetValid {
        /// The table of the configuration that names it.
        table: &'static str,
        /// The certificate's file.
        file: PathBuf,
        /// When it begins.
        begins: SystemTime,
    },
}

/// For people.
pub(super) fn date(time: SystemTime) -> String {
    // The last second that has four digits for its year, as certificates have it for "never".
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.min(last)).to_string()
}
