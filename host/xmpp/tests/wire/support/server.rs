//! An endpoint for one test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use roster_model::{Contact, Contacts, Snapshot, Subscription, Username};
use roster_xmpp::accounts::Accounts;
use roster_xmpp::accounts::file::{AccountsFile, add};
use roster_xmpp::config::EndpointConfig;
use roster_xmpp::counters::Counters;
use roster_xmpp::domain::nodes::Cluster;
use roster_xmpp::memory::Memory;
use roster_xmpp::{Domain, DomainOptions, Endpoint, Hosted, RosterSource, RosterUnavailable};
use tokio::sync::oneshot;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(30);

/// Everybody's contacts are the other users, and as many as a test wants who are never there.
pub struct Friends {
    users: Vec<&'static str>,
    pub absent: AtomicUsize,
    pub connected: Mutex<HashMap<String, usize>>,
}

#[async_trait]
impl RosterSource for Friends {
    async fn connect(&self, user: &Username, session: &str) -> Result<Arc<Snapshot>, RosterUnavailable> {
        self.connected.lock().insert(format!("{user}/{session}"), 1);
        Ok(self.cached(user).unwrap())
    }

    fn disconnect(&self, user: &Username, session: &str) {
        self.connected.lock().remove(&format!("{user}/{session}"));
    }

    fn cached(&self, user: &Username) -> Option<Arc<Snapshot>> {
        let absent = (0..self.absent.load(Ordering::Relaxed)).map(|n| format!("absent{n}"));
        let others = self.users.iter().filter(|other| **other != user.as_str()).map(|other| (*other).to_owned());
        let contacts: Vec<Contact> = others
            .chain(absent)
            .map(|other| Contact {
                jid: format!("{other}@example.com"),
                name: None,
                subscription: Subscription::Both,
                ask: false,
                groups: vec![],
            })
            .collect();
        Some(Arc::new(Snapshot::new(1, None, Contacts::pack(&contacts, usize::MAX).unwrap())))
    }
}

/// See the module.
pub struct Server {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub web: SocketAddr,
    pub web_encrypted: SocketAddr,
    pub counters: Arc<Counters>,
    pub memory: Arc<Memory>,
    pub trust: Arc<ClientConfig>,
    pub friends: Arc<Friends>,
    pub domain: Arc<Domain>,
    pub accounts: std::path::PathBuf,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

/// What tests do not want to wait for, and no limit that a test does not ask for.
pub fn config() -> EndpointConfig {
    let mut config = EndpointConfig { require_encryption: false, ..EndpointConfig::default() };
    config.timeouts.close = Duration::from_millis(300);
    config.limits.bytes_per_second = 0;
    config.limits.stanzas_per_second = 0;
    config.limits.connections_per_second = 0;
    config
}

impl Server {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: EndpointConfig) -> Self {
        Self::with_accounts(config, None).await
    }

    /// With others than those of the file.
    pub async fn with_accounts(config: EndpointConfig, others: Option<Arc<dyn Accounts>>) -> Self {
        Self::start_as(config, others, None).await
    }

    /// A node of several.
    pub async fn in_cluster(config: EndpointConfig, cluster: Cluster) -> Self {
        Self::start_as(config, None, Some(cluster)).await
    }

    async fn start_as(mut config: EndpointConfig, others: Option<Arc<dyn Accounts>>, cluster: Option<Cluster>) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        config.listen = vec![loopback];
        config.listen_tls = vec![loopback];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["example.com".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = CertificateDer::from(cert.der().to_vec());
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let trust = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let folder = tempfile::tempdir().unwrap();
        let accounts = folder.path().join("accounts");
        for user in ["john", "marie"] {
            add(&accounts, &Username::new(user).unwrap(), &format!("{user}'s secret"), false).unwrap();
        }
        let friends = Arc::new(Friends {
            users: vec!["john", "marie"],
            absent: AtomicUsize::new(0),
            connected: Mutex::default(),
        });
        let options = DomainOptions::new(roster_xmpp::roster_jid::DomainName::new("example.com").unwrap());
        let rosters = Arc::clone(&friends) as Arc<dyn RosterSource>;
        let domain = match cluster {
            Some(cluster) => Domain::clustered(options, rosters, cluster),
            None => Domain::new(options, rosters),
        };
        let of_file = || Arc::new(AccountsFile::open(&accounts).unwrap()) as Arc<dyn Accounts>;
        let hosted = Hosted { domain: Arc::clone(&domain), accounts: others.unwrap_or_else(of_file) };
        let endpoint = Endpoint::bind(config, Some(Arc::new(server)), vec![hosted]).await.unwrap();
        let listening = endpoint.listening();
        let address = |tls| listening.iter().find(|one| one.tls == tls).unwrap().address;
        let (stop, stopped) = oneshot::channel();
        let (counters, memory) = (endpoint.counters(), endpoint.memory());
        let web = http(endpoint.websocket(false, Some(5280))).await;
        let web_encrypted = http(endpoint.websocket(true, Some(5281))).await;
        let (plain, tls) = (address(false), address(true));
        let serving = tokio::spawn(endpoint.serve(async {
            let _ = stopped.await;
        }));
        Self {
            plain,
            tls,
            web,
            web_encrypted,
            counters,
            memory,
            trust: Arc::new(trust),
            friends,
            domain,
            accounts,
            stop: Some(stop),
            serving: Some(serving),
            _folder: folder,
        }
    }

    /// Stops, and returns when everybody was told goodbye.
    pub async fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        tokio::time::timeout(LONG, self.serving.take().unwrap()).await.expect("it stops").unwrap();
    }

    /// Waits until nobody is connected and no session is left.
    pub async fn is_empty(&self) {
        until("nobody is left", || {
            self.counters.connections.get() == 0
                && self.counters.sessions.get() == 0
                && self.counters.sessions_hibernating.get() == 0
        })
        .await;
    }
}

async fn http(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

/// Waits for a condition.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "waited too long for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
