//! What all connections of an endpoint have in common.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use roster_jid::domainpart;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::live::Live;
use super::resume::Resumables;
use crate::accounts::Accounts;
use crate::accounts::credentials::random;
use crate::accounts::decoy::Decoys;
use crate::client_log::ClientLog;
use crate::config::EndpointConfig;
use crate::counters::Counters;
use crate::domain::Domain;
use crate::memory::Memory;
use crate::net::admission::Handshakes;
use crate::sasl::Throttle;

/// A domain and who has an account there. A clone is the same.
#[derive(Clone)]
pub struct Hosted {
    /// The domain.
    pub domain: Arc<Domain>,
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
}

/// TLS for both ways to begin it.
pub(crate) struct Tls {
    pub(crate) after_starttls: TlsAcceptor,
    pub(crate) direct: TlsAcceptor,
}

/// What all connections of an endpoint have in common.
pub(crate) struct Shared {
    pub(crate) config: EndpointConfig,
    pub(crate) tls: Option<Tls>,
    pub(crate) domains: RwLock<Arc<Domains>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) client_log: Arc<ClientLog>,
    pub(crate) handshakes: Handshakes,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) resumables: Arc<Resumables<Live>>,
    /// Makes up credentials of those who do not exist, where the accounts do not.
    pub(crate) decoys: Arc<Decoys>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// The domains that are served now.
pub(crate) struct Domains {
    /// The one that stands for all where a client names none.
    pub(crate) first: String,
    pub(crate) by_name: HashMap<String, Arc<Hosted>>,
}

impl Domains {
    /// `None` if there is none.
    pub(crate) fn new(domains: Vec<Hosted>) -> Option<Arc<Self>> {
        let first = domains.first()?.domain.name().to_owned();
        let by_name = domains.into_iter().map(|hosted| (hosted.domain.name().to_owned(), Arc::new(hosted))).collect();
        Some(Arc::new(Self { first, by_name }))
    }
}

impl Shared {
    /// The domains that are served now.
    pub(crate) fn domains(&self) -> Arc<Domains> {
        Arc::clone(&self.domains.read())
    }

    /// The domain a client asks for.
    pub(crate) fn hosted(&self, name: &str) -> Option<Arc<Hosted>> {
        let domains = self.domains.read();
        domains.by_name.get(name).or_else(|| domains.by_name.get(&*domainpart(name).ok()?)).cloned()
    }

    /// Returns when the endpoint stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error is that the endpoint was dropped, which stops it too.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

/// Of a stream: unpredictable, and never given twice (RFC 6120 section 4.7.3).
pub(super) fn stream_id() -> String {
    URL_SAFE_NO_PAD.encode(random::<15>())
}
