//! Runs what [`single_flight`](super::user::single_flight) decides: one task for each flight, so that a caller that gives up (its
//! connection closed, say) takes nothing away from the others.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::user::User;
use super::user::single_flight::{Finished, Joined, Then, Wanted};
use super::user::update_result::UpdateResult;
use super::{RosterError, Rosters, Update};
use crate::model::Username;
use crate::subject::Subject;

impl Rosters {
    /// Brings the roster of `user`, who must be connected, up to date, and says how that went. None if the user is away.
    pub(super) async fn ask(self: &Arc<Self>, user: &Username, wanted: Wanted) -> Option<UpdateResult> {
        let mut joined = self.join(user, wanted, |known, _| !known.is_away())?;
        loop {
            let ended = match joined.then {
                Then::Until(at) => tokio::time::timeout_at(at, &mut joined.receiver).await.ok(),
                Then::Spawn(_) | Then::Wait => Some((&mut joined.receiver).await),
            };
            match ended {
                // Whoever drops the sender without a word has panicked.
                Some(outcome) => return Some(outcome.unwrap_or(Err(RosterError::Internal))),
                None => joined.then = self.overdue(user),
            }
        }
    }

    /// Waits for a flight of a user of whom `only_if` holds.
    pub(super) fn join(
        self: &Arc<Self>,
        user: &Username,
        wanted: Wanted,
        only_if: impl FnOnce(&User, Instant) -> bool,
    ) -> Option<Joined<UpdateResult>> {
        self.with_known(user, |known| {
            let now = Instant::now();
            only_if(known, now).then(|| {
                let joined =
                    known.flights.join(wanted, self.flight_number(), self.tuning.load().times.overdue_after, now);
                self.spawn(user, known, joined.then);
                joined
            })
        })?
    }

    /// The flight that a caller came late for has not ended in time.
    fn overdue(self: &Arc<Self>, user: &Username) -> Then {
        let then = self.with_known(user, |known| {
            let then =
                known.flights.overdue(self.flight_number(), self.tuning.load().times.overdue_after, Instant::now());
            self.spawn(user, known, then);
            then
        });
        // Without a user all waiters have been told.
        then.unwrap_or(Then::Wait)
    }

    fn flight_number(&self) -> u64 {
        self.next_flight.fetch_add(1, Ordering::Relaxed)
    }

    fn spawn(self: &Arc<Self>, user: &Username, known: &mut User, then: Then) {
        let Then::Spawn(number) = then else { return };
        let subject = Subject::new(&self.domain, user);
        let task = tokio::spawn(subject.of(Arc::clone(self).run(user.clone(), number)));
        known.flights.spawned(number, task.abort_handle());
    }

    async fn run(self: Arc<Self>, user: Username, number: u64) {
        let outcome = AssertUnwindSafe(self.update(&user, number)).catch_unwind().await.unwrap_or_else(|_| {
            error!("updating the roster panicked; this is a defect of the host");
            Err(RosterError::Internal)
        });
        let finished = self.with_known(&user, |known| {
            let success = matches!(&outcome, Ok(update) if !matches!(update, Update::Left));
            let finished = known.flights.finish(number, success, self.flight_number())?;
            let before = known.failures();
            let now = Instant::now();
            known.updated(&outcome, &self.tuning.load().times, || self.jitter(&user, before), now);
            if let Some(next) = finished.spawn {
                self.spawn(&user, known, Then::Spawn(next));
            }
            Some((finished, before))
        });
        if let Some((finished, failures)) = finished.flatten() {
            log(&outcome, failures, finished.asked);
            self.tell_callers(finished, &outcome);
        }
    }

    /// Tells those who waited, and ends the flights that nobody waits for.
    pub(super) fn tell_callers(&self, finished: Finished<UpdateResult>, outcome: &UpdateResult) {
        for waiter in finished.answered {
            // Whoever no longer waits needs no answer.
            let _ = waiter.send(outcome.clone());
        }
        finished.ended.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

/// One line for each failure that somebody asked for, and one for the end of several; `failures`: how many there were before.
fn log(outcome: &UpdateResult, failures: u32, asked: bool) {
    match outcome {
        Err(error) if failures == 0 || asked => {
            warn!(%error, "the roster could not be updated; what is cached stays, and the application is asked again");
        }
        Err(error) => debug!(%error, failures, "the roster could still not be updated"),
        Ok(Update::Left) => {}
        Ok(_) if failures > 0 => info!(failures, "the roster is up to date again"),
        Ok(_) => {}
    }
}
