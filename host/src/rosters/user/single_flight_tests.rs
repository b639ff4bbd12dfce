#![allow(clippy::unwrap_used, clippy::panic)]
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;

use super::single_flight::{Finished, SingleFlight, Then, Wanted};

const OVERDUE_AFTER: Duration = Duration::from_secs(1);

/// One user's flights with a clock and numbers of their own. Flights end with their number.
struct Bench {
    flights: SingleFlight<u64>,
    now: Instant,
    next: u64,
    running: Vec<u64>,
}

impl Bench {
    fn new() -> Self {
        Self { flights: SingleFlight::default(), now: Instant::now(), next: 1, running: Vec::new() }
    }

    fn note(&mut self, spawned: Option<u64>) {
        self.running.extend(spawned);
        self.next += 1;
    }

    fn join(&mut self, wanted: Wanted) -> (Receiver<u64>, Then) {
        let joined = self.flights.join(wanted, self.next, OVERDUE_AFTER, self.now);
        self.note(if let Then::Spawn(number) = joined.then { Some(number) } else { None });
        (joined.receiver, joined.then)
    }

    fn overdue(&mut self) -> Then {
        let then = self.flights.overdue(self.next, OVERDUE_AFTER, self.now);
        self.note(if let Then::Spawn(number) = then { Some(number) } else { None });
        then
    }

    fn begin(&mut self, number: u64) {
        assert!(self.flights.begin(number, self.now));
    }

    fn after(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn finish(&mut self, number: u64, success: bool) -> Option<u64> {
        let Finished { answered, spawn, .. } = self.flights.finish(number, success, self.next)?;
        for sender in answered {
            let _ = sender.send(number);
        }
        self.running.retain(|one| if success { *one > number } else { *one != number });
        self.note(spawn);
        spawn
    }
}

fn told(receiver: &mut Receiver<u64>) -> Option<u64> {
    receiver.try_recv().ok()
}

#[test]
fn whoever_wants_any_roster_joins_the_flight_that_runs() {
    let mut bench = Bench::new();
    let (mut first, then) = bench.join(Wanted::Any);
    assert_eq!(then, Then::Spawn(1));
    bench.begin(1);
    let (mut second, then) = bench.join(Wanted::Any);
    assert!(matches!(then, Then::Until(_)));
    assert_eq!(bench.finish(1, true), None);
    assert_eq!((told(&mut first), told(&mut second)), (Some(1), Some(1)));
    assert!(bench.flights.is_idle());
}

#[test]
fn whoever_knows_of_a_change_waits_for_a_request_that_begins_later() {
    for success in [true, false] {
        let mut bench = Bench::new();
        let (mut first, _) = bench.join(Wanted::Any);
        // Its request has not begun yet, so it will do.
        let (mut early, then) = bench.join(Wanted::New);
        assert_eq!(then, Then::Wait);
        bench.begin(1);
        let (mut late, _) = bench.join(Wanted::New);
        let (mut later, _) = bench.join(Wanted::New);
        let next = bench.finish(1, success).unwrap();
        assert_eq!((told(&mut first), told(&mut early), told(&mut late)), (Some(1), Some(1), None), "{success}");
        bench.begin(next);
        assert_eq!(bench.finish(next, success), None);
        assert_eq!((told(&mut late), told(&mut later)), (Some(next), Some(next)), "one request for both");
    }
}

#[test]
fn whoever_comes_when_a_flight_is_overdue_has_one_of_their_own_at_once() {
    for wanted in [Wanted::Any, Wanted::New] {
        let mut bench = Bench::new();
        let (mut first, _) = bench.join(Wanted::Any);
        bench.begin(1);
        bench.after(1000);
        let (mut second, then) = bench.join(wanted);
        let Then::Spawn(own) = then else { panic!("{then:?}") };
        bench.begin(own);
        bench.finish(own, true);
        assert_eq!((told(&mut first), told(&mut second)), (Some(own), Some(own)), "the older caller is helped too");
        assert!(!bench.flights.begin(1, bench.now), "the older flight is not heard any more");
        assert!(!bench.flights.commit(1));
        assert_eq!(bench.finish(1, true), None);
    }
}

#[test]
fn whoever_waits_for_a_flight_that_becomes_overdue_moves_on() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.join(Wanted::Any);
    bench.begin(1);
    bench.after(300);
    let (mut second, then) = bench.join(Wanted::Any);
    let Then::Until(at) = then else { panic!("{then:?}") };
    assert_eq!(at - bench.now, Duration::from_millis(700));
    bench.after(700);
    let Then::Spawn(own) = bench.overdue() else { panic!() };
    bench.begin(own);
    // The failure of the old one is not that of the later caller.
    bench.finish(1, false);
    assert_eq!((told(&mut first), told(&mut second)), (Some(1), None));
    bench.finish(own, true);
    assert_eq!(told(&mut second), Some(own));
}

#[test]
fn an_application_that_hangs_is_asked_less_and_less() {
    let mut bench = Bench::new();
    let mut starts = Vec::new();
    let began = bench.now;
    for _ in 0..200 {
        if let (_, Then::Spawn(number)) = bench.join(Wanted::New) {
            bench.begin(number);
            starts.push((bench.now - began).as_millis());
        }
        bench.after(100);
    }
    assert_eq!(starts, [0, 1000, 3000, 7000]);
}

#[test]
fn whether_anybody_has_asked_is_known_at_the_end() {
    for (wanted, asked) in
        [(&[Wanted::Renewal][..], false), (&[Wanted::New], true), (&[Wanted::Renewal, Wanted::Any], true)]
    {
        let mut bench = Bench::new();
        let _receivers: Vec<_> = wanted.iter().map(|wanted| bench.join(*wanted)).collect();
        assert_eq!(bench.flights.finish(1, false, 9).map(|finished| finished.asked), Some(asked), "{wanted:?}");
    }
}

#[test]
fn what_is_abandoned_answers_everybody_and_stores_nothing() {
    let mut bench = Bench::new();
    let (mut first, _) = bench.join(Wanted::Any);
    bench.begin(1);
    let (mut second, _) = bench.join(Wanted::New);
    let Finished { answered, spawn, .. } = bench.flights.abandon();
    assert_eq!((answered.len(), spawn), (2, None));
    for sender in answered {
        sender.send(0).unwrap();
    }
    assert_eq!((told(&mut first), told(&mut second)), (Some(0), Some(0)));
    assert!(bench.flights.is_idle() && !bench.flights.commit(1));
}

#[derive(Clone, Debug)]
enum Event {
    Join(bool),
    Begin(usize),
    Finish(usize, bool),
    Overdue,
    After(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<bool>().prop_map(Event::Join),
        (0..4_usize).prop_map(Event::Begin),
        (0..4_usize, any::<bool>()).prop_map(|(index, success)| Event::Finish(index, success)),
        Just(Event::Overdue),
        (0..3000_u64).prop_map(Event::After),
    ]
}

proptest! {
    /// In any order of events: nobody is forgotten, at most four flights run, and who knows of a change is never answered by a
    /// success of a request that began before.
    #[test]
    fn everybody_is_answered_and_by_a_flight_that_will_do(events in proptest::collection::vec(event(), 1..80)) {
        let mut bench = Bench::new();
        let mut begun: Vec<u64> = Vec::new();
        let mut succeeded: Vec<u64> = Vec::new();
        let mut waiting: Vec<(Receiver<u64>, Vec<u64>)> = Vec::new();
        let check = |waiting: &mut Vec<(Receiver<u64>, Vec<u64>)>, succeeded: &[u64]| {
            waiting.retain_mut(|(receiver, too_old)| match told(receiver) {
                Some(by) => {
                    assert!(!succeeded.contains(&by) || !too_old.contains(&by), "{by} began before it was asked for");
                    false
                }
                None => true,
            });
        };
        for event in events {
            match event {
                Event::Join(new) => {
                    let too_old = if new { begun.clone() } else { Vec::new() };
                    let (receiver, _) = bench.join(if new { Wanted::New } else { Wanted::Any });
                    waiting.push((receiver, too_old));
                }
                Event::Begin(index) => {
                    if let Some(number) = bench.running.get(index).copied() {
                        bench.begin(number);
                        begun.push(number);
                    }
                }
                Event::Finish(index, success) => {
                    if let Some(number) = bench.running.get(index).copied() {
                        if success {
                            succeeded.push(number);
                        }
                        bench.finish(number, success);
                    }
                }
                Event::Overdue => { bench.overdue(); }
                Event::After(millis) => bench.after(millis),
            }
            check(&mut waiting, &succeeded);
            prop_assert!(bench.running.len() <= 4);
            prop_assert!(!bench.flights.is_idle() || waiting.is_empty(), "somebody waits for nothing");
        }
        // Whatever runs ends, and whatever that starts.
        for _ in 0..20 {
            if let Some(number) = bench.running.last().copied() {
                succeeded.push(number);
                bench.finish(number, true);
                check(&mut waiting, &succeeded);
            }
        }
        prop_assert!(waiting.is_empty() && bench.flights.is_idle());
    }
}
