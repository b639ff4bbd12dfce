//! Calls of a component: the engine, its instances, and what they may take of memory and time.

pub(in crate::plugin) mod budget;
#[cfg(test)]
mod budget_tests;
pub(in crate::plugin) mod call;
pub(in crate::plugin) mod collector;
pub(in crate::plugin) mod cpu;
pub(in crate::plugin) mod engine;
pub(in crate::plugin) mod instance;
pub(in crate::plugin) mod needed;
pub(in crate::plugin) mod pool;
pub(in crate::plugin) mod processor;
pub(in crate::plugin) mod state;

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Semaphore;

use self::budget::{Account, AccountOf};
use self::engine::PluginEngine;
use self::needed::Needed;
use self::pool::Pool;
use self::processor::Share;
use crate::http_client::HttpClient;
use crate::metrics::{CallMetrics, GenerationStats};
use crate::plugin::exchange::network::Network;

/// Instances, the network they are answered by, and what they may take and have taken.
pub(in crate::plugin) struct Runtime {
    pub(in crate::plugin) engine: PluginEngine,
    pub(in crate::plugin) pool: Arc<Pool>,
    /// What the instances of this virtual host may hold.
    pub(in crate::plugin) account: Arc<Account>,
    /// What an instance holds after a call, as far as is known: so much is set aside for a new one.
    pub(in crate::plugin) needed: Arc<Needed>,
    /// What its calls compute.
    pub(in crate::plugin) share: Arc<Share>,
    pub(in crate::plugin) network: Network,
    pub(in crate::plugin) counters: Counters,
    /// Instances alive at once, those of hooks that wait for no turn included: the engine has room for so many.
    pub(in crate::plugin) slots: Semaphore,
    pub(in crate::plugin) capacity: usize,
    pub(super) jitter: RandomState,
    pub(super) made: AtomicU64,
}

/// Where calls are counted.
pub(in crate::plugin) struct Counters {
    pub(in crate::plugin) metrics: CallMetrics,
    pub(in crate::plugin) stats: Arc<GenerationStats>,
}

impl Runtime {
    pub(in crate::plugin) fn new(
        engine: &PluginEngine,
        domain: &Arc<str>,
        capacity: usize,
        client: HttpClient,
        counters: Counters,
    ) -> Self {
        let account = engine.account(domain);
        let network = Network::Live(client.with_memory(Arc::new(AccountOf(Arc::clone(&account)))));
        Self::with(engine.clone(), account, Arc::default(), engine.share(domain), capacity, network, counters)
    }

    /// The same for a rehearsal: one call at a time.
    pub(in crate::plugin) fn staged(&self, network: Network, counters: Counters) -> Self {
        let (account, needed, share) = (Arc::clone(&self.account), Arc::clone(&self.needed), Arc::clone(&self.share));
        Self::with(self.engine.clone(), account, needed, share, 1, network, counters)
    }

    fn with(
        engine: PluginEngine,
        account: Arc<Account>,
        needed: Arc<Needed>,
        share: Arc<Share>,
        capacity: usize,
        network: Network,
        counters: Counters,
    ) -> Self {
        Self {
            engine,
            pool: new_pool(capacity, &account),
            account,
            needed,
            share,
            network,
            counters,
            slots: Semaphore::new(capacity),
            capacity,
            jitter: RandomState::new(),
            made: AtomicU64::new(0),
        }
    }

    /// Another network from now on.
    pub(in crate::plugin) fn set_network(&mut self, network: Network) {
        self.network = network;
        // The instance that has checked the settings knows the network before.
        self.pool = new_pool(self.capacity, &self.account);
    }
}

/// A pool whose instances may be dropped when there is no room.
fn new_pool(capacity: usize, account: &Account) -> Arc<Pool> {
    let pool = Pool::new(capacity);
    account.watch(&pool);
    pool
}
