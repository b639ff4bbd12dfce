//! Single flight: whoever asks for a user's roster while a request for it is under way waits for that one or the next,
//! so any number of callers costs few requests. No clock, no tasks: a table of what runs and who waits.
//!
//! - A caller that wants [`Wanted::Any`] roster joins the flight that runs. One that knows of a change wants a
//!   [`Wanted::New`] flight: the one that runs may have asked the application before that change.
//! - A flight that has not ended after a while is *overdue*: later callers are not tied to its fate and get a flight of
//!   their own beside it. Each that is still open doubles the while, so an application that hangs is asked a few times
//!   and not without end.
//! - A flight that succeeds answers all who would have been content with it, those who wait for an older one among them,
//!   and ends the older ones: their answers would be out of date.
//! - A flight that fails answers those who joined it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Flights of one user at once. With a doubling while, what an application that hangs is asked until the first times out.
const MAX_FLIGHTS: usize = 4;

/// Which flight will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rosters) enum Wanted {
    /// Any: the caller wants a roster at all.
    Any,
    /// One whose request begins after now: the caller knows of a change.
    New,
    /// The same, and nobody has asked: the host does it by itself.
    Renewal,
}

/// The flights of one user, and who waits for them. `T` is how a flight ends.
pub(in crate::rosters) struct SingleFlight<T> {
    /// The oldest first; numbers grow.
    flights: Vec<Flight>,
    waiters: Vec<Waiter<T>>,
}

struct Flight {
    number: u64,
    /// When its request began; until then everybody may join.
    began: Option<Instant>,
    /// None: it stores its answer, and is not to be stopped any more.
    task: Option<AbortHandle>,
}

struct Waiter<T> {
    /// The oldest flight whose success will do.
    from: u64,
    /// The flight whose failure is this caller's too; None: none yet.
    with: Option<u64>,
    /// Came after its flight began, and moves on to the next if that one is overdue.
    late: bool,
    /// Somebody has asked.
    asked: bool,
    sender: oneshot::Sender<T>,
}

/// What a caller got.
pub(in crate::rosters) struct Joined<T> {
    pub(in crate::rosters) receiver: oneshot::Receiver<T>,
    pub(in crate::rosters) then: Then,
}

/// What is to be done by who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rosters) enum Then {
    /// Start the flight with this number.
    Spawn(u64),
    /// Ask again with [`SingleFlight::overdue`] if no answer is there by then.
    Until(Instant),
    /// Wait.
    Wait,
}

/// How a flight's end goes on.
pub(in crate::rosters) struct Finished<T> {
    /// Who is to be told of it.
    pub(in crate::rosters) answered: Vec<oneshot::Sender<T>>,
    /// Any of them has asked, and is not the host itself.
    pub(in crate::rosters) asked: bool,
    /// Older flights, whose answers nobody wants any more.
    pub(in crate::rosters) ended: Vec<AbortHandle>,
    /// The flight to start next.
    pub(in crate::rosters) spawn: Option<u64>,
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { flights: Vec::new(), waiters: Vec::new() }
    }
}

impl<T> SingleFlight<T> {
    /// Nothing is under way.
    pub(in crate::rosters) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Waits for a flight. `number` is for the one that may have to start, greater than any before.
    pub(in crate::rosters) fn join(
        &mut self,
        wanted: Wanted,
        number: u64,
        overdue_after: Duration,
        now: Instant,
    ) -> Joined<T> {
        let (sender, receiver) = oneshot::channel();
        let newest = self.flights.last().map(|newest| (newest.number, newest.began));
        let (from, with, late) = match (newest, wanted) {
            (None, _) => (0, None, false),
            (Some((newest, None)), _) => (newest, Some(newest), false),
            (Some((newest, Some(_))), Wanted::Any) => (0, Some(newest), true),
            (Some((newest, Some(_))), Wanted::New | Wanted::Renewal) => (newest + 1, None, true),
        };
        let from = if wanted == Wanted::Any { 0 } else { from };
        self.waiters.push(Waiter { from, with, late, asked: wanted != Wanted::Renewal, sender });
        let then = match newest {
            None => self.add(number),
            Some((_, None)) => Then::Wait,
            Some((_, Some(_))) => self.overdue(number, overdue_after, now),
        };
        Joined { receiver, then }
    }

    /// Starts a flight for those who came late, if the newest is overdue.
    pub(in crate::rosters) fn overdue(&mut self, number: u64, overdue_after: Duration, now: Instant) -> Then {
        let Some(began) = self.flights.last().and_then(|newest| newest.began) else { return Then::Wait };
        if !self.waiters.iter().any(|waiter| waiter.late) {
            return Then::Wait;
        }
        let doubled = 1 << (self.flights.len() - 1);
        match began.checked_add(overdue_after.saturating_mul(doubled)) {
            Some(at) if at > now => Then::Until(at),
            Some(_) if self.flights.len() < MAX_FLIGHTS => self.add(number),
            // No more at once; one of them ends soon.
            Some(_) => now.checked_add(overdue_after).map_or(Then::Wait, Then::Until),
            None => Then::Wait,
        }
    }

    /// A new flight. All who are late, or have none, join it.
    fn add(&mut self, number: u64) -> Then {
        self.flights.push(Flight { number, began: None, task: None });
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.late || waiter.with.is_none()) {
            waiter.with = Some(number);
            waiter.late = false;
        }
        Then::Spawn(number)
    }

    /// The task of flight `number`, through which it can be ended.
    pub(in crate::rosters) fn spawned(&mut self, number: u64, task: AbortHandle) {
        if let Some(flight) = self.find(number) {
            flight.task = Some(task);
        }
    }

    /// Flight `number` sends its request now. False: nobody wants it any more.
    pub(in crate::rosters) fn begin(&mut self, number: u64, now: Instant) -> bool {
        self.find(number).map(|flight| flight.began = Some(now)).is_some()
    }

    /// Flight `number` is about to store what it brings. False: its answer is out of date.
    pub(in crate::rosters) fn commit(&mut self, number: u64) -> bool {
        self.find(number).map(|flight| flight.task = None).is_some()
    }

    fn find(&mut self, number: u64) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|flight| flight.number == number)
    }

    /// Flight `number` has ended. `next` is for the flight that may have to start. None: nobody wanted it any more.
    pub(in crate::rosters) fn finish(&mut self, number: u64, success: bool, next: u64) -> Option<Finished<T>> {
        let index = self.flights.iter().position(|flight| flight.number == number)?;
        let newest = index + 1 == self.flights.len();
        let ended = if success {
            self.flights.drain(..=index).filter(|flight| flight.number != number).filter_map(|old| old.task).collect()
        } else {
            self.flights.remove(index);
            Vec::new()
        };
        let content = |waiter: &mut Waiter<T>| {
            if success { waiter.from <= number } else { waiter.with == Some(number) }
        };
        let answered: Vec<_> = self.waiters.extract_if(.., content).collect();
        let asked = answered.iter().any(|waiter| waiter.asked);
        let answered = answered.into_iter().map(|waiter| waiter.sender).collect();
        let unserved = newest && self.waiters.iter().any(|waiter| waiter.with.is_none());
        let spawn = match (unserved || (self.flights.is_empty() && !self.waiters.is_empty())).then(|| self.add(next)) {
            Some(Then::Spawn(number)) => Some(number),
            _ => None,
        };
        Some(Finished { answered, asked, ended, spawn })
    }

    /// What the flights under way bring is out of date. Those who waited are to be told, and ask again if they like.
    pub(in crate::rosters) fn abandon(&mut self) -> Finished<T> {
        let ended = std::mem::take(&mut self.flights).into_iter().filter_map(|flight| flight.task).collect();
        let answered = std::mem::take(&mut self.waiters).into_iter().map(|waiter| waiter.sender).collect();
        Finished { answered, asked: true, ended, spawn: None }
    }
}
