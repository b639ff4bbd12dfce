//! Calls of a component, and the instances that they run on.

pub(in crate::plugin) mod call;
mod instance;
mod needed;
mod pool;

use std::hash::RandomState;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use self::needed::Needed;
use self::pool::Pool;
use crate::config::LimitsConfig;
use crate::http_client::HttpClient;
use crate::plugin::api::CallError;
use crate::plugin::engine::budget::{Account, AccountOf};
use crate::plugin::engine::processor::Share;
use crate::plugin::engine::{EXTRA_INSTANCES, PluginEngine};
use crate::plugin::requests::network::{Counters, Network};

/// Instances, the network they are answered by, and what they may take and have taken.
pub(in crate::plugin) struct Runtime {
    pub(in crate::plugin) common: Common,
    pub(in crate::plugin) pool: Arc<Pool>,
    pub(in crate::plugin) network: Network,
    pub(in crate::plugin) counters: Arc<Counters>,
    size: Size,
    /// One permit for every instance that works, those of hooks included that wait for no exchange: the engine has room for so many.
    pub(in crate::plugin) permits: Semaphore,
    /// One permit for every exchange that runs. Of users who are asked for together more updates run than this, and they may have to
    /// be asked for alone.
    exchanges: Semaphore,
    pub(super) jitter: RandomState,
    pub(super) made: AtomicU64,
}

/// What all instances of a module share, rehearsals too.
#[derive(Clone)]
pub(in crate::plugin) struct Common {
    pub(in crate::plugin) engine: PluginEngine,
    /// What the instances of this virtual host may hold.
    pub(in crate::plugin) account: Arc<Account>,
    /// What an instance holds after a call, as far as is known: so much is set aside for a new one.
    pub(in crate::plugin) needed: Arc<Needed>,
    /// What its calls compute.
    pub(in crate::plugin) share: Arc<Share>,
}

/// How much may run at once.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct Size {
    exchanges: usize,
    instances: usize,
}

impl Size {
    pub(in crate::plugin) fn of(limits: &LimitsConfig) -> Self {
        let exchanges = limits.max_concurrent_calls;
        Self { exchanges, instances: exchanges + EXTRA_INSTANCES }
    }

    /// One call at a time.
    pub(in crate::plugin) const ONE: Self = Self { exchanges: 1, instances: 1 };
}

impl Runtime {
    /// Must be called within a Tokio runtime.
    pub(in crate::plugin) fn new(
        engine: &PluginEngine,
        domain: &Arc<str>,
        size: Size,
        client: HttpClient,
        counters: Arc<Counters>,
    ) -> Self {
        let account = engine.account(domain);
        let network = Network::Live(client.with_memory(Arc::new(AccountOf(Arc::clone(&account)))));
        let common = Common { engine: engine.clone(), account, needed: Arc::default(), share: engine.share(domain) };
        Self::with(common, size, network, counters)
    }

    /// Other instances of the same module, answered by `network`.
    pub(in crate::plugin) fn beside(&self, size: Size, network: Network, counters: Arc<Counters>) -> Self {
        Self::with(self.common.clone(), size, network, counters)
    }

    fn with(common: Common, size: Size, network: Network, counters: Arc<Counters>) -> Self {
        let pool = Pool::new(size.instances);
        // Its instances may be dropped when there is no room.
        let idle: Weak<Pool> = Arc::downgrade(&pool);
        common.account.watch(idle);
        Self {
            common,
            pool,
            network,
            counters,
            size,
            permits: Semaphore::new(size.instances),
            exchanges: Semaphore::new(size.exchanges),
            jitter: RandomState::new(),
            made: AtomicU64::new(0),
        }
    }

    /// The permit of an exchange that begins, within `queue_timeout`.
    pub(in crate::plugin) async fn exchange(&self, queue_timeout: Duration) -> Result<SemaphorePermit<'_>, CallError> {
        match timeout(queue_timeout, self.exchanges.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(CallError::Busy { limit: queue_timeout }),
        }
    }

    /// Calls that run now.
    pub(in crate::plugin) fn running(&self) -> usize {
        self.size.instances.saturating_sub(self.permits.available_permits())
    }
}
