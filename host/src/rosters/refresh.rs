//! The application's refresh request: whose rosters changed, bring them up to date, say how it went.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;
use tracing::{info, warn};

use super::user::single_flight::Wanted;
use super::{NotNow, RequestError, RosterError, Rosters, Spread, Update, unconfirmed};
use crate::model::Username;
use crate::plugin::{BadRequest, Outcome, Reply};

/// Users looked at between two chances for other tasks to run: a request may name 100,000.
const YIELD_EVERY: usize = 2048;
/// Users that one line of the log names.
const MOST_NAMED: usize = 10;

impl Rosters {
    /// Serves a refresh request with a body; see `hooks` in the WIT for the three steps. Users whose update has not ended
    /// by `deadline` count as errors (their updates go on).
    pub async fn refresh_request(self: &Arc<Self>, body: Bytes, deadline: Instant) -> Result<Reply, RequestError> {
        let (bytes, limit) = (body.len(), self.tuning.load().max_users_per_request);
        let users = self.plugin.changed_users(body).await;
        let names = match users.map_err(|error| RequestError::of_body(bytes, error, limit))? {
            Ok(names) => names,
            Err(bad_request) => {
                info!(reason = %bad_request.message, "a refresh request was refused");
                return Ok(self.plugin.summary(Outcome::Refused(bad_request)).await?);
            }
        };
        if names.len() > limit {
            return Err(RequestError::TooManyUsers { named: names.len(), limit });
        }
        let named = self.sort_out(names).await;
        let (failed, unconfirmed) = self.refresh_everywhere(&named.known, deadline).await?;
        let invalid = named.invalid;
        let (updated, errors) = (named.valid - failed.len(), failed.len() + invalid);
        let whose = List(&failed);
        info!(named = named.valid + invalid, here = named.known.len(), errors, failed = %whose, "refresh request done");
        let outcome = Outcome::Batch { updated: count(updated), errors: count(errors), invalid: count(invalid) };
        Ok(unconfirmed::tell(self.plugin.summary(outcome).await?, &unconfirmed))
    }

    /// Serves a refresh request for one user.
    pub async fn refresh_request_for(self: &Arc<Self>, user: &str, deadline: Instant) -> Result<Reply, RequestError> {
        let (outcome, unconfirmed) = match Username::new(user) {
            Ok(user) => {
                let (failed, unconfirmed) = self.refresh_everywhere(&[user], deadline).await?;
                (Outcome::Single(failed.is_empty()), unconfirmed)
            }
            Err(error) => {
                info!(reason = %error, "a refresh request was refused");
                (Outcome::Refused(BadRequest { message: error.to_string() }), Vec::new())
            }
        };
        Ok(unconfirmed::tell(self.plugin.summary(outcome).await?, &unconfirmed))
    }

    /// Brings the rosters up to date of everybody of whom anything is known, or of `only` this one; how many those are, and how
    /// many of them failed or were not done by `deadline`.
    pub async fn refresh_known(
        self: &Arc<Self>,
        only: Option<&Username>,
        deadline: Instant,
    ) -> Result<(usize, usize), NotNow> {
        let users: Vec<_> = match only {
            Some(user) => self.with_known(user, |_| user.clone()).into_iter().collect(),
            None => self.known_users(),
        };
        let (failed, _) = self.refresh_everywhere(&users, deadline).await?;
        info!(domain = %self.domain, users = users.len(), failed = %List(&failed), "the operator had rosters refreshed");
        Ok((users.len(), failed.len()))
    }

    /// Brings the roster of `user` up to date if the user is connected. `Ok` also if there is nothing to do.
    pub async fn refresh(self: &Arc<Self>, user: &Username) -> Result<(), RosterError> {
        loop {
            match self.ask(user, Wanted::New).await.transpose()? {
                // Nobody needs the roster enough to fetch it, but what is kept for a return is not the roster any more.
                // Boxed: seldom needed and large, it should not make every update's future large.
                None if Box::pin(self.give_up(user)).await => return Ok(()),
                // Back again in this very moment, or gone while the roster was on its way: what is kept is still the old one.
                None | Some(Update::Left) => {}
                Some(_) => return Ok(()),
            }
        }
    }

    /// Who is meant by `names`, everybody once.
    async fn sort_out(&self, names: Vec<String>) -> Named {
        let mut different: HashSet<Username> = HashSet::with_capacity(names.len());
        let mut named = Named::default();
        let mut invalid: HashSet<String> = HashSet::new();
        let mut first_wrong = None;
        for (index, name) in names.into_iter().enumerate() {
            if index % YIELD_EVERY == YIELD_EVERY - 1 {
                tokio::task::yield_now().await;
            }
            match Username::new(&name) {
                Ok(user) => {
                    // With several nodes somebody else may know more.
                    let known = || self.owners.is_some() || self.is_known(&user);
                    if different.insert(user.clone()) && known() {
                        named.known.push(user);
                    }
                }
                Err(error) => {
                    first_wrong.get_or_insert(error);
                    invalid.insert(name);
                }
            }
        }
        named.invalid = invalid.len();
        if let Some(error) = first_wrong {
            // One line, however many they are: whoever may ask for a refresh must not fill the log with names.
            warn!(names = named.invalid, %error, "a refresh request has names that are no usernames; expected such as \"john\"");
        }
        named.valid = different.len();
        named
    }

    /// Refreshes `users` at all nodes, if there are several. As [`Self::refresh_and_tell`].
    async fn refresh_everywhere(
        self: &Arc<Self>,
        users: &[Username],
        deadline: Instant,
    ) -> Result<(Vec<Username>, Vec<Arc<str>>), NotNow> {
        let Some(owners) = &self.owners else { return Ok(self.refresh_and_tell(users, deadline).await) };
        let Spread { failed, unconfirmed } = owners.refresh(users.to_vec(), deadline).await?;
        Ok((failed, unconfirmed))
    }

    /// Refreshes `users`, and waits until everybody has passed on what was found. Those that failed or were not done by
    /// `deadline`, and the names of who has not passed it on.
    pub(crate) async fn refresh_and_tell(
        self: &Arc<Self>,
        users: &[Username],
        deadline: Instant,
    ) -> (Vec<Username>, Vec<Arc<str>>) {
        let running = self.begin_refresh();
        let failed = self.refresh_all(users, deadline).await;
        (failed, self.confirmed(running, deadline).await)
    }

    /// Refreshes `users`, as many at once as may run; returns those that failed or were not done by `deadline`.
    async fn refresh_all(self: &Arc<Self>, users: &[Username], deadline: Instant) -> Vec<Username> {
        // Owned in each step: over borrowed users the compiler cannot tell that this future is `Send`.
        let update = |(index, user): (usize, Username)| {
            let rosters = Arc::clone(self);
            async move { (index, rosters.refresh(&user).await) }
        };
        let mut updates = stream::iter(users.iter().cloned().enumerate())
            .map(update)
            .buffer_unordered(self.tuning.load().updates(self.plugin.asks_together()).many);
        let mut open: Vec<bool> = vec![true; users.len()];
        let all = async {
            while let Some((index, result)) = updates.next().await {
                if let Some(open) = open.get_mut(index) {
                    *open = result.is_err();
                }
            }
        };
        let in_time = tokio::time::timeout_at(deadline, all).await.is_ok();
        let failed: Vec<_> = users.iter().zip(open).filter(|(_, open)| *open).map(|(user, _)| user.clone()).collect();
        if !in_time {
            warn!(failed = %List(&failed), "the deadline of a refresh request passed (http.request_timeout)");
        }
        failed
    }
}

/// The users of a refresh request.
#[derive(Default)]
struct Named {
    /// How many could have a roster.
    valid: usize,
    /// Those of them of whom anything is known; with several nodes all.
    known: Vec<Username>,
    /// How many were no usernames.
    invalid: usize,
}

/// The first few of many users, for one line of the log.
struct List<'a>(&'a [Username]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nobody");
        }
        for (index, user) in self.0.iter().take(MOST_NAMED).enumerate() {
            write!(f, "{}{user}", if index == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn count(users: usize) -> u32 {
    u32::try_from(users).unwrap_or(u32::MAX)
}
