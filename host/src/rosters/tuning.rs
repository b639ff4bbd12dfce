//! The limits that hold now. A host that runs may be given others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::user::Times;
use crate::config::{LimitsConfig, StoreConfig};

/// See the module.
pub(super) struct Tuning {
    pub(super) times: Times,
    /// One permit for every user's update that runs. The other hooks do not wait for it: an application that hangs must
    /// not keep the refresh route from answering.
    updates: Arc<Permits>,
    /// The same for a plugin that asks for users together: there have to be enough to gather.
    updates_together: Arc<Permits>,
    /// Of limits that held before, while updates that began under them run.
    before: Vec<Arc<Permits>>,
    /// One permit for every request that is made because an earlier one failed.
    pub(super) retries: Arc<Semaphore>,
    pub(super) queue_timeout: Duration,
    pub(super) max_contacts: usize,
    pub(super) max_users_per_request: usize,
}

/// How many updates run at once.
pub(super) struct Permits {
    pub(super) permits: Semaphore,
    pub(super) many: usize,
}

impl Permits {
    fn new(many: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(many), many })
    }

    /// Every permit back means that nothing holds one; the semaphore is never closed.
    async fn all_back(&self) {
        let _ = self.permits.acquire_many(u32::try_from(self.many).unwrap_or(u32::MAX)).await;
    }
}

impl Tuning {
    pub(super) fn new(limits: &LimitsConfig, store: &StoreConfig) -> Self {
        Self {
            times: Times {
                grace: store.grace,
                stale_if_error: store.stale_if_error,
                max_age: store.max_age,
                overdue_after: limits.overdue_after,
                retry_first: limits.retry_first,
                retry_longest: limits.retry_longest,
            },
            updates: Permits::new(limits.max_concurrent_calls),
            updates_together: Permits::new(limits.max_concurrent_calls.saturating_add(2 * limits.bulk_users)),
            before: Vec::new(),
            retries: Arc::new(Semaphore::new(limits.max_retries)),
            queue_timeout: limits.queue_timeout,
            max_contacts: store.max_contacts,
            max_users_per_request: limits.max_users_per_request,
        }
    }

    /// The same in the place of `before`, some of whose updates may run.
    pub(super) fn after(self, before: &Self) -> Self {
        let all = before.before.iter().chain([&before.updates, &before.updates_together]);
        let held = all.filter(|permits| permits.permits.available_permits() < permits.many);
        Self { before: held.map(Arc::clone).collect(), ..self }
    }

    /// The permits of updates, by a plugin that asks for users together or by one that does not.
    pub(super) fn updates(&self, together: bool) -> &Permits {
        if together { &self.updates_together } else { &self.updates }
    }

    /// Waits until no update runs.
    pub(super) async fn idle(&self) {
        for permits in self.before.iter().chain([&self.updates, &self.updates_together]) {
            permits.all_back().await;
        }
    }
}
