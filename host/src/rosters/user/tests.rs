#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::sessions::SessionId;
use super::{Due, RosterError, Times, Update, User};
use crate::model::{Contacts, Snapshot};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn times(grace: u64, stale_if_error: u64, max_age: Option<u64>) -> Times {
    Times {
        grace: secs(grace),
        stale_if_error: secs(stale_if_error),
        max_age: max_age.map(secs),
        overdue_after: secs(1),
        retry_first: secs(1),
        retry_longest: secs(60),
    }
}

fn fetched() -> Result<Update, RosterError> {
    Ok(Update::Fetched(std::sync::Arc::new(Snapshot::new(1, None, Contacts::default()))))
}

fn session(name: &str) -> SessionId {
    SessionId::new(name)
}

#[test]
fn each_failure_doubles_the_wait_up_to_the_longest_and_a_success_ends_it() {
    let (times, now) = (times(60, 3600, None), Instant::now());
    let mut user = User::default();
    let _ = user.connect(session("a"), &times, now).unwrap();
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        user.updated(&Err(RosterError::Internal), &times, || 1.0, now);
        assert_eq!(user.next(|| None, &times, || now), Some(Due::Renewal(now + secs(expected))));
        assert!(user.is_old());
    }
    user.updated(&fetched(), &times, || 1.0, now);
    assert_eq!((user.is_old(), user.failures(), user.next(|| Some(secs(0)), &times, || now)), (false, 0, None));
}

#[test]
fn a_failure_for_somebody_who_is_away_asks_for_nothing() {
    let (times, now) = (times(60, 3600, None), Instant::now());
    let mut user = User::default();
    let _ = user.connect(session("a"), &times, now).unwrap();
    user.sessions.clear();
    user.left(now);
    user.updated(&Err(RosterError::Internal), &times, || 1.0, now);
    assert_eq!(user.next(|| None, &times, || now), None);
    assert_eq!(user.next(|| Some(secs(10)), &times, || now), Some(Due::Expiry(now + secs(3590))));
}

#[test]
fn a_roster_of_somebody_here_is_asked_for_again_when_it_reaches_its_greatest_age() {
    let now = Instant::now();
    for (max_age, age, due) in [(None, 500, None), (Some(600), 500, Some(100)), (Some(600), 700, Some(0))] {
        let times = times(60, 3600, max_age);
        let mut user = User::default();
        let _ = user.connect(session("a"), &times, now).unwrap();
        let expected = due.map(|after| Due::Renewal(now + secs(after)));
        assert_eq!(user.next(|| Some(secs(age)), &times, || now), expected, "{max_age:?}");
    }
}

#[test]
fn a_roster_expires_when_both_times_are_over() {
    let now = Instant::now();
    for (grace, stale, age, after) in [(60, 0, 0, 60), (60, 3600, 0, 3600), (60, 3600, 3590, 60), (0, 0, 0, 0)] {
        let times = times(grace, stale, None);
        let mut user = User::default();
        let _ = user.connect(session("a"), &times, now).unwrap();
        user.sessions.clear();
        user.left(now);
        let due = user.next(|| Some(secs(age)), &times, || now);
        assert_eq!(due, Some(Due::Expiry(now + secs(after))), "grace {grace}, stale {stale}, age {age}");
    }
}

#[derive(Clone, Debug)]
enum Event {
    Connect(u8),
    Leave(u8),
    Succeed,
    Fail,
    Change,
    After(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Event::Connect),
        3 => (0..3_u8).prop_map(Event::Leave),
        2 => Just(Event::Succeed),
        1 => Just(Event::Fail),
        1 => Just(Event::Change),
        3 => (0..100_u64).prop_map(Event::After),
    ]
}

proptest! {
    /// In any order of events, over any number of comings and goings: who connects when the grace time is over, or after a
    /// change, is not served before the application was asked; who returns in time is.
    #[test]
    fn the_application_is_asked_at_each_connect_that_needs_it(
        events in proptest::collection::vec(event(), 1..200),
        grace in 0..90_u64,
        stale in 0..200_u64,
    ) {
        let times = times(grace, stale, None);
        let mut now = Instant::now();
        let mut user = User::default();
        // The model: sessions, when the last left, when the application said what is kept, and whether that may be out of date.
        let mut here = [false; 3];
        let (mut left, mut kept, mut doubtful): (Option<Instant>, Option<Instant>, bool) = (None, None, false);
        for event in events {
            match event {
                Event::After(seconds) => now += secs(seconds),
                Event::Connect(name) => {
                    if left.take().is_some_and(|left| now - left >= secs(grace)) && kept.is_some() {
                        doubtful = true;
                    }
                    here[usize::from(name)] = true;
                    let _ = user.connect(session(&name.to_string()), &times, now).unwrap();
                }
                Event::Leave(name) => {
                    if std::mem::take(&mut here[usize::from(name)]) && here == [false; 3] {
                        left = Some(now);
                    }
                    if user.sessions.remove(&session(&name.to_string())) {
                        user.left(now);
                    }
                }
                // Only who is here is asked for.
                Event::Succeed if here != [false; 3] => {
                    (kept, doubtful) = (Some(now), false);
                    user.updated(&fetched(), &times, || 1.0, now);
                }
                Event::Fail if here != [false; 3] => {
                    doubtful = true;
                    user.updated(&Err(RosterError::Internal), &times, || 0.5, now);
                }
                Event::Change => {
                    doubtful = true;
                    let _ = user.outdate();
                }
                Event::Succeed | Event::Fail => {}
            }
            let age = kept.map(|kept| now - kept);
            match user.next(|| age, &times, || now) {
                Some(Due::Expiry(at)) => {
                    prop_assert!(here == [false; 3] && kept.is_some());
                    if at <= now {
                        // What the host does then, and forgets the user.
                        prop_assert!(left.is_some_and(|left| now - left >= secs(grace)));
                        prop_assert!(age.is_some_and(|age| age >= secs(stale)));
                        (kept, left, doubtful, user) = (None, None, false, User::default());
                    }
                }
                Some(Due::Renewal(at)) => {
                    prop_assert!(here != [false; 3] && user.is_old());
                    prop_assert!(at - now.min(at) <= secs(60));
                }
                None => prop_assert!(here != [false; 3] || kept.is_none()),
            }
            if here == [false; 3] && kept.is_none() {
                // The host forgets who is not here and has no roster.
                user = User::default();
                (left, doubtful) = (None, false);
            }
            if kept.is_some() && here != [false; 3] {
                prop_assert_eq!(user.is_old(), doubtful);
            }
        }
    }
}
