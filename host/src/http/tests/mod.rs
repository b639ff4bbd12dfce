//! The whole room over real sockets: a server on ports the system chose, a plugin that does as the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod bounds;
mod browsers;
mod client;
mod events;
mod log;
mod operator;
mod plugin;
mod refresh;
mod requests;
mod stop;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{App, Listening, Readiness, Server, VirtualHosts};
use crate::config::{AdminConfig, Config, HttpConfig, LimitsConfig, Secret, StoreConfig};
use crate::metrics::Metrics;
use crate::model::Username;
use crate::rosters::{Parts, Rosters, SessionId};
use crate::sinks::EventStream;
use crate::sockets::{InheritedSockets, Purpose, Sockets};
use crate::store::MemoryStore;

use plugin::Scripted;

/// Longer than anything a test waits for on purpose; what takes longer hangs.
const HANGS: Duration = Duration::from_secs(20);

const ROUTE: &str = "/roster_admin/refresh";

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running server.
struct Host {
    listening: Listening,
    plugin: Arc<Scripted>,
    rosters: Vec<Arc<Rosters>>,
    readiness: Readiness,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Host {
    async fn start() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(adjust: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::default();
        adjust(&mut setup);
        let Setup { http, admin, domains } = setup;
        let (plugin, metrics) = (Arc::new(Scripted::default()), Metrics::new());
        let events = Arc::new(EventStream::new(admin.event_buffer, admin.event_buffer_bytes));
        let rosters: Vec<_> = domains
            .iter()
            .map(|domain| {
                let parts = Parts {
                    domain: Arc::from(*domain),
                    plugin: Arc::clone(&plugin) as _,
                    store: Arc::new(MemoryStore::new(&StoreConfig::default())),
                    sinks: vec![Arc::clone(&events) as _],
                    metrics: Arc::clone(&metrics),
                    owners: None,
                };
                let store = StoreConfig { stale_if_error: Duration::ZERO, ..StoreConfig::default() };
                Rosters::new(parts, &LimitsConfig::default(), &store)
            })
            .collect();
        let readiness = Readiness::default();
        let hosts = VirtualHosts::new(rosters.clone()).unwrap();
        let app = App {
            hosts,
            swappers: crate::swap::Swappers::default(),
            events,
            metrics,
            readiness: readiness.clone(),
            collectors: Vec::new(),
            attached: None,
            cluster: None,
            clients: None,
            reload: None,
        };
        let config = Config { http: http.clone(), admin: admin.clone(), ..Config::default() };
        let mut sockets = Sockets::open(Purpose::wanted(&config), InheritedSockets::default()).await.unwrap();
        let server = Server::new(&http, &admin, &mut sockets, app).unwrap();
        let listening = *server.listening();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(server.serve(stopped));
        Self { listening, plugin, rosters, readiness, stop, serving }
    }

    fn http(&self) -> SocketAddr {
        self.listening.refresh_http.unwrap()
    }

    fn https(&self) -> SocketAddr {
        self.listening.refresh_https.unwrap()
    }

    fn admin(&self) -> SocketAddr {
        self.listening.admin.unwrap()
    }

    /// Connects `user` to the first virtual host.
    async fn connect(&self, user: &str) {
        self.rosters[0].connect(&Username::new(user).unwrap(), SessionId::new("phone")).await.unwrap();
    }
}

struct Setup {
    http: HttpConfig,
    admin: AdminConfig,
    domains: Vec<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            http: HttpConfig { listen: Some(ANY_PORT), ..HttpConfig::default() },
            admin: AdminConfig { listen: Some(ANY_PORT), ..AdminConfig::default() },
            domains: vec!["example.com"],
        }
    }
}

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text))
}
