//! The application's refresh request: whose rosters changed, bring them up to date, say how it went.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;
use tracing::{info, warn};

use super::flights::Board;
use super::{RosterError, Rosters, Update};
use crate::model::Username;
use crate::plugin::{Answer, CallError, Outcome};

/// Users looked at between two chances for other tasks to run: a request may name 100,000.
const YIELD_EVERY: usize = 2048;

impl Rosters {
    /// Serves a refresh request with a body; see `hooks` in the WIT for the three steps. Users whose update has not ended
    /// by `deadline` count as errors (their updates go on).
    pub async fn refresh_request(self: &Arc<Self>, body: Bytes, deadline: Instant) -> Result<Answer, CallError> {
        let names = match self.plugin.changed_users(body).await? {
            Ok(names) => names,
            Err(bad_request) => {
                info!(reason = %bad_request.message, "a refresh request was refused");
                return self.plugin.summary(Outcome::Refused(bad_request)).await;
            }
        };
        let (named, online) = self.who_is_online(names).await;
        let errors = self.refresh_all(&online, deadline).await;
        let updated = named.saturating_sub(errors);
        info!(named, online = online.len(), errors, "refresh request done");
        let outcome = Outcome::Batch { updated: count(updated), errors: count(errors) };
        self.plugin.summary(outcome).await
    }

    /// Serves a refresh request for one user.
    pub async fn refresh_request_for(self: &Arc<Self>, user: &str, deadline: Instant) -> Result<Answer, CallError> {
        // What is no username is the name of nobody: like any unknown user, up to date.
        let updated = match Username::new(user) {
            Ok(user) => self.refresh_all(&[user], deadline).await == 0,
            Err(_) => true,
        };
        self.plugin.summary(Outcome::Single(updated)).await
    }

    /// Brings the roster of `user` up to date if the user is connected. `Ok` also if there is nothing to do.
    pub async fn refresh(self: &Arc<Self>, user: &Username) -> Result<(), RosterError> {
        loop {
            match self.board(user, Board::Next) {
                // Nobody needs the roster enough to fetch it, but what is kept for a return is not the roster any more.
                None if self.give_up(user).await => return Ok(()),
                // Back again in this very moment.
                None => {}
                Some(landing) => match landing.await.unwrap_or(Err(RosterError::Internal))? {
                    // The user left while the roster was on its way: what is kept is still the old one.
                    Update::Left => {}
                    _ => return Ok(()),
                },
            }
        }
    }

    /// How many different users there are in `names`, and those of them that may have a roster here.
    async fn who_is_online(&self, names: Vec<String>) -> (usize, Vec<Username>) {
        let mut different: HashSet<Username> = HashSet::with_capacity(names.len());
        let mut nobody: HashSet<String> = HashSet::new();
        let mut known = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            if index % YIELD_EVERY == YIELD_EVERY - 1 {
                tokio::task::yield_now().await;
            }
            match Username::new(&name) {
                Ok(user) => {
                    if different.insert(user.clone()) && self.users.is_known(&user) {
                        known.push(user);
                    }
                }
                Err(_) => {
                    nobody.insert(name);
                }
            }
        }
        (different.len() + nobody.len(), known)
    }

    /// Refreshes `users`, as many at once as may run; returns how many failed or were not done by `deadline`.
    async fn refresh_all(self: &Arc<Self>, users: &[Username], deadline: Instant) -> usize {
        // Owned in each step: over borrowed users the compiler cannot tell that this future is `Send`.
        let update = |user: Username| {
            let rosters = Arc::clone(self);
            async move { rosters.refresh(&user).await }
        };
        let mut updates = stream::iter(users.to_vec()).map(update).buffer_unordered(self.concurrency);
        let mut updated = 0;
        let all = async {
            while let Some(result) = updates.next().await {
                updated += usize::from(result.is_ok());
            }
        };
        let in_time = tokio::time::timeout_at(deadline, all).await.is_ok();
        let failed = users.len() - updated;
        if !in_time {
            warn!(failed, "the deadline of a refresh request passed (http.request_timeout)");
        }
        failed
    }
}

fn count(users: usize) -> u32 {
    u32::try_from(users).unwrap_or(u32::MAX)
}
