//! What happens without being asked for: rosters of those who left expire, and the application is asked again where a roster
//! is known to be missing or old.
//!
//! An application that fails is asked by few at once (`limits.max_retries`), with a wait that doubles from `limits.retry_first`
//! to `limits.retry_longest` for each user and is a little different for each.

use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::Rosters;
use super::schedule::Schedule;
use super::user::single_flight::Wanted;
use super::user::{Due, User};
use crate::model::Username;
use crate::sinks::EventKind;

/// Two tasks that run for as long as `rosters` lives.
pub(super) fn start(rosters: &Arc<Rosters>) {
    tokio::spawn(expire(Arc::downgrade(rosters), Arc::clone(&rosters.expiries)));
    tokio::spawn(renew(Arc::downgrade(rosters), Arc::clone(&rosters.renewals)));
}

/// Wakes the tasks, which then find nobody left to work for.
impl Drop for Rosters {
    fn drop(&mut self) {
        self.expiries.wake();
        self.renewals.wake();
    }
}

/// Holds the rosters only while there is work, so that the host can let go of them and of its sinks at any time.
async fn expire(weak: Weak<Rosters>, expiries: Arc<Schedule>) {
    loop {
        expiries.wait().await;
        let Some(rosters) = weak.upgrade() else { return };
        while let Some(user) = expiries.due(Instant::now()) {
            rosters.drop_roster(&user, |user, now| matches!(user.due, Some(Due::Expiry(at)) if at <= now)).await;
        }
    }
}

async fn renew(weak: Weak<Rosters>, renewals: Arc<Schedule>) {
    loop {
        renewals.wait().await;
        loop {
            let Some(permits) = weak.upgrade().map(|rosters| Arc::clone(&rosters.tuning.load().retries)) else {
                return;
            };
            // The semaphore is never closed.
            let Ok(permit) = permits.acquire_owned().await else { return };
            let Some(rosters) = weak.upgrade() else { return };
            let Some(user) = renewals.due(Instant::now()) else { break };
            if let Some(joined) = rosters.join(&user, Wanted::Renewal, is_due) {
                tokio::spawn(async move {
                    // How it went is logged where it ended; whoever drops the sender has ended it.
                    let _ = joined.receiver.await;
                    drop(permit);
                });
            }
        }
    }
}

fn is_due(user: &User, now: Instant) -> bool {
    matches!(user.due, Some(Due::Renewal(at)) if at <= now)
}

impl Rosters {
    /// Notes what is due about the user next; called after everything that happens to the user, under the same lock. True if
    /// there is nothing left to know.
    pub(super) fn settle(&self, name: &Username, user: &mut User) -> bool {
        let due = user.next(|| self.store.get(name).map(|kept| kept.age()), &self.tuning.load().times, Instant::now);
        if due != user.due {
            match std::mem::replace(&mut user.due, due) {
                Some(Due::Expiry(at)) => self.expiries.remove(at, name),
                Some(Due::Renewal(at)) => self.renewals.remove(at, name),
                None => {}
            }
            match due {
                Some(Due::Expiry(at)) => self.expiries.insert(at, name),
                Some(Due::Renewal(at)) => self.renewals.insert(at, name),
                None => {}
            }
        }
        user.is_forgotten()
    }

    /// A number from 0.5 to 1, for spreading retries.
    pub(super) fn jitter(&self, user: &Username, failures: u32) -> f64 {
        0.5 + f64::from(self.spread.hash_one((user, failures)) as u32) / f64::from(u32::MAX) / 2.0
    }

    /// The roster of a user who is away is out of date: it is dropped, or, where `stale_if_error` allows, kept for the case
    /// that the application cannot be asked when the user returns. False if the user has a session (again).
    pub(super) async fn give_up(self: &Arc<Self>, user: &Username) -> bool {
        let kept = self.store.get(user).is_some_and(|kept| kept.age() < self.tuning.load().times.stale_if_error);
        if !kept {
            return self.drop_roster(user, |_, _| true).await;
        }
        let outdated = self.with_known(user, |known| known.is_away().then(|| known.outdate()));
        match outdated {
            None => true,
            Some(None) => false,
            Some(Some(abandoned)) => {
                self.tell_callers(abandoned, &Ok(super::Update::Left));
                true
            }
        }
    }

    /// Drops the roster of a user who is away and of whom `only_if` holds, and tells the sinks. False if the user has a
    /// session (again).
    pub(super) async fn drop_roster(
        self: &Arc<Self>,
        user: &Username,
        only_if: impl FnOnce(&User, Instant) -> bool + Send,
    ) -> bool {
        let Some(commit) = self.commit(user) else { return true };
        let _guard = commit.lock().await;
        // Under the user's lock, so that a user who connects meanwhile either keeps the roster or fetches a new one.
        let dropped = self.with_known(user, |known| {
            if !known.is_away() {
                return None;
            }
            if !only_if(known, Instant::now()) {
                return Some((None, None));
            }
            Some((self.store.remove(user), Some(known.outdate())))
        });
        let away = !matches!(dropped, Some(None));
        let (version, abandoned) = dropped.flatten().unwrap_or_default();
        if let Some(abandoned) = abandoned {
            self.tell_callers(abandoned, &Ok(super::Update::Left));
        }
        if let Some(version) = version {
            self.tell(user, EventKind::Dropped { version }).await;
        }
        away
    }

    /// Makes room: drops the roster of whoever's would expire first. False if everybody kept is connected.
    pub(super) async fn drop_first_to_expire(self: &Arc<Self>) -> bool {
        while let Some(user) = self.expiries.first() {
            if self.drop_roster(&user, |_, _| true).await {
                return true;
            }
        }
        false
    }
}
