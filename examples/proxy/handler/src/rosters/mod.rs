//! First fetch and refresh: the plugin says what to ask and what a response means, and what is kept is replaced only by who has
//! seen it.
//!
//! - [`slot`]: the place where a user's roster is kept, and the order of those who write there
//! - [`kept`]: a roster as it is kept
//! - [`exchange`]: from a request to what a response means
//! - [`together`]: many users in one request
//! - [`application`]: sends what the plugin wants to ask
//!
//! Two instances may refresh one user at the same time, and the one that asked first may be answered last. So every answer is
//! put in the place of exactly the roster that was there when the application was asked: whoever finds another there asks
//! once more. An answer that changes nothing is put there as well, for a slower one that was asked for before must not
//! replace what it confirms. So what is kept in the end was asked for after everything that it replaced was kept.

mod application;
mod exchange;
mod kept;
mod slot;
mod together;

use std::fmt::Display;
use std::time::Duration;

pub(crate) use kept::{Kept, KeptContact};

use crate::bindings::wasi::keyvalue::store::Bucket;
use crate::bindings::xmpp::roster::types::{FetchError, Needs};
use crate::deadline::Deadline;
use crate::refusal::Refusal;
use crate::settings::{Client, Settings};
use exchange::{Exchange, Read};
use slot::{Put, Slot, State};

/// Users that are looked at together, at least.
const CHUNK: usize = 100;
/// Requests to the application at once.
const AT_ONCE: usize = 16;

/// The rosters that are kept, for one request.
pub(crate) struct Rosters<'a> {
    bucket: Bucket,
    domain: &'a str,
    client: Client,
    needs: &'a Needs,
    deadline: Deadline,
}

/// Somebody whose roster is being refreshed.
struct Open {
    user: String,
    slot: Slot,
    known: Kept,
}

/// Users who could not be refreshed.
struct Failures(usize);

impl Failures {
    fn note(&mut self, user: &str, reason: &dyn Display) {
        self.0 += 1;
        eprintln!("{user}: the roster could not be refreshed: {reason}");
    }
}

/// What became of an attempt.
enum Ended {
    Done,
    /// Another was faster: it has to be asked again.
    Again(Slot),
}

impl<'a> Rosters<'a> {
    pub(crate) fn open(settings: &'a Settings, needs: &'a Needs, deadline: Deadline) -> Result<Self, Refusal> {
        let bucket = slot::open(&settings.store)?;
        Ok(Self { bucket, domain: &settings.domain, client: settings.client, needs, deadline })
    }

    /// The roster that is kept.
    pub(crate) fn kept(&self, user: &str) -> Result<Option<Kept>, Refusal> {
        Ok(match Slot::look(&self.bucket, user)?.state() {
            State::Kept(kept) => Some(kept),
            State::Absent | State::Fetching => None,
        })
    }

    /// The roster that is kept, or a first fetch.
    pub(crate) fn get(&self, user: &str, limit: Duration) -> Result<Kept, Refusal> {
        let mut slot = Slot::look(&self.bucket, user)?;
        while !self.deadline.has_passed() {
            match slot.state() {
                State::Kept(kept) => return Ok(kept),
                // Whoever is told meanwhile that the roster has changed has to find something.
                State::Absent => {
                    slot = match slot.put(slot::FETCHING)? {
                        Put::Done => Slot::look(&self.bucket, user)?,
                        Put::Other(other) => other,
                    }
                }
                State::Fetching => {
                    let exchange = Exchange::begin(self, user, None).and_then(|exchange| exchange.answered(self));
                    let kept = match exchange.and_then(|answered| answered.read(self)) {
                        Ok(Read::Roster(kept)) => kept,
                        Ok(Read::Unchanged) => {
                            return Err(failure(FetchError::Malformed("it says that nothing has changed".into())));
                        }
                        Err(error) => {
                            slot::give_up(&self.bucket, user)?;
                            return Err(failure(error));
                        }
                    };
                    match self.settle(slot, &Read::Roster(kept.clone()))? {
                        Ended::Done => return Ok(kept),
                        Ended::Again(now) => slot = now,
                    }
                }
            }
        }
        Err(Refusal::Deadline(limit))
    }

    /// Brings the rosters of `users` up to date, each of them once, as far as they are kept. How many of them failed or were
    /// not done in time; these stay as they were.
    pub(crate) fn refresh(&self, users: Vec<String>) -> usize {
        let mut failures = Failures(0);
        let size = self.client.bulk_users.max(CHUNK);
        let mut users = users.into_iter().peekable();
        while users.peek().is_some() {
            let chunk: Vec<String> = users.by_ref().take(size).collect();
            self.refresh_chunk(chunk, &mut failures);
        }
        failures.0
    }

    fn refresh_chunk(&self, users: Vec<String>, failures: &mut Failures) {
        let mut open = Vec::new();
        for user in users {
            match Slot::look(&self.bucket, &user).and_then(|slot| self.to_refresh(user.clone(), slot)) {
                Ok(Some(one)) => open.push(one),
                Ok(None) => {}
                Err(error) => failures.note(&user, &error),
            }
        }
        let mut open = together::refresh(self, open, failures);
        while !open.is_empty() {
            let window: Vec<Open> = open.drain(..open.len().min(AT_ONCE)).collect();
            if self.deadline.has_passed() {
                window.iter().for_each(|one| failures.note(&one.user, &"there was no time left"));
                continue;
            }
            // All are asked before any is waited for, and all are waited for before any is kept, which takes its time, too.
            let (mut asked, mut users) = (Vec::new(), Vec::new());
            for one in window {
                match Exchange::begin(self, &one.user, Some(&one.known)) {
                    Ok(exchange) => {
                        asked.push(exchange);
                        users.push(one);
                    }
                    Err(error) => failures.note(&one.user, &failure(error)),
                }
            }
            for (answered, Open { user, slot, .. }) in Exchange::all_answered(self, asked).into_iter().zip(users) {
                let read = answered.and_then(|answered| answered.read(self));
                let ended = read.map_err(failure).and_then(|read| self.settle(slot, &read));
                match ended.and_then(|ended| self.again(&user, ended)) {
                    Ok(again) => open.extend(again),
                    Err(error) => failures.note(&user, &error),
                }
            }
        }
    }

    /// What has to be refreshed, if anything is kept. Of one who is just being fetched it is enough that the fetch, which
    /// may have begun too early, begins again.
    fn to_refresh(&self, user: String, mut slot: Slot) -> Result<Option<Open>, Refusal> {
        loop {
            match slot.state() {
                State::Absent => return Ok(None),
                State::Kept(known) => return Ok(Some(Open { user, slot, known })),
                State::Fetching => match slot.put(slot::FETCHING)? {
                    Put::Done => return Ok(None),
                    Put::Other(other) => slot = other,
                },
            }
        }
    }

    fn again(&self, user: &str, ended: Ended) -> Result<Option<Open>, Refusal> {
        match ended {
            Ended::Done => Ok(None),
            Ended::Again(slot) => self.to_refresh(user.to_owned(), slot),
        }
    }

    /// Puts what was read in the place of what was there when the application was asked.
    ///
    /// If another was faster, nobody who has seen what was there before can write any more, and whoever has seen what is there
    /// now has asked the application after this request came. So there is nothing to do if it is the same, nor if it has been
    /// replaced twice: the second of them asked late enough.
    fn settle(&self, slot: Slot, read: &Read) -> Result<Ended, Refusal> {
        let bytes = match read {
            Read::Unchanged => slot.bytes().to_vec(),
            Read::Roster(kept) => kept.encode(),
        };
        let seen = slot.state();
        match slot.put(&bytes)? {
            Put::Done => Ok(Ended::Done),
            Put::Other(now) if now.bytes() == bytes => Ok(Ended::Done),
            Put::Other(now) => match (seen, now.state()) {
                (State::Kept(seen), State::Kept(newer)) if newer.replaced_more_than_once(&seen) => Ok(Ended::Done),
                _ => Ok(Ended::Again(now)),
            },
        }
    }
}

/// What the plugin says of the application, in one line as `roster-host` words it.
fn failure(error: FetchError) -> Refusal {
    let status = if let FetchError::Status(status) = error { Some(status) } else { None };
    let reason = match error {
        FetchError::Unreachable(reason) => format!("the application cannot be reached: {reason}"),
        FetchError::TimedOut => "the application did not answer in time".into(),
        FetchError::Status(status) => format!("the application answered with status {status}"),
        FetchError::TooLarge => "the application's answer is too large".into(),
        FetchError::Malformed(reason) => format!("the application's answer is malformed: {reason}"),
        FetchError::Misconfigured(reason) => format!("the plugin is misconfigured: {reason}"),
    };
    Refusal::Application { status, reason: reason.replace(char::is_control, " ") }
}
