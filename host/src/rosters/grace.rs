//! Rosters outlive the last session for a while: a phone that changes its network should not cost a fetch. After that, and
//! for as long as `stale_if_error` allows, they are kept for the case that the application cannot be asked.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Rosters;
use crate::model::Username;

/// Those whose last session has left, the longest gone first. Names nobody twice (`User::in_grace_queue`), so it is no
/// longer than the users known.
pub(super) struct GraceQueue {
    grace: Duration,
    queue: Mutex<VecDeque<(Instant, Username)>>,
    grown: Notify,
}

impl GraceQueue {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, queue: Mutex::default(), grown: Notify::new() }
    }

    /// `user` has left at that time.
    pub(super) fn push(&self, user: Username, left: Instant) {
        self.push_due(user, left + self.grace);
    }

    fn push_due(&self, user: Username, due: Instant) {
        let mut queue = self.queue.lock();
        // Nearly always the last: only who came back and left again meanwhile is put in among the others.
        let place = queue.partition_point(|(other, _)| *other <= due);
        queue.insert(place, (due, user));
        drop(queue);
        self.grown.notify_one();
    }

    fn due(&self) -> Option<Instant> {
        self.queue.lock().front().map(|(due, _)| *due)
    }

    fn pop_due(&self, now: Instant) -> Option<Username> {
        self.queue.lock().pop_front_if(|(due, _)| *due <= now).map(|(_, user)| user)
    }

    fn pop(&self) -> Option<Username> {
        self.queue.lock().pop_front().map(|(_, user)| user)
    }
}

/// Drops rosters whose time has come, for as long as `rosters` lives.
pub(super) fn start_sweeper(rosters: &Arc<Rosters>) {
    let weak: Weak<Rosters> = Arc::downgrade(rosters);
    let queue = Arc::clone(&rosters.grace);
    tokio::spawn(async move {
        loop {
            let grown = queue.grown.notified();
            match queue.due() {
                Some(due) => {
                    // Woken early when something was put in front, or when the rosters are gone.
                    let _ = tokio::time::timeout_at(due.into(), grown).await;
                }
                None => grown.await,
            }
            // Held only while there is work, so that the host can let go of its rosters and sinks at any time.
            let Some(rosters) = weak.upgrade() else { return };
            while let Some(user) = queue.pop_due(Instant::now()) {
                rosters.end_grace(user, Instant::now()).await;
            }
        }
    });
}

/// Wakes the sweeper, which then finds nobody left to work for.
impl Drop for Rosters {
    fn drop(&mut self) {
        self.grace.grown.notify_one();
    }
}

impl Rosters {
    /// Until when the roster of `user` may be served if the application cannot be asked.
    pub(super) fn stale_until(&self, user: &Username) -> Option<Instant> {
        let rest = self.stale_if_error.checked_sub(self.store.get(user)?.age())?;
        Instant::now().checked_add(rest)
    }

    /// Decides about a user taken from the queue: come back, not gone for long enough, or to be dropped.
    async fn end_grace(self: &Arc<Self>, user: Username, now: Instant) {
        enum Fate {
            Stays,
            Waits(Instant),
            Goes,
        }
        let fate = self.users.with_known(&user, |known| {
            known.in_grace_queue = false;
            let Some(left) = known.left else { return Fate::Stays };
            let mut due = left + self.grace.grace;
            if due <= now {
                match self.stale_until(&user) {
                    Some(until) if until > now => (due, known.revalidate) = (until, true),
                    _ => return Fate::Goes,
                }
            }
            known.in_grace_queue = true;
            Fate::Waits(due)
        });
        match fate {
            None | Some(Fate::Stays) => {}
            Some(Fate::Waits(due)) => self.grace.push_due(user, due),
            Some(Fate::Goes) => {
                self.drop_roster(&user).await;
            }
        }
    }

    /// Makes room: drops the roster of whoever has been gone longest. False if everybody kept is connected.
    pub(super) async fn drop_longest_gone(self: &Arc<Self>) -> bool {
        while let Some(user) = self.grace.pop() {
            let gone = self.users.with_known(&user, |known| {
                known.in_grace_queue = false;
                known.left.is_some()
            });
            let held = self.store.get(&user).is_some();
            if gone == Some(true) && held && self.drop_roster(&user).await {
                return true;
            }
        }
        false
    }
}
