//! The contract of `host/src/plugin`, and a module in the place of one in WebAssembly.

#[allow(dead_code)]
#[path = "../../../host/src/plugin/api.rs"]
mod contract;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::{Contact, Snapshot, Subscription, Username};

pub use contract::{BadRequest, CallError, Delta, FetchError, FetchedRoster, Outcome, Refreshed, Reply, RosterPlugin};

/// A module: its rosters say which it is.
pub struct WasmPlugin {
    name: String,
    /// Of ten calls, so many trap.
    traps: u32,
    stats: Stats,
    running: AtomicUsize,
}

/// What is known of a module.
#[derive(Default)]
pub struct Stats(AtomicU64);

impl Stats {
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn serve_as(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(crate) fn malformed(&self) {}
}

impl WasmPlugin {
    /// A module of which so many of ten calls trap.
    pub fn new(name: &str, traps: u32) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), traps, stats: Stats::default(), running: AtomicUsize::new(0) })
    }

    /// What its rosters say.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The generation that it is; 0: it has not served.
    pub fn number(&self) -> u64 {
        self.stats.number()
    }

    pub(crate) fn open(&self) {}

    /// Calls that run now.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) async fn drain(&self) {
        while self.running() > 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn call<T>(&self, hook: &'static str, result: impl FnOnce(&str) -> T) -> Result<T, CallError> {
        self.running.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let traps = shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 0..10) < self.traps;
        self.running.fetch_sub(1, Ordering::Relaxed);
        if traps {
            return Err(CallError::Trap { hook, reason: "it is bad".to_owned() });
        }
        Ok(result(&self.name))
    }
}

/// One contact, called `name`.
pub(crate) fn contact(name: &str) -> Contact {
    Contact {
        jid: "marie@example.com".to_owned(),
        name: Some(name.to_owned()),
        subscription: Subscription::Both,
        ask: false,
        groups: Vec::new(),
    }
}

#[async_trait]
impl RosterPlugin for WasmPlugin {
    async fn fetch(&self, _user: &Username) -> Result<FetchedRoster, CallError> {
        let roster = |name: &str| FetchedRoster { contacts: vec![contact(name)], tag: None, warnings: Vec::new() };
        self.call("fetch", roster).await
    }

    async fn changed_users(&self, _body: Bytes) -> Result<Result<Vec<String>, BadRequest>, CallError> {
        self.call("changed-users", |name| Ok(vec![name.to_owned()])).await
    }

    async fn refresh(&self, _user: &Username, _known: Arc<Snapshot>) -> Result<Refreshed, CallError> {
        self.call("refresh", |_| Refreshed::Unchanged).await
    }

    async fn summary(&self, _outcome: Outcome) -> Result<Reply, CallError> {
        let answer = |name: &str| Reply { status: 200, content_type: name.to_owned(), body: Vec::new() };
        self.call("summary", answer).await
    }
}
