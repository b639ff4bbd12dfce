//! Where a certificate is.

use std::path::PathBuf;
use std::time::Duration;

use super::TlsError;
use crate::config::TlsConfig;

/// Where a certificate and its key are, and whom they are for.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    /// The table of the configuration that names them.
    pub(super) table: &'static str,
    /// PEM file, the chain with the leaf first.
    pub(super) certificate: PathBuf,
    /// PEM file.
    pub(super) key: PathBuf,
    /// How often the two are looked at for a change.
    pub(super) reload_interval: Duration,
    /// The names that clients will ask for.
    pub(super) names: Vec<String>,
}

impl CertificateFiles {
    /// Those of `[http.tls]`.
    pub(crate) fn of_http(tls: &TlsConfig, names: Vec<String>) -> Self {
        Self {
            table: "http.tls",
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
            reload_interval: tls.reload_interval,
            names,
        }
    }

    /// Those of `[xmpp]`.
    pub(crate) fn of_xmpp(tls: &TlsConfig, names: Vec<String>) -> Self {
        Self { table: "xmpp", ..Self::of_http(tls, names) }
    }

    /// Those of `[attach]`, whose clients ask for a name that is not in the configuration.
    pub(crate) fn of_attach(tls: &TlsConfig) -> Self {
        Self { table: "attach", ..Self::of_http(tls, Vec::new()) }
    }

    pub(super) fn no_certificate(&self, reason: String) -> TlsError {
        let (file, table) = (self.certificate.clone(), self.table);
        TlsError::Pem { file, table, key: "certificate", expected: "certificate", reason }
    }

    pub(super) fn no_key(&self, reason: String) -> TlsError {
        TlsError::Pem { file: self.key.clone(), table: self.table, key: "key", expected: "private key", reason }
    }
}
