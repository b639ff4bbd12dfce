//! A simulated network: messages take their time, get lost, come twice; nodes are cut off; the values that nodes agree about are
//! behind the same network. All by a seed, in the time of a paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster::engine::{Engine, EngineError, Entry};
use crate::cluster::member::NodeName;

/// Numbers from a seed: splitmix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// How bad the network is.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    /// One message in so many is lost; 0: none.
    pub(super) lost: u64,
    /// One in so many comes twice; 0: none.
    pub(super) twice: u64,
    /// The longest way, milliseconds.
    pub(super) slowest: u64,
}

/// See the module.
pub(super) struct Network(Mutex<Inner>);

struct Inner {
    random: Random,
    weather: Weather,
    nodes: BTreeMap<NodeName, mpsc::Sender<Bytes>>,
    /// Nobody hears them, and they hear nobody.
    cut: BTreeSet<NodeName>,
    /// The engine's servers are down.
    down: bool,
    values: BTreeMap<String, Entry>,
    revision: u64,
    /// When the latest message from one node to another arrives: none overtakes another.
    arrivals: BTreeMap<(NodeName, NodeName), Instant>,
}

impl Network {
    pub(super) fn new(seed: u64, weather: Weather) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            random: Random::new(seed),
            weather,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            down: false,
            values: BTreeMap::new(),
            revision: 0,
            arrivals: BTreeMap::new(),
        })))
    }

    /// A node begins: what it says goes through the first, what is said to it comes out of the second; the third ends it.
    pub(super) fn join(self: &Arc<Self>, name: &str) -> (Arc<dyn Engine>, mpsc::Receiver<Bytes>, Arc<AtomicBool>) {
        let (sender, receiver) = mpsc::channel(100_000);
        let me = NodeName::new(name);
        self.0.lock().nodes.insert(me.clone(), sender);
        let dead = Arc::<AtomicBool>::default();
        (Arc::new(Connection { network: Arc::clone(self), me, dead: Arc::clone(&dead) }), receiver, dead)
    }

    /// A node is gone.
    pub(super) fn leave(&self, name: &str) {
        self.0.lock().nodes.remove(&NodeName::new(name));
    }

    pub(super) fn cut(&self, name: &str, is_cut: bool) {
        let mut inner = self.0.lock();
        match is_cut {
            true => inner.cut.insert(NodeName::new(name)),
            false => inner.cut.remove(&NodeName::new(name)),
        };
    }

    /// The value that nodes agree about, as somebody else has written it.
    pub(super) fn put(&self, key: &str, value: &'static str) {
        let mut inner = self.0.lock();
        inner.revision += 1;
        let entry = Entry { value: Bytes::from_static(value.as_bytes()), revision: inner.revision };
        inner.values.insert(key.to_owned(), entry);
    }

    pub(super) fn value(&self, key: &str) -> Option<Bytes> {
        self.0.lock().values.get(key).map(|entry| entry.value.clone())
    }

    pub(super) fn down(&self, is_down: bool) {
        self.0.lock().down = is_down;
    }

    pub(super) fn heal(&self, weather: Weather) {
        let mut inner = self.0.lock();
        (inner.cut, inner.down, inner.weather) = (BTreeSet::new(), false, weather);
    }
}

struct Connection {
    network: Arc<Network>,
    me: NodeName,
    dead: Arc<AtomicBool>,
}

impl Connection {
    fn is_cut(&self, inner: &Inner) -> bool {
        inner.down || inner.cut.contains(&self.me) || self.dead.load(Ordering::Relaxed)
    }

    /// The way to the engine's servers and back.
    async fn way(&self) -> Result<(), EngineError> {
        let way = {
            let mut inner = self.network.0.lock();
            let slowest = inner.weather.slowest;
            let way = 1 + inner.random.below(slowest);
            if self.is_cut(&inner) { 400 } else { way }
        };
        sleep(Duration::from_millis(way)).await;
        let inner = self.network.0.lock();
        match self.is_cut(&inner) {
            true => Err(EngineError::Unavailable("cut off".to_owned())),
            false => Ok(()),
        }
    }

    fn deliver(&self, to: &NodeName, message: &Bytes) {
        let mut inner = self.network.0.lock();
        let inner = &mut *inner;
        if self.is_cut(inner) || inner.cut.contains(to) {
            return;
        }
        let Weather { lost, twice, slowest } = inner.weather;
        if lost > 0 && inner.random.one_in(lost) {
            return;
        }
        let Some(sender) = inner.nodes.get(to).cloned() else { return };
        let copies = if twice > 0 && inner.random.one_in(twice) { 2 } else { 1 };
        for _ in 0..copies {
            let at = Instant::now() + Duration::from_millis(1 + inner.random.below(slowest));
            let last = inner.arrivals.entry((self.me.clone(), to.clone())).or_insert(at);
            let at = at.max(*last);
            *last = at;
            let (sender, message) = (sender.clone(), message.clone());
            tokio::spawn(async move {
                sleep_until(at).await;
                let _ = sender.try_send(message);
            });
        }
    }
}

#[async_trait]
impl Engine for Connection {
    async fn send(&self, to: &NodeName, message: Bytes) -> Result<(), EngineError> {
        self.deliver(to, &message);
        Ok(())
    }

    async fn send_all(&self, message: Bytes) -> Result<(), EngineError> {
        let all: Vec<NodeName> = self.network.0.lock().nodes.keys().cloned().collect();
        all.iter().for_each(|to| self.deliver(to, &message));
        Ok(())
    }

    async fn read(&self, key: &str) -> Result<Option<Entry>, EngineError> {
        self.way().await?;
        Ok(self.network.0.lock().values.get(key).cloned())
    }

    async fn write(&self, key: &str, value: Bytes, expected: Option<u64>) -> Result<(), EngineError> {
        self.way().await?;
        {
            let mut inner = self.network.0.lock();
            let now = inner.values.get(key).map_or(0, |entry| entry.revision);
            if expected.is_some_and(|expected| expected != now) {
                return Err(EngineError::Conflict);
            }
            inner.revision += 1;
            let revision = inner.revision;
            inner.values.insert(key.to_owned(), Entry { value, revision });
        }
        // It is written, and whoever has written it may never hear of it.
        self.way().await
    }

    async fn remove(&self, key: &str) -> Result<(), EngineError> {
        self.way().await?;
        self.network.0.lock().values.remove(key);
        Ok(())
    }
}
