//! HTTPS: the certificate, and swapping it while connections go on.

use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::config::TlsConfig;

/// A file that is longer holds something else than a certificate chain or a key, bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// The files are not looked at more often than this, whatever is configured.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {} ({table}.{key}): {source}", file.display())]
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
        /// What is wrong.
        reason: String,
    },
    /// Both are readable, and do not belong together.
    #[error("{} ({table}.key) is not the key of the certificate in {} ({table}.certificate)", key.display(), certificate.display())]
    Mismatch {
        /// The table of the configuration that names them.
        table: &'static str,
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// TLS cannot work with them.
    #[error("the certificate in {} ({table}.certificate) and its key cannot be used: {source}", certificate.display())]
    Unusable {
        /// The table of the configuration that names it.
        table: &'static str,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    /// The table of the configuration that names them, for errors.
    pub(crate) table: &'static str,
    /// PEM file, the chain with the leaf first.
    pub(crate) certificate: PathBuf,
    /// PEM file.
    pub(crate) key: PathBuf,
    /// How often the two are looked at for a change.
    pub(crate) reload_interval: Duration,
}

impl From<&TlsConfig> for CertificateFiles {
    fn from(tls: &TlsConfig) -> Self {
        Self {
            table: "http.tls",
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
            reload_interval: tls.reload_interval,
        }
    }
}

/// The certificate that new connections are given.
///
/// Whether it has expired is not checked: clients say so, and an expired certificate is still better than none.
pub(crate) struct Certificates {
    config: CertificateFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// Tells whether the files are those that `current` was made of, without keeping the key's text.
    digest: AtomicU64,
    hasher: RandomState,
}

/// Can HTTPS be served with these files?
///
/// # Errors
///
/// As at start: a file that cannot be read or is no PEM, a key that is not the certificate's.
pub fn check_certificate(config: &TlsConfig) -> Result<(), TlsError> {
    Certificates::load(config.into())?.acceptor().map(|_| ())
}

impl Certificates {
    /// Reads certificate and key.
    pub(crate) fn load(config: CertificateFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let hasher = RandomState::new();
        let files = Files::read(&config)?;
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(files.parse(&config, &provider)?),
            digest: AtomicU64::new(hasher.hash_one(&files)),
            config,
            provider,
            hasher,
        }))
    }

    /// What makes connections TLS connections: TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = self.server_config()?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// TLS 1.2 or 1.3 with the certificate as it is at the time, for whatever protocol.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let versions =
            ServerConfig::builder_with_provider(Arc::clone(&self.provider)).with_safe_default_protocol_versions();
        let CertificateFiles { table, certificate, .. } = &self.config;
        let unusable = |source| TlsError::Unusable { table, certificate: certificate.clone(), source };
        let builder = versions.map_err(unusable)?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Looks at the files again and again, for ever. Files that cannot be used are complained of once, and the
    /// certificate in use stays.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut complaint = String::new();
        loop {
            tokio::time::sleep(self.config.reload_interval.max(SHORTEST_INTERVAL)).await;
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || this.look()).await;
            match looked {
                Ok(Ok(changed)) => {
                    complaint.clear();
                    if changed {
                        info!(file = %self.config.certificate.display(), "a new certificate is in use");
                    }
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if text != complaint {
                        warn!(error = %text, "the new certificate is not used, the one before stays");
                        complaint = text;
                    }
                }
                // The runtime shuts down.
                Err(_) => return,
            }
        }
    }

    /// Takes over the files if they have changed. True if they had.
    fn look(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.config)?;
        let digest = self.hasher.hash_one(&files);
        if digest == self.digest.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.current.store(Arc::new(files.parse(&self.config, &self.provider)?));
        self.digest.store(digest, Ordering::Relaxed);
        Ok(true)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Names the files; the key stays out of logs.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What the two files contain.
#[derive(Hash)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(config: &CertificateFiles) -> Result<Self, TlsError> {
        let read = |key, file: &Path| {
            content(file).map_err(|source| TlsError::Read { file: file.to_owned(), table: config.table, key, source })
        };
        Ok(Self { certificate: read("certificate", &config.certificate)?, key: read("key", &config.key)? })
    }

    fn parse(&self, config: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let table = config.table;
        let no_certificate = |reason: String| TlsError::Pem {
            file: config.certificate.clone(),
            table,
            key: "certificate",
            expected: "certificate",
            reason,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| no_certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(no_certificate("it has no CERTIFICATE section".into()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| TlsError::Pem {
            file: config.key.clone(),
            table,
            key: "key",
            expected: "private key",
            reason: error.to_string(),
        })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|source| match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { table, certificate: config.certificate.clone(), key: config.key.clone() }
            }
            source => TlsError::Unusable { table, certificate: config.certificate.clone(), source },
        })
    }
}

fn content(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(file)?.take(LONGEST_FILE).read_to_end(&mut content)?;
    Ok(content)
}
