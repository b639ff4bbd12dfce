//! One user, as a state machine: what happens to the user goes in, what is to be done about the roster comes out.
//!
//! | State | Sessions | Roster kept | What is done |
//! |---|---|---|---|
//! | absent | no | no | nothing is known of the user |
//! | lacking | yes | no | the application is asked, by the session that connects; after a failure again and again |
//! | held | yes | yes | served; asked for again when it reaches `store.max_age` |
//! | old | yes | yes, out of date | the application is asked before it is served; after a failure again and again |
//! | away | no | yes | served to who returns within `store.grace`; to who returns later, only if the application cannot be asked |
//!
//! | From | When | To |
//! |---|---|---|
//! | absent | a session connects | lacking |
//! | lacking, old | an update succeeds | held |
//! | held | an update fails | old |
//! | lacking, old | an update fails | itself, with a longer wait before the next |
//! | held, old | the last session leaves | away |
//! | lacking | the last session leaves | absent |
//! | away | a session connects within the grace time, nothing having changed | held |
//! | away | a session connects later, or after a change | old |
//! | away | grace and `store.stale_if_error` are over | absent |
//!
//! Where the roster is, the store knows; a user is never forgotten while it keeps one. Everything else is here, so that no
//! second place can say otherwise.

pub(super) mod sessions;
pub(super) mod single_flight;
pub(super) mod update_result;

#[cfg(test)]
mod single_flight_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::sessions::{SessionId, Sessions};
use self::single_flight::{Finished, SingleFlight};
use self::update_result::{Update, UpdateResult};
use super::error::RosterError;

/// The times that decide.
#[derive(Clone, Copy, Debug)]
pub(in crate::rosters) struct Times {
    /// `store.grace`
    pub(in crate::rosters) grace: Duration,
    /// `store.stale_if_error`
    pub(in crate::rosters) stale_if_error: Duration,
    /// `store.max_age`
    pub(in crate::rosters) max_age: Option<Duration>,
    /// `limits.overdue_after`
    pub(in crate::rosters) overdue_after: Duration,
    /// `limits.retry_first`
    pub(in crate::rosters) retry_first: Duration,
    /// `limits.retry_longest`
    pub(in crate::rosters) retry_longest: Duration,
}

/// What is to be done by itself about a user, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rosters) enum Due {
    /// The roster of who is away is dropped.
    Expiry(Instant),
    /// The application is asked for the roster of who is here.
    Renewal(Instant),
}

/// What is known of one user beside the roster.
#[derive(Default)]
pub(in crate::rosters) struct User {
    pub(in crate::rosters) sessions: Sessions,
    pub(in crate::rosters) flights: SingleFlight<UpdateResult>,
    /// Where [`super::schedule`] has the user.
    pub(in crate::rosters) due: Option<Due>,
    /// Held while the roster is stored or dropped and the sinks are told, so that they hear of it in order.
    pub(in crate::rosters) commit: Arc<Mutex<()>>,
    /// When the last session left; None while there is one.
    left: Option<Instant>,
    /// What is kept is not the application's roster, or may not be: it is asked before that is served.
    old: bool,
    /// Updates that failed one after another.
    failures: u32,
    /// When the application is asked again after a failure.
    retry: Option<Instant>,
}

impl User {
    /// A session has connected.
    pub(in crate::rosters) fn connect(
        &mut self,
        session: SessionId,
        times: &Times,
        now: Instant,
    ) -> Result<Option<Finished<UpdateResult>>, RosterError> {
        self.sessions.add(session)?;
        let returned_late = self.left.take().is_some_and(|left| now.duration_since(left) >= times.grace);
        Ok(returned_late.then(|| self.outdate()))
    }

    /// Sessions have left, and `self.sessions` is what remains.
    pub(in crate::rosters) fn left(&mut self, now: Instant) {
        if self.sessions.is_empty() {
            self.left = Some(now);
            self.retry = None;
            self.failures = 0;
        }
    }

    /// The roster has changed, or may have: neither what is kept nor what is under way is to be believed.
    pub(in crate::rosters) fn outdate(&mut self) -> Finished<UpdateResult> {
        self.old = true;
        self.flights.abandon()
    }

    /// Must the application be asked before the roster that is kept is served?
    pub(in crate::rosters) fn is_old(&self) -> bool {
        self.old
    }

    /// Nobody of the user's sessions is here.
    pub(in crate::rosters) fn is_away(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The latest updates failed, this many.
    pub(in crate::rosters) fn failures(&self) -> u32 {
        self.failures
    }

    /// An update has ended whose answer is wanted.
    pub(in crate::rosters) fn updated(
        &mut self,
        outcome: &UpdateResult,
        times: &Times,
        jitter: impl FnOnce() -> f64,
        now: Instant,
    ) {
        match outcome {
            Ok(Update::Left) => {}
            Ok(_) => (self.old, self.failures, self.retry) = (false, 0, None),
            Err(_) => {
                self.old = true;
                if !self.sessions.is_empty() {
                    self.failures = self.failures.saturating_add(1);
                    self.retry = now.checked_add(wait(self.failures, times).mul_f64(jitter().clamp(0.5, 1.0)));
                }
            }
        }
    }

    /// What is to be done next by itself. `age`: how long ago the application confirmed the roster in the store.
    pub(in crate::rosters) fn next(
        &self,
        age: impl FnOnce() -> Option<Duration>,
        times: &Times,
        now: impl FnOnce() -> Instant,
    ) -> Option<Due> {
        match self.left {
            Some(left) => {
                let now = now();
                let stale = now.checked_add(times.stale_if_error.saturating_sub(age()?));
                let grace = left.checked_add(times.grace);
                Some(Due::Expiry(grace.max(stale).unwrap_or(now)))
            }
            None if !self.flights.is_idle() => None,
            None if self.retry.is_some() => self.retry.map(Due::Renewal),
            None => {
                let rest = times.max_age?.saturating_sub(age()?);
                now().checked_add(rest).map(Due::Renewal)
            }
        }
    }

    /// Nothing is left to know of the user, whose next due is `due`.
    pub(in crate::rosters) fn is_forgotten(&self) -> bool {
        self.sessions.is_empty() && self.due.is_none() && self.flights.is_idle() && Arc::strong_count(&self.commit) == 1
    }
}

/// How long to wait after so many failures: twice as long each time.
fn wait(failures: u32, times: &Times) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    times.retry_first.saturating_mul(doubled).min(times.retry_longest)
}
