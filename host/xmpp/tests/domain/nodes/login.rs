//! Who comes is told of those at other nodes.

use std::time::Duration;

use roster_model::Subscription;

use super::support::{Nodelings, nodes};
use crate::support::{Client, contact, friends};

/// So long, and whatever comes of it.
async fn pass(all: &Nodelings, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
        all.settle().await;
    }
}

async fn with_hiding() -> (Nodelings, Vec<Client>) {
    let all = nodes(3).await;
    all.set("john", &friends(&["hiding", "away", "here", "near", "nobody"]));
    all.set("hiding", &[contact("john", Subscription::To)]);
    for name in ["here", "near"] {
        all.set(name, &friends(&["john"]));
    }
    let others =
        vec![all.arrive(1, "hiding", "h").await, all.arrive(1, "here", "h").await, all.arrive(0, "near", "n").await];
    (all, others)
}

/// Who is away, hides or does not exist is told of at once, when all have answered: nothing tells them apart.
#[tokio::test(start_paused = true)]
async fn who_is_not_seen_is_away_and_nothing_tells_who_hides() {
    let (all, _others) = with_hiding().await;
    let mut john = all.node(0).bind("john", "j");
    john.get_roster(None).await;
    john.send("<presence/>").await;
    // Before any node has answered: who is here is seen, and nobody is away.
    assert_eq!(john.seen(), ["john@x.example/j", "late near@x.example/n"]);
    // Node 2 answers, which has nobody; and then node 1, which knows.
    while all.deliver((0, 2)) {}
    while all.deliver((2, 0)) {}
    assert_eq!(john.seen(), [""; 0]);
    while all.deliver((0, 1)) {}
    while all.deliver((1, 0)) {}
    let away = ["away", "hiding", "nobody"].map(|name| format!("gone {name}@x.example"));
    let seen = john.seen();
    assert_eq!(seen[0], "late here@x.example/h");
    assert_eq!(seen[1..], away);
    pass(&all, Duration::from_secs(3)).await;
    assert_eq!(john.seen(), [""; 0]);
}

/// A node that does not answer is waited for a second. What it says later is told then.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_waited_for_a_second() {
    for dies in [false, true] {
        let (mut all, _others) = with_hiding().await;
        let mut john = all.node(0).bind("john", "j");
        john.get_roster(None).await;
        john.send("<presence/>").await;
        john.drain();
        if dies {
            // No longer than until it is known to be dead.
            while all.deliver((0, 2)) {}
            while all.deliver((2, 0)) {}
            all.kill(1);
            all.members();
        } else {
            tokio::time::sleep(Duration::from_millis(850)).await;
            assert_eq!(john.seen(), [""; 0]);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let away = ["away", "here", "hiding", "nobody"].map(|name| format!("gone {name}@x.example"));
        assert_eq!(john.seen(), away, "{dies}");
        pass(&all, Duration::from_secs(2)).await;
        let later: &[&str] = if dies { &[] } else { &["late here@x.example/h"] };
        assert_eq!(john.seen(), later, "{dies}");
    }
}

/// Two come at two nodes, and neither node has heard of the other's.
#[tokio::test(start_paused = true)]
async fn who_comes_at_the_same_time_is_seen() {
    for (johns, maries) in [(Subscription::Both, Subscription::Both), (Subscription::To, Subscription::From)] {
        for first in [(0, 1), (1, 0)] {
            let all = nodes(2).await;
            all.set("john", &[contact("marie", johns)]);
            all.set("marie", &[contact("john", maries)]);
            let mut john = all.node(0).bind("john", "j");
            let mut marie = all.node(1).bind("marie", "m");
            john.get_roster(None).await;
            marie.get_roster(None).await;
            all.settle().await;
            john.send("<presence/>").await;
            marie.send("<presence/>").await;
            while all.deliver(first) {}
            all.settle().await;
            pass(&all, Duration::from_secs(3)).await;
            let sees = |client: &mut Client, from: &str| {
                client.seen().iter().filter(|one| one.trim_start_matches("late ") == from).count()
            };
            assert_eq!(sees(&mut john, "marie@x.example/m"), 1, "{johns:?} {first:?}");
            let both = usize::from(johns == Subscription::Both);
            assert_eq!(sees(&mut marie, "john@x.example/j"), both, "{johns:?} {first:?}");
        }
    }
}

/// A client asks itself (RFC 6121 section 4.3.2): the answer comes from where the other is.
#[tokio::test(start_paused = true)]
async fn a_client_s_own_probe_is_answered_by_the_other_s_node() {
    let (all, _others) = with_hiding().await;
    all.set("stranger", &[]);
    let mut stranger = all.arrive(2, "stranger", "s").await;
    let mut john = all.arrive(2, "john", "j").await;
    pass(&all, Duration::from_secs(2)).await;
    for (to, expected) in [
        ("here@x.example", "late here@x.example/h"),
        ("here@x.example/h", "late here@x.example/h"),
        ("here@x.example/other", "gone here@x.example/other"),
        ("hiding@x.example", "gone hiding@x.example"),
        ("nobody@x.example", "gone nobody@x.example"),
    ] {
        john.drain();
        stranger.drain();
        for client in [&john, &stranger] {
            client.send(&format!("<presence type='probe' to='{to}'/>")).await;
        }
        pass(&all, Duration::from_secs(2)).await;
        assert_eq!(john.seen(), [expected], "{to}");
        assert_eq!(stranger.seen(), [""; 0], "{to}");
    }
}
