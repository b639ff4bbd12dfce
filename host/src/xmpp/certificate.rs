//! What clients are shown to prove that this is their server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::XmppError;
use crate::config::{Secret, TlsConfig, XmppCertificate};
use crate::http::ServeError;
use crate::metrics::Metrics;
use crate::tls::{CertificateFiles, Certificates};

/// TLS for the endpoint.
pub(super) struct Tls {
    /// `None`: there is no certificate.
    pub(super) config: Option<Arc<ServerConfig>>,
    /// The files it is from, to be watched; `None` if somebody else does, or there are none.
    pub(super) files: Option<Arc<Certificates>>,
}

impl Tls {
    /// `of_http`: that of the HTTPS listener. `domains`: whom clients will ask for.
    pub(super) fn new(
        given: &XmppCertificate,
        of_http: Option<Arc<ServerConfig>>,
        domains: Vec<String>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, XmppError> {
        match given {
            XmppCertificate::OfHttp => Ok(Self { config: of_http, files: None }),
            XmppCertificate::Inline { key, chain } => {
                Ok(Self { config: Some(Arc::new(given_one(chain, key)?)), files: None })
            }
            XmppCertificate::Files { certificate, key } => {
                let defaults = TlsConfig::new(certificate.clone(), key.clone());
                let files = CertificateFiles::of_xmpp(&defaults, domains);
                let files = Certificates::load(files, metrics).map_err(ServeError::from)?;
                let config = files.server_config().map_err(ServeError::from)?;
                Ok(Self { config: Some(Arc::new(config)), files: Some(files) })
            }
        }
    }
}

fn given_one(chain: &str, key: &Secret) -> Result<ServerConfig, XmppError> {
    let unfit = |reason: String| XmppError::Certificate { reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| unfit(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|error| unfit(error.to_string()))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| unfit(error.to_string()))
}
