//! Rosters outlive the last session for a while: a phone that changes its network should not cost a fetch.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Rosters;
use crate::model::Username;
use crate::sinks::EventKind;

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

    pub(super) fn push(&self, user: Username) {
        self.queue.lock().push_back((Instant::now() + self.grace, user));
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
    /// Looks at least this often whether the rosters still live.
    const LONGEST_SLEEP: Duration = Duration::from_secs(5);
    let weak: Weak<Rosters> = Arc::downgrade(rosters);
    tokio::spawn(async move {
        loop {
            let Some(rosters) = weak.upgrade() else { return };
            let now = Instant::now();
            while let Some(user) = rosters.grace.pop_due(now) {
                rosters.end_grace(user, now).await;
            }
            let sleep = rosters.grace.due().map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(now));
            // Woken by a push because the queue may have been empty; the next wake-up is never later than needed.
            let woken = tokio::time::timeout(sleep.min(LONGEST_SLEEP), rosters.grace.grown.notified());
            let _ = woken.await;
        }
    });
}

impl Rosters {
    /// Decides about a user taken from the queue: come back, not gone for long enough, or to be dropped.
    async fn end_grace(self: &Arc<Self>, user: Username, now: Instant) {
        enum Fate {
            Stays,
            Waits,
            Goes,
        }
        let fate = self.users.with_known(&user, |known| {
            known.in_grace_queue = false;
            match known.left {
                None => Fate::Stays,
                Some(left) if left + self.grace.grace > now => {
                    known.in_grace_queue = true;
                    Fate::Waits
                }
                Some(_) => Fate::Goes,
            }
        });
        match fate {
            None | Some(Fate::Stays) => {}
            Some(Fate::Waits) => self.grace.push(user),
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
            if gone == Some(true) && self.drop_roster(&user).await {
                return true;
            }
        }
        false
    }

    /// The application says that the roster of somebody who has left is out of date: nobody needs it enough to fetch it.
    pub(super) async fn drop_if_gone(self: &Arc<Self>, user: &Username) {
        if !self.users.is_online(user) {
            self.drop_roster(user).await;
        }
    }

    async fn drop_roster(self: &Arc<Self>, user: &Username) -> bool {
        // Under the shard's lock, so that a user who connects meanwhile either keeps the roster or fetches a new one.
        let dropped = self.users.with_shard(user, |shard| {
            let gone = shard.get(user).is_none_or(|known| known.sessions.is_empty());
            gone && self.store.remove(user)
        });
        if dropped {
            self.tell(user, EventKind::Dropped).await;
        }
        dropped
    }
}
