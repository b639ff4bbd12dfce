//! Who is connected, for the operator: page by page, whatever their number, and one user with all that is known.

use std::collections::BinaryHeap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Rosters;
use super::user::sessions::Present;
use crate::model::{Snapshot, Username};

/// A user with a session.
#[derive(Clone, Debug)]
pub struct Online {
    /// Who.
    pub user: Username,
    /// The sessions, the first to come first.
    pub sessions: Vec<Present>,
    /// The roster, if it is here.
    pub roster: Option<Arc<Snapshot>>,
}

/// What is known of one user.
#[derive(Clone, Debug)]
pub struct Known {
    /// The sessions, the first to come first.
    pub sessions: Vec<Present>,
    /// The roster, if it is here.
    pub roster: Option<Arc<Snapshot>>,
    /// Updates that failed one after another.
    pub failures: u32,
}

impl Rosters {
    /// The users with a session whose names come first behind `after`, at most `limit`, in the order of their names; and whether
    /// there are more. It costs a look at everybody, and memory for `limit` only.
    pub fn online_after(&self, after: Option<&Username>, limit: usize) -> (Vec<Online>, bool) {
        let mut first: BinaryHeap<Username> = BinaryHeap::with_capacity(limit.saturating_add(2));
        self.users.for_each(|user, known| {
            let behind = after.is_none_or(|after| user > after);
            let early = first.len() <= limit || first.peek().is_some_and(|last| user < last);
            if behind && early && !known.is_away() {
                first.push(user.clone());
                if first.len() > limit.saturating_add(1) {
                    first.pop();
                }
            }
        });
        let more = first.len() > limit;
        let now = Instant::now();
        let online = first.into_sorted_vec().into_iter().take(limit).filter_map(|user| {
            let sessions = self.with_known(&user, |known| known.sessions.present(now))?;
            let roster = self.store.get(&user);
            Some(Online { user, sessions, roster })
        });
        (online.collect(), more)
    }

    /// All that is known of `user`; `None` if nothing is.
    pub fn look_up(&self, user: &Username) -> Option<Known> {
        let now = Instant::now();
        let known = self.with_known(user, |known| (known.sessions.present(now), known.failures()));
        let roster = self.store.get(user);
        if known.is_none() && roster.is_none() {
            return None;
        }
        let (sessions, failures) = known.unwrap_or_default();
        Some(Known { sessions, roster, failures })
    }
}
