//! Table by table.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::ring::{At, BadAck, LONGEST_EVENT, Ring};
use super::super::state::{State, Step, Telling, TooManyUsers};
use super::{EPOCH, changed, data, deliver, roster, user};
use crate::model::EventKind;

/// Everything that a stream has to say now: seq of events, and what else it says.
fn read(state: &mut State, stream: u64) -> Vec<Result<u64, String>> {
    let mut said = Vec::new();
    loop {
        match state.next(stream) {
            Step::Event(event) => said.push(Ok(data(&event)["seq"].as_u64().unwrap())),
            Step::Resync(_) => said.push(Err("resync".into())),
            Step::Replaced => {
                said.push(Err("replaced".into()));
                return said;
            }
            Step::Wait => return said,
        }
    }
}

/// One event with one change.
fn happen(state: &mut State, now: Instant) {
    state.tell(&user("john"), b"{}", now);
    state.ring.seal();
}

#[test]
fn a_stream_goes_on_where_it_was_or_says_that_it_cannot() {
    let now = Instant::now();
    let resync = || Err("resync".to_owned());
    for (what, acked, last, expected) in [
        ("nothing was missed", 6, Some("e-6"), vec![]),
        ("some was", 3, Some("e-4"), vec![Ok(5), Ok(6)]),
        ("all that is kept", 0, Some("e-2"), vec![Ok(3), Ok(4), Ok(5), Ok(6)]),
        ("more than is kept", 0, Some("e-1"), vec![resync()]),
        ("an id of another process", 6, Some("f-6"), vec![resync()]),
        ("an id of the future", 6, Some("e-7"), vec![resync()]),
        ("no id at all", 6, Some("6"), vec![resync()]),
        ("nothing to go on from, and all was acknowledged", 6, None, vec![]),
        ("nothing to go on from, and some was not", 5, None, vec![resync()]),
    ] {
        let mut state = super::state(4, 9);
        (0..6).for_each(|_| happen(&mut state, now));
        state.ack(EPOCH, acked).unwrap();
        let (stream, replaced) = state.open_stream(last);
        assert_eq!((read(&mut state, stream), replaced), (expected.clone(), false), "{what}");
        // What comes later comes in any case.
        happen(&mut state, now);
        assert_eq!(read(&mut state, stream), [Ok(7)], "{what}");
    }
}

#[test]
fn a_stream_that_lags_is_told_to_sync_and_so_is_the_next_until_it_does() {
    let now = Instant::now();
    let mut state = super::state(4, 9);
    let (stream, _) = state.open_stream(None);
    (0..9).for_each(|_| happen(&mut state, now));
    assert_eq!(read(&mut state, stream), [Err("resync".into())]);
    happen(&mut state, now);
    assert_eq!(read(&mut state, stream), [Ok(10)], "told once, and it goes on");
    state.close_stream(stream, now);
    let (stream, _) = state.open_stream(Some("e-10"));
    assert_eq!(read(&mut state, stream), [Err("resync".into())], "it has not synchronised");
    let sync = state.begin_sync();
    state.accept_sync();
    assert!(state.is_last_sync(sync));
    state.close_stream(stream, now);
    let (stream, _) = state.open_stream(Some("e-10"));
    assert_eq!(read(&mut state, stream), []);
}

#[test]
fn a_newer_stream_replaces_the_one_before() {
    let now = Instant::now();
    let mut state = super::state(4, 9);
    let (first, _) = state.open_stream(None);
    happen(&mut state, now);
    let (second, replaced) = state.open_stream(Some("e-0"));
    assert!(replaced);
    assert_eq!(read(&mut state, first), [Err("replaced".into())]);
    assert_eq!(read(&mut state, second), [Ok(1)]);
    assert!(!state.close_stream(first, now) && state.is_live(), "its end means nothing");
    assert!(state.close_stream(second, now) && !state.is_live());
}

#[test]
fn acknowledgements_are_cumulative_and_of_this_process() {
    let mut state = super::state(4, 9);
    (0..3).for_each(|_| happen(&mut state, Instant::now()));
    for (epoch, seq, expected, acked) in [
        (EPOCH, 2, Ok(()), 2),
        (EPOCH, 1, Ok(()), 2),
        (EPOCH, 4, Err(BadAck::Future), 2),
        ("f", 3, Err(BadAck::Epoch), 2),
        (EPOCH, 3, Ok(()), 3),
    ] {
        assert_eq!((state.ack(epoch, seq), state.ring.acked()), (expected, acked), "{epoch} {seq}");
    }
}

#[test]
fn users_leave_when_no_stream_was_open_for_as_long_as_the_lease() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut state = super::state(4, 9);
    state.arrive(&user("john"), start).unwrap();
    assert_eq!(state.due(), Some(at(30)), "there never was one");
    let (stream, _) = state.open_stream(None);
    assert_eq!((state.due(), state.expire(at(100), 9)), (None, vec![]));
    state.close_stream(stream, at(100));
    let (stream, _) = state.open_stream(None);
    state.close_stream(stream, at(120));
    assert_eq!((state.due(), state.expire(at(149), 9)), (Some(at(150)), vec![]));
    state.arrive(&user("marie"), at(149)).unwrap();
    assert_eq!(state.due(), Some(at(150)), "a user does not renew it");
    let mut gone = state.expire(at(150), 1);
    gone.extend(state.expire(at(150), 9));
    gone.sort();
    assert_eq!((gone, state.users(), state.due()), (vec![user("john"), user("marie")], 0, None));
    let (stream, _) = state.open_stream(Some("e-0"));
    assert_eq!(read(&mut state, stream), [Err("resync".into())]);
    state.close_stream(stream, at(160));
    state.arrive(&user("john"), at(1000)).unwrap();
    assert_eq!(state.due(), Some(at(1030)), "it begins anew with the first user");
}

#[test]
fn changes_wait_for_the_end_of_a_refresh_but_not_for_long() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut state = super::state(9, 9);
    assert!(
        state.tell(&user("john"), b"1", start) && !state.tell(&user("john"), b"2", at(5)),
        "the first one has to be looked at"
    );
    assert_eq!((state.due(), state.seal_if_due(at(19))), (Some(at(20)), false));
    assert!(state.seal_if_due(at(20)));
    state.refresh_begins();
    state.refresh_begins();
    state.tell(&user("john"), b"3", at(100));
    assert!(!state.seal_if_due(at(1099)) && state.seal_if_due(at(1100)), "one user may hold up the refresh");
    state.tell(&user("john"), b"4", at(1200));
    assert!(state.refresh_ends());
    state.tell(&user("john"), b"5", at(1201));
    assert!(!state.seal_if_due(at(1300)), "another runs");
    assert!(state.refresh_ends() && !state.refresh_ends());
    let (stream, _) = state.open_stream(Some("e-0"));
    let mut rosters = Vec::new();
    while let Step::Event(event) = state.next(stream) {
        rosters.push(data(&event)["rosters"].to_string());
    }
    assert_eq!(rosters, ["[1,2]", "[3]", "[4]", "[5]"]);
}

#[test]
fn a_batch_is_split_at_a_length_and_the_ring_is_bounded_in_bytes() {
    let now = Instant::now();
    let mut ring = Ring::new(EPOCH.into(), 100, 10);
    let half = vec![b'1'; LONGEST_EVENT / 2];
    assert!(
        !ring.push(&user("john"), &half, now) && !ring.push(&user("john"), b"1", now),
        "the first fits in any case"
    );
    assert!(ring.push(&user("john"), &half, now), "all together are too long");
    assert!(ring.seal() && !ring.seal());
    assert_eq!(ring.memory().0, 1, "the newest is kept");
    assert_eq!((ring.after(0), ring.newest()), (At::Lost, 2));
    let long = vec![b'2'; 3 * LONGEST_EVENT];
    ring.push(&user("john"), &long, now);
    ring.seal();
    assert!(matches!(ring.after(2), At::Event(event) if event.len() > long.len()), "one roster may be longer");
    ring.clear();
    assert_eq!((ring.memory(), ring.after(2), ring.after(3), ring.newest()), ((0, 0), At::Lost, At::End, 3));
}

#[test]
fn a_node_has_no_more_users_than_it_may() {
    let now = Instant::now();
    let mut state = super::state(4, 2);
    for (name, expected) in [("a", Ok(0)), ("b", Ok(0)), ("a", Ok(0)), ("c", Err(TooManyUsers))] {
        assert_eq!(state.arrive(&user(name), now), expected, "{name}");
    }
    assert!(state.leave(&user("a")) && !state.leave(&user("a")));
    assert_eq!(state.arrive(&user("c"), now), Ok(0));
}

#[test]
fn whoever_comes_back_is_not_told_again_of_the_time_before() {
    let now = Instant::now();
    let mut state = super::state(4, 9);
    let (john, marie) = (user("john"), user("marie"));
    state.arrive(&john, now).unwrap();
    state.tell(&john, b"1", now);
    for (who, why) in [(&john, "he has been there all the time"), (&marie, "it is not about her")] {
        state.arrive(who, now).unwrap();
        assert_eq!(state.ring.newest(), 0, "{why}");
    }
    state.leave(&john);
    assert_eq!((state.arrive(&john, now), state.ring.newest()), (Ok(0), 1), "sealed, so that it has a number");
}

#[test]
fn a_sync_lets_go_of_those_whom_nobody_has_named_since() {
    let now = Instant::now();
    let mut state = super::state(4, 9);
    let arrive = |state: &mut State, name: &str, answered: bool| {
        state.arrive(&user(name), now).unwrap();
        if answered {
            state.answered(&user(name), 0, None, now);
        }
    };
    arrive(&mut state, "kept", true);
    arrive(&mut state, "gone", true);
    arrive(&mut state, "awaited", false);
    let sync = state.begin_sync();
    arrive(&mut state, "kept", true);
    arrive(&mut state, "later", true);
    let unnamed = state.unnamed(sync);
    assert_eq!(unnamed, [user("gone")]);
    assert!(!state.leave_unnamed(&user("later"), sync) && state.leave_unnamed(&user("gone"), sync));
    assert_eq!(state.users(), 3);
}

#[test]
fn a_roster_comes_with_the_answer_that_waits_for_it_and_else_as_an_event() {
    let now = Instant::now();
    let john = user("john");
    let (one, two) = (roster(1, 1), roster(2, 2));
    let loaded = || EventKind::Loaded(Arc::clone(&one));
    // The answer brings it.
    let mut state = super::state(9, 9);
    state.arrive(&john, now).unwrap();
    assert_eq!(deliver(&mut state, &john, loaded(), now), Telling::Not);
    assert!(matches!(state.answered(&john, 0, Some(&one), now), (true, None)));
    assert_eq!(deliver(&mut state, &john, changed(&one, &two, 2), now), Telling::Delta);
    assert_eq!(deliver(&mut state, &john, changed(&two, &roster(3, 2), 2), now), Telling::Not, "nothing is different");
    // The answer is an error, an older roster, or follows a change.
    state.arrive(&john, now).unwrap();
    deliver(&mut state, &john, loaded(), now);
    assert!(matches!(state.answered(&john, 0, None, now), (true, Some(late)) if late.version() == 1));
    state.arrive(&john, now).unwrap();
    deliver(&mut state, &john, EventKind::Loaded(Arc::clone(&two)), now);
    assert!(matches!(state.answered(&john, 0, Some(&one), now), (true, Some(late)) if late.version() == 2));
    state.arrive(&john, now).unwrap();
    deliver(&mut state, &john, loaded(), now);
    assert_eq!(deliver(&mut state, &john, changed(&one, &two, 2), now), Telling::Whole);
    assert!(matches!(state.answered(&john, 0, None, now), (true, None)));
    // Two answers are awaited; one of them may still bring it.
    state.arrive(&john, now).unwrap();
    state.arrive(&john, now).unwrap();
    deliver(&mut state, &john, loaded(), now);
    assert!(matches!(state.answered(&john, 0, None, now), (true, None)));
    assert!(matches!(state.answered(&john, 0, None, now), (true, Some(_))));
    // Nobody waits, and nobody is there.
    assert_eq!(deliver(&mut state, &john, loaded(), now), Telling::Whole);
    state.arrive(&john, now).unwrap();
    state.leave(&john);
    assert!(matches!(state.answered(&john, 0, Some(&one), now), (false, None)));
    assert_eq!(deliver(&mut state, &john, loaded(), now), Telling::Not);
}
