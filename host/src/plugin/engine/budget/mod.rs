//! What the instances of all plugins may hold together (`limits.total_memory`), and who gets how much of it.
//!
//! Half of the budget is set aside in equal shares, one for each virtual host, whoever uses them: a host that holds less than
//! its share always gets more. The other half is for whoever comes, so that a busy host has more than a share. With one
//! virtual host all is its share.
//!
//! Counted is what a call can make grow: linear memory, and the bodies of responses that are long,
//! which may have half of a share. Idle instances count, and are the
//! first to go when there is no room. All generations of a plugin are one host's.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::waiting::Waiting;
use crate::http_client::Memory;

/// What an instance takes beside its linear memory: stack, tables, handles.
pub(in crate::plugin) const INSTANCE: usize = 128 << 10;

/// Instances that nobody uses now.
pub(in crate::plugin) trait Idle: Send + Sync {
    /// Since when nobody has used the one that has been idle for longest; `None`: there is none.
    fn idle_since(&self) -> Option<Instant>;

    /// Drops that one.
    fn drop_oldest(&self);
}

/// See the module.
pub(super) struct Budget {
    limit: usize,
    ledger: Mutex<Ledger>,
    /// Calls that wait for room.
    waiting: AtomicUsize,
    freed: Notify,
}

#[derive(Default)]
struct Ledger {
    accounts: Vec<Holding>,
}

/// What one virtual host has.
struct Holding {
    domain: Arc<str>,
    held: usize,
    /// Of that, bodies of responses.
    bodies: usize,
    idle: Vec<Weak<dyn Idle>>,
}

impl Ledger {
    /// A share, and what is for everybody.
    fn division(&self, limit: usize) -> (usize, usize) {
        match self.accounts.len() {
            0 | 1 => (limit, 0),
            hosts => {
                let share = limit / 2 / hosts;
                (share, limit - share * hosts)
            }
        }
    }

    fn take(&mut self, at: usize, bytes: usize, limit: usize) -> bool {
        let (share, common) = self.division(limit);
        let beyond = |held: usize| held.saturating_sub(share);
        let Some(held) = self.accounts.get(at).map(|holding| holding.held.saturating_add(bytes)) else { return false };
        let others = || -> usize {
            self.accounts.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, other)| beyond(other.held)).sum()
        };
        // Whoever stays within the share needs nothing of what is for everybody.
        let fits = held <= share || others().saturating_add(beyond(held)) <= common;
        if fits && let Some(holding) = self.accounts.get_mut(at) {
            holding.held = held;
        }
        fits
    }
}

impl Budget {
    pub(in crate::plugin) fn new(limit: usize) -> Arc<Self> {
        let (ledger, waiting, freed) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        Arc::new(Self { limit, ledger, waiting, freed })
    }

    /// The account of a virtual host, and of all generations of its plugin.
    pub(in crate::plugin) fn account(self: &Arc<Self>, domain: &Arc<str>) -> Arc<Account> {
        let mut ledger = self.ledger.lock();
        let found = ledger.accounts.iter().position(|holding| holding.domain == *domain);
        let at = found.unwrap_or_else(|| {
            ledger.accounts.push(Holding { domain: Arc::clone(domain), held: 0, bodies: 0, idle: Vec::new() });
            ledger.accounts.len() - 1
        });
        Arc::new(Account { budget: Arc::clone(self), at })
    }

    /// What may be held together.
    pub(in crate::plugin) fn limit(&self) -> usize {
        self.limit
    }

    /// What each virtual host holds.
    pub(in crate::plugin) fn held(&self) -> Vec<(Arc<str>, usize)> {
        self.ledger.lock().accounts.iter().map(|holding| (Arc::clone(&holding.domain), holding.held)).collect()
    }

    /// Drops the instance that nobody has used for longest, of those whose memory the account at `at` could have: its own, and
    /// those of hosts that hold more than their share. False: there is none.
    fn drop_idle(&self, at: usize) -> bool {
        let idle: Vec<Arc<dyn Idle>> = {
            let ledger = self.ledger.lock();
            let (share, _) = ledger.division(self.limit);
            let wanted = |(n, holding): &(usize, &Holding)| *n == at || holding.held > share;
            let holdings = ledger.accounts.iter().enumerate().filter(wanted);
            holdings.flat_map(|(_, holding)| holding.idle.iter().filter_map(Weak::upgrade)).collect()
        };
        let oldest = idle.iter().filter_map(|idle| Some((idle.idle_since()?, idle))).min_by_key(|(since, _)| *since);
        // Another thread may have taken it meanwhile; then there may be more.
        oldest.is_some_and(|(_, idle)| {
            idle.drop_oldest();
            true
        })
    }
}

/// What one virtual host may hold.
pub(in crate::plugin) struct Account {
    budget: Arc<Budget>,
    at: usize,
}

impl Account {
    /// What is idle there may be dropped when there is no room.
    pub(in crate::plugin) fn watch(&self, idle: Weak<dyn Idle>) {
        if let Some(holding) = self.budget.ledger.lock().accounts.get_mut(self.at) {
            holding.idle.retain(|idle| idle.strong_count() > 0);
            holding.idle.push(idle);
        }
    }

    /// What all hosts may hold together.
    pub(in crate::plugin) fn limit(&self) -> usize {
        self.budget.limit()
    }

    fn take(&self, bytes: usize) -> bool {
        loop {
            if self.budget.ledger.lock().take(self.at, bytes, self.budget.limit) {
                return true;
            }
            if !self.budget.drop_idle(self.at) {
                return false;
            }
        }
    }

    fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        if let Some(holding) = self.budget.ledger.lock().accounts.get_mut(self.at) {
            holding.held = holding.held.saturating_sub(bytes);
        }
        self.wake();
    }

    /// `bytes` at once, or nothing.
    pub(in crate::plugin) fn try_hold(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        self.take(bytes).then(|| Reservation { account: Arc::clone(self), bytes, used: 0 })
    }

    /// Room for `bytes` of bodies. They wait for an instance that reads them, so they never take more than half of what the host
    /// can always have: the other half is for instances.
    fn try_body(self: &Arc<Self>, bytes: usize) -> Option<Body> {
        let mut ledger = self.budget.ledger.lock();
        let (share, _) = ledger.division(self.budget.limit);
        let holding = ledger.accounts.get_mut(self.at)?;
        let bodies = holding.bodies.saturating_add(bytes);
        if bodies > share / 2 {
            return None;
        }
        holding.bodies = bodies;
        Some(Body { account: Arc::clone(self), bytes })
    }

    /// Waits until `deadline` for what `attempt` finds, which is made again whenever there may be room.
    pub(in crate::plugin) async fn wait<T>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if let Some(found) = attempt() {
            return Some(found);
        }
        let _waiting = Waiting::begin(&self.budget.waiting);
        loop {
            let freed = self.budget.freed.notified();
            // What is given back after this attempt wakes.
            if let Some(found) = attempt() {
                return Some(found);
            }
            timeout_at(deadline.into(), freed).await.ok()?;
        }
    }

    /// There may be room: somebody has given some back, or an instance is idle now.
    pub(in crate::plugin) fn wake(&self) {
        if self.budget.waiting.load(Ordering::SeqCst) > 0 {
            self.budget.freed.notify_waiters();
        }
    }
}

/// The account that the bodies of responses are on.
pub(in crate::plugin) struct AccountOf(pub(in crate::plugin) Arc<Account>);

/// Bytes of the budget; dropping it gives them back.
pub(in crate::plugin) struct Reservation {
    account: Arc<Account>,
    /// Of the budget.
    bytes: usize,
    /// Of those, what has been put to use.
    used: usize,
}

impl Reservation {
    /// Puts `bytes` more to use. False: there is no room for them.
    pub(in crate::plugin) fn grow(&mut self, bytes: usize) -> bool {
        let used = self.used.saturating_add(bytes);
        let fits = self.set_aside(used);
        if fits {
            self.used = used;
        }
        fits
    }

    /// Sets aside what is missing to `bytes` in all. False: there is no room for it.
    pub(in crate::plugin) fn set_aside(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.bytes);
        if missing > 0 && !self.account.take(missing) {
            return false;
        }
        self.bytes += missing;
        true
    }

    /// Gives back what was set aside and not put to use.
    pub(in crate::plugin) fn trim(&mut self) {
        self.account.give_back(self.bytes.saturating_sub(self.used));
        self.bytes = self.bytes.min(self.used);
    }

    /// The whole budget.
    pub(in crate::plugin) fn limit(&self) -> usize {
        self.account.limit()
    }

    /// What has been put to use.
    pub(in crate::plugin) fn used(&self) -> usize {
        self.used
    }
}

impl Memory for AccountOf {
    fn hold(&self, bytes: usize) -> Option<Box<dyn Send + Sync>> {
        let body = self.0.try_body(bytes)?;
        let held = self.0.try_hold(bytes)?;
        Some(Box::new((held, body)))
    }
}

/// Bytes of bodies, counted among what bodies may have.
struct Body {
    account: Arc<Account>,
    bytes: usize,
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(holding) = self.account.budget.ledger.lock().accounts.get_mut(self.account.at) {
            holding.bodies = holding.bodies.saturating_sub(self.bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.give_back(self.bytes);
    }
}
