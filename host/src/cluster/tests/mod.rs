//! The nodes of a cluster over a simulated network, with the host's own rosters, in paused time: thousands of schedules of what can go
//! wrong, each from a seed that is printed when a promise is broken, and can be had again (`CLUSTER_SEED`; `CLUSTER_SCHEDULES`: how
//! many).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod application;
mod network;
mod schedules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Cluster;
use super::membership::VIEW;
use crate::config::{ClusterConfig, LimitsConfig, StoreConfig};
use crate::metrics::Metrics;
use crate::model::Username;
use crate::rosters::{NotNow, Owners, Parts, Rosters, SessionId, Spread};
use crate::sinks::RosterSink;
use crate::store::MemoryStore;
use application::{Application, Clients, version};
use network::{Network, Weather};

const DOMAIN: &str = "example.com";
const TIMEOUT: Duration = Duration::from_secs(2);
/// Nothing gets lost.
const CALM: Weather = Weather { lost: 0, twice: 0, slowest: 3 };

fn user(n: u64) -> Username {
    Username::new(&format!("u{n}")).unwrap()
}

/// One node.
struct Node {
    cluster: Arc<Cluster>,
    here: Arc<Rosters>,
    owners: Arc<dyn Owners>,
    clients: Arc<Clients>,
    dead: Arc<AtomicBool>,
}

/// All of it.
struct World {
    network: Arc<Network>,
    application: Arc<Application>,
    nodes: BTreeMap<&'static str, Node>,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        Self {
            network: Network::new(seed, weather),
            application: Application::new(seed ^ 0xa5a5),
            nodes: BTreeMap::new(),
        }
    }

    /// As in `assembly.rs`.
    fn start(&mut self, name: &'static str) {
        let (engine, incoming, dead) = self.network.join(name);
        let config = ClusterConfig { node: name.into(), node_timeout: TIMEOUT, ..ClusterConfig::default() };
        let cluster = Cluster::new(&config, engine);
        let clients = Arc::new(Clients::default());
        let store =
            StoreConfig { grace: Duration::from_secs(5), stale_if_error: Duration::ZERO, ..StoreConfig::default() };
        let limits = LimitsConfig::default();
        let parts = |plugin, sinks, owners| Parts {
            domain: DOMAIN.into(),
            plugin,
            store: Arc::new(MemoryStore::new(&store)),
            sinks,
            metrics: Metrics::new(),
            owners,
        };
        let owned = parts(Arc::clone(&self.application) as _, vec![cluster.sink(0)], None);
        let owned = Rosters::new(owned, &limits, &store);
        let (source, owners) = cluster.source(0, Arc::clone(&self.application) as _);
        let here = parts(source, vec![Arc::clone(&clients) as Arc<dyn RosterSink>], Some(Arc::clone(&owners)));
        let here = Rosters::new(here, &limits, &Cluster::store_of_copies(&store));
        cluster.serve(vec![(owned, Arc::clone(&here))], incoming);
        self.nodes.insert(name, Node { cluster, here, owners, clients, dead });
    }

    /// SIGKILL.
    fn kill(&mut self, name: &str) {
        if let Some(node) = self.nodes.remove(name) {
            node.dead.store(true, Ordering::Relaxed);
            node.cluster.stop.cancel();
            self.network.leave(name);
        }
    }

    async fn ready(&self, nodes: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = |node: &Node| {
                let status = node.cluster.status();
                status.ready && status.nodes.len() == nodes
            };
            if self.nodes.values().all(ready) {
                return;
            }
            assert!(Instant::now() < deadline, "not ready: {:?}", self.states());
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn states(&self) -> Vec<String> {
        self.nodes.values().map(|node| format!("{:?}", node.cluster.status())).collect()
    }

    async fn login(&self, name: &str, user: &Username) -> Option<u64> {
        let node = &self.nodes[name];
        let snapshot = node.here.connect(user, SessionId::new("x")).await.ok()?;
        let version = version(&snapshot);
        node.clients.logged_in(user, version);
        Some(version)
    }

    async fn refresh(&self, name: &str, users: Vec<Username>) -> Result<Spread, NotNow> {
        self.nodes[name].owners.refresh(users, Instant::now() + Duration::from_secs(20)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_at_any_node_reaches_clients_at_all_nodes_before_it_is_answered() {
    let mut world = World::new(1, CALM);
    for name in ["a", "b", "c"] {
        world.start(name);
    }
    world.ready(3).await;
    for n in 0..30 {
        for name in ["a", "b", "c"] {
            assert_eq!(world.login(name, &user(n)).await, Some(0));
        }
    }
    assert_eq!(world.application.requests(), 30, "each roster is fetched once");
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let users: Vec<_> = (0..30).map(user).collect();
        users.iter().for_each(|user| {
            world.application.change(user);
        });
        assert_eq!(world.refresh(name, users.clone()).await, Ok(Spread::default()));
        for node in world.nodes.values() {
            for user in &users {
                assert_eq!(node.clients.version(user), Some(at as u64 + 1), "{user}");
            }
        }
    }
    assert_eq!(world.application.requests(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_serves_logins_and_refuses_refreshes_and_catches_up_later() {
    let mut world = World::new(2, CALM);
    for name in ["a", "b", "c"] {
        world.start(name);
    }
    world.ready(3).await;
    for n in 0..9 {
        world.login("a", &user(n)).await.unwrap();
        world.login("b", &user(n)).await.unwrap();
    }
    world.network.cut("a", true);
    sleep(TIMEOUT * 3).await;
    assert!(world.refresh("a", vec![user(0)]).await.is_err());
    assert_eq!(world.login("a", &user(100)).await, Some(0), "a login is served alone");
    for n in 0..9 {
        world.application.change(&user(n));
    }
    world.application.change(&user(100));
    let users: Vec<_> = (0..9).map(user).collect();
    assert_eq!(world.refresh("b", users.clone()).await, Ok(Spread::default()), "the others go on");
    assert!(users.iter().all(|user| world.nodes["b"].clients.version(user) == Some(1)));
    assert!(users.iter().all(|user| world.nodes["a"].clients.version(user) == Some(0)));
    world.network.cut("a", false);
    world.ready(3).await;
    sleep(TIMEOUT).await;
    for user in users.iter().chain([&user(100)]) {
        assert_eq!(world.nodes["a"].clients.version(user), Some(1), "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_meets_a_dead_owner_is_answered_when_another_has_taken_over() {
    let mut world = World::new(3, CALM);
    for name in ["a", "b", "c"] {
        world.start(name);
    }
    world.ready(3).await;
    for n in 0..30 {
        world.login("a", &user(n)).await.unwrap();
        world.application.change(&user(n));
    }
    world.kill("b");
    let began = Instant::now();
    assert_eq!(world.refresh("a", (0..30).map(user).collect()).await, Ok(Spread::default()));
    assert!(began.elapsed() >= TIMEOUT / 2 && began.elapsed() < TIMEOUT * 3, "{:?}", began.elapsed());
    assert!((0..30).all(|n| world.nodes["a"].clients.version(&user(n)) == Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_or_starts_holds_up_nobody_for_long() {
    let mut world = World::new(4, CALM);
    for name in ["a", "b", "c"] {
        world.start(name);
    }
    world.ready(3).await;
    world.login("a", &user(1)).await.unwrap();
    world.nodes["c"].cluster.leave().await;
    world.kill("c");
    for version in 1..4 {
        if version == 2 {
            world.start("c");
        }
        world.application.change(&user(1));
        let began = Instant::now();
        assert_eq!(world.refresh("b", vec![user(1)]).await, Ok(Spread::default()));
        assert!(began.elapsed() < TIMEOUT / 2, "{:?}", began.elapsed());
        assert_eq!(world.nodes["a"].clients.version(&user(1)), Some(version));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_nodes_of_another_release_is_left_as_it_is() {
    let mut world = World::new(6, CALM);
    let list = r#"{"number": 7, "v": 9, "members": "elsewhere"}"#;
    world.network.put(VIEW, list);
    world.start("a");
    sleep(TIMEOUT * 5).await;
    assert_eq!(world.network.value(VIEW).unwrap(), list);
    assert_eq!(world.nodes["a"].cluster.status().state, "joining");
    assert_eq!(world.login("a", &user(1)).await, Some(0), "logins are served alone");
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_name_do_not_take_it_from_each_other() {
    let mut world = World::new(5, CALM);
    world.start("a");
    world.ready(1).await;
    let first = world.nodes.remove("a").unwrap();
    world.start("a");
    sleep(TIMEOUT * 3).await;
    assert_eq!(world.nodes["a"].cluster.status().state, "live", "the later one has it");
    assert_ne!(first.cluster.status().state, "live");
    let view = world.nodes["a"].cluster.status().view;
    sleep(TIMEOUT * 10).await;
    assert_eq!(world.nodes["a"].cluster.status().view, view, "and keeps it");
}
