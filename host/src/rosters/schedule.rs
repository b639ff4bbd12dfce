//! What is due when, and for whom.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::Username;

/// Users by the time at which something is to be done about them. Names nobody twice, because whoever puts a user in takes out
/// the entry before ([`super::user::User::due`]); so it is no longer than the users known.
#[derive(Default)]
pub(super) struct Schedule {
    entries: Mutex<BTreeSet<(Instant, Username)>>,
    earlier: Notify,
}

impl Schedule {
    pub(super) fn insert(&self, at: Instant, user: &Username) {
        let mut entries = self.entries.lock();
        let first = entries.first().is_none_or(|(first, _)| at < *first);
        entries.insert((at, user.clone()));
        drop(entries);
        if first {
            self.earlier.notify_one();
        }
    }

    pub(super) fn remove(&self, at: Instant, user: &Username) {
        self.entries.lock().remove(&(at, user.clone()));
    }

    /// Who is due, the longest first; looks only and takes nobody out.
    pub(super) fn due(&self, now: Instant) -> Option<Username> {
        self.entries.lock().first().filter(|(at, _)| *at <= now).map(|(_, user)| user.clone())
    }

    /// Who is due first, however long from now.
    pub(super) fn first(&self) -> Option<Username> {
        self.entries.lock().first().map(|(_, user)| user.clone())
    }

    /// Waits until somebody may be due. Ends early when [`Schedule::wake`] is called, or for nothing.
    pub(super) async fn wait(&self) {
        let earlier = self.earlier.notified();
        let first = self.entries.lock().first().map(|(at, _)| *at);
        match first {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, earlier).await;
            }
            None => earlier.await,
        }
    }

    /// Ends the wait.
    pub(super) fn wake(&self) {
        self.earlier.notify_one();
    }
}
