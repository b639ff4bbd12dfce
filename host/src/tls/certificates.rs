//! The certificate that is in use, and swapping it while connections go on.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::error::{TlsError, date};
use super::files::CertificateFiles;
use super::loaded::Loaded;
use crate::metrics::Metrics;

/// The files are not looked at more often than this, whatever is configured.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
/// How often the same complaint is made.
const DAILY: Duration = Duration::from_secs(24 * 3600);

/// The certificate that new connections are given.
pub(crate) struct Certificates {
    files: CertificateFiles,
    current: ArcSwap<Loaded>,
    /// Tells whether the files are those that `current` was made of, without keeping the key's text.
    digest: AtomicU64,
    hasher: RandomState,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Reads certificate and key; `metrics` are told when it ends.
    pub(crate) fn load(files: CertificateFiles, metrics: &Arc<Metrics>) -> Result<Arc<Self>, TlsError> {
        let hasher = RandomState::new();
        let content = files.read()?;
        let this = Self {
            current: ArcSwap::from_pointee(content.parse(&files)?),
            digest: AtomicU64::new(hasher.hash_one(&content)),
            files,
            hasher,
            metrics: Arc::clone(metrics),
        };
        this.tell_end();
        Ok(Arc::new(this))
    }

    /// What makes connections TLS connections: TLS 1.2 or 1.3, HTTP/2 or HTTP/1.1.
    pub(crate) fn http_acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = self.server_config()?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// TLS 1.2 or 1.3 with the certificate as it is at the time, for whatever protocol.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let CertificateFiles { table, certificate, .. } = &self.files;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable { table, certificate: certificate.clone(), source })?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Looks at the files again and again, for ever. Files that cannot be used are complained of once, and the certificate in
    /// use stays. What is wrong with that one is said now and every day.
    pub(crate) async fn watch(self: Arc<Self>) {
        let (mut said, mut refused) = (Complaints::default(), String::new());
        loop {
            let now = SystemTime::now();
            for complaint in said.due(self.current.load().leaf.complaints(&self.files, now), now) {
                warn!("{complaint}");
            }
            tokio::time::sleep(self.files.reload_interval.max(SHORTEST_INTERVAL)).await;
            let this = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || this.look(SystemTime::now())).await;
            match looked {
                Ok(Ok(changed)) => {
                    refused.clear();
                    if changed {
                        let until = self.current.load().leaf.period.map(|(_, end)| date(end));
                        info!(file = %self.files.certificate.display(), until, "a new certificate is in use");
                    }
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if text != refused {
                        warn!(error = %text, "the new certificate is not used, the one before stays");
                        refused = text;
                    }
                }
                // The runtime shuts down.
                Err(_) => return,
            }
        }
    }

    /// Takes over the files if they have changed. True if they had.
    pub(super) fn look(&self, now: SystemTime) -> Result<bool, TlsError> {
        let content = self.files.read()?;
        let digest = self.hasher.hash_one(&content);
        if digest == self.digest.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let new = content.parse(&self.files)?;
        // One that clients refuse is no better than none, if there is one that they take.
        if let Some(fault) = new.leaf.out_of_date(&self.files, now)
            && self.current.load().leaf.out_of_date(&self.files, now).is_none()
        {
            return Err(fault);
        }
        self.current.store(Arc::new(new));
        self.digest.store(digest, Ordering::Relaxed);
        self.tell_end();
        Ok(true)
    }

    fn tell_end(&self) {
        if let Some((_, end)) = self.current.load().leaf.period {
            self.metrics.certificate_ends(self.files.table, end);
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}

/// Names the files; the key stays out of logs.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What has been complained of, and when.
#[derive(Default)]
pub(super) struct Complaints(Vec<(String, SystemTime)>);

impl Complaints {
    /// Those of `complaints` that are new, or that it is time to make again.
    pub(super) fn due(&mut self, complaints: Vec<String>, now: SystemTime) -> Vec<String> {
        // What is no longer so is forgotten.
        self.0.retain(|(old, _)| complaints.contains(old));
        let mut due = Vec::new();
        for complaint in complaints {
            match self.0.iter_mut().find(|(old, _)| *old == complaint) {
                Some((_, at)) if now.duration_since(*at).unwrap_or_default() < DAILY => continue,
                Some((_, at)) => *at = now,
                None => self.0.push((complaint.clone(), now)),
            }
            due.push(complaint);
        }
        due
    }
}
