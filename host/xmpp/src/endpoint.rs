//! The endpoint: listeners, domains, and its beginning and end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::accounts::credentials::random;
use crate::accounts::decoy::Decoys;
use crate::client_log::ClientLog;
use crate::config::EndpointConfig;
use crate::counters::Counters;
use crate::listen::tcp::accept;
use crate::listen::websocket::{self, Web};
use crate::memory::Memory;
use crate::net::admission::{Admission, Handshakes};
use crate::sasl::Throttle;
use crate::session::expel;
use crate::session::shared::{Domains, Hosted, Shared, Tls};

/// The endpoint cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address cannot be listened on.
    #[error("cannot listen for XMPP clients on {address} ({key}): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The field of [`EndpointConfig`] it is from.
        key: &'static str,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate, and without one nobody could log in.
    #[error("{key} needs a certificate")]
    NoCertificate {
        /// The field of [`EndpointConfig`] that does.
        key: &'static str,
    },
    /// There is nothing to serve.
    #[error("an XMPP endpoint needs a domain")]
    NoDomain,
}

/// Where the endpoint listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// With the real port.
    pub address: SocketAddr,
    /// Whether connections begin with TLS.
    pub tls: bool,
}

/// An XMPP client-to-server endpoint.
pub struct Endpoint {
    shared: Arc<Shared>,
    listeners: Vec<(TcpListener, Listening)>,
    admission: Arc<Admission>,
    tasks: TaskTracker,
    stop: watch::Sender<bool>,
}

impl Endpoint {
    /// Listens; nobody is served before [`Endpoint::serve`]. `tls` without ALPN: the endpoint sets it. Whoever wants to
    /// change the certificate later hands in a configuration with a resolver.
    pub async fn bind(
        config: EndpointConfig,
        tls: Option<Arc<ServerConfig>>,
        domains: Vec<Hosted>,
    ) -> Result<Self, EndpointError> {
        // Before anything is listened on.
        can_serve(&config, tls.is_some(), &domains)?;
        let mut listeners = Vec::new();
        for (addresses, key, direct) in [(&config.listen, "listen", false), (&config.listen_tls, "listen_tls", true)] {
            for address in addresses {
                let failed = |source| EndpointError::Listen { address: *address, key, source };
                listeners.push((TcpListener::bind(address).await.map_err(failed)?, direct));
            }
        }
        Self::on(listeners, config, tls, domains)
    }

    /// The same on sockets that listen already, with whether connections there begin with TLS; nothing is bound.
    pub fn on(
        sockets: impl IntoIterator<Item = (TcpListener, bool)>,
        config: EndpointConfig,
        tls: Option<Arc<ServerConfig>>,
        domains: Vec<Hosted>,
    ) -> Result<Self, EndpointError> {
        can_serve(&config, tls.is_some(), &domains)?;
        let domains = Domains::new(domains).ok_or(EndpointError::NoDomain)?;
        // A socket that has no address any more accepts nobody either.
        let listens = |(socket, tls): (TcpListener, bool)| {
            let address = socket.local_addr().ok()?;
            Some((socket, Listening { address, tls }))
        };
        let listeners = sockets.into_iter().filter_map(listens).collect();
        for hosted in domains.by_name.values() {
            hosted.accounts.prepare();
        }
        let counters = Arc::<Counters>::default();
        let client_log = Arc::new(ClientLog::new(&config.limits));
        let admission = Admission::new(&config.limits, Arc::clone(&counters), Arc::clone(&client_log));
        let (stop, stopped) = watch::channel(false);
        let memory = Memory::new(config.limits.memory);
        domains.by_name.values().for_each(|hosted| hosted.domain.use_memory(&memory));
        let shared = Shared {
            tls: tls.map(acceptors),
            domains: RwLock::new(domains),
            counters,
            client_log,
            handshakes: Handshakes::new(&config.limits),
            throttle: Arc::new(Throttle::new(&config.login, &config.timeouts)),
            resumables: Arc::default(),
            decoys: Arc::new(Decoys::new(&random::<32>())),
            memory,
            stop: stopped,
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
            listeners,
            admission: Arc::new(admission),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// Where it listens.
    pub fn listening(&self) -> Vec<Listening> {
        self.listeners.iter().map(|(_, listening)| *listening).collect()
    }

    /// What changes its domains while it serves.
    pub fn served(&self) -> Served {
        Served(Arc::clone(&self.shared))
    }

    /// What is counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.shared.counters)
    }

    /// What all clients make it hold.
    pub fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.shared.memory)
    }

    /// `/xmpp-websocket` (RFC 7395) and `/.well-known/host-meta` (XEP-0156), for an HTTP listener. `encrypted` says whether
    /// that listener has TLS, or is behind something that has and that nobody can get around; `port` where it listens, which
    /// is part of the URL that those get who come there directly.
    ///
    /// The listener has to set `ConnectInfo<SocketAddr>`; else all of its clients are taken for one address.
    pub fn websocket(&self, encrypted: bool, port: Option<u16>) -> Router {
        websocket::router(Web {
            shared: Arc::clone(&self.shared),
            admission: Arc::clone(&self.admission),
            tasks: self.tasks.clone(),
            encrypted,
            port,
        })
    }

    /// Serves until `stop` returns. Then every stream ends with `<system-shutdown/>`, within
    /// [`crate::config::Timeouts::shutdown`].
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { shared, listeners, admission, tasks, stop: stopping } = self;
        for (listener, listening) in listeners {
            info!(address = %listening.address, tls = listening.tls, "listening for XMPP clients");
            let (shared, admission) = (Arc::clone(&shared), Arc::clone(&admission));
            tasks.spawn(accept(shared, listener, listening.tls, admission, tasks.clone()));
        }
        tasks.spawn(expel::watch(Arc::clone(&shared)));
        let log = Arc::clone(&shared);
        tasks.spawn(async move { log.client_log.sum_up_until(log.stopped()).await });
        stop.await;
        stopping.send_replace(true);
        tasks.close();
        let limit = shared.config.timeouts.shutdown;
        if timeout(limit, tasks.wait()).await.is_err() {
            warn!(left = tasks.len(), ?limit, "some XMPP clients could not be told goodbye in time");
        }
        shared.client_log.sum_up();
    }
}

/// The domains of an endpoint that serves.
#[derive(Clone)]
pub struct Served(Arc<Shared>);

impl Served {
    /// The domain with this name, if it is served now.
    pub fn hosted(&self, name: &str) -> Option<Hosted> {
        self.0.hosted(name).map(|hosted| Hosted::clone(&hosted))
    }

    /// From now on it serves `domains`, the first of them where a client names none. The sessions of a domain that is not among
    /// them end with `<host-gone/>`; those of one that is stay, with other accounts too.
    ///
    /// # Errors
    ///
    /// There is no domain; then nothing has changed.
    pub fn replace(&self, domains: Vec<Hosted>) -> Result<(), EndpointError> {
        let domains = Domains::new(domains).ok_or(EndpointError::NoDomain)?;
        for hosted in domains.by_name.values() {
            hosted.accounts.prepare();
            // Of one that was served already that is what it has.
            hosted.domain.use_memory(&self.0.memory);
        }
        let before = std::mem::replace(&mut *self.0.domains.write(), Arc::clone(&domains));
        for (name, hosted) in &before.by_name {
            let stays = domains.by_name.get(name).is_some_and(|now| Arc::ptr_eq(&now.domain, &hosted.domain));
            if !stays {
                hosted.domain.close();
            }
        }
        Ok(())
    }
}

/// Whether anybody could log in.
fn can_serve(config: &EndpointConfig, has_certificate: bool, domains: &[Hosted]) -> Result<(), EndpointError> {
    match () {
        () if domains.is_empty() => Err(EndpointError::NoDomain),
        () if has_certificate => Ok(()),
        () if !config.listen_tls.is_empty() => Err(EndpointError::NoCertificate { key: "listen_tls" }),
        () if config.require_encryption && !config.listen.is_empty() => {
            Err(EndpointError::NoCertificate { key: "require_encryption" })
        }
        () => Ok(()),
    }
}

fn acceptors(config: Arc<ServerConfig>) -> Tls {
    let mut direct = (*config).clone();
    // XEP-0368 section 2.
    direct.alpn_protocols = vec![b"xmpp-client".to_vec()];
    let mut after_starttls = (*config).clone();
    after_starttls.alpn_protocols = Vec::new();
    Tls { after_starttls: Arc::new(after_starttls).into(), direct: TlsAcceptor::from(Arc::new(direct)) }
}
