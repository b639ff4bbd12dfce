//! Presence of users at different nodes: what they see is what they would see at one.

use roster_model::Subscription;

use super::support::{nodes, nodes_with};
use crate::support::{ALL, Client, asks, contact, friends, shares};

/// As at one node: RFC 6121 sections 4.2.2, 4.3.1, 4.3.2 and 4.5.2.
#[tokio::test]
async fn whose_presence_it_is_decides_wherever_the_other_is() {
    let pairs = ALL.iter().flat_map(|johns| ALL.map(|maries| (*johns, maries)));
    for ((johns, maries), others) in pairs.flat_map(|pair| [(pair, 0), (pair, 5)]) {
        let case = format!("john has marie with {johns:?}, marie has john with {maries:?}, and {others} others");
        let all = nodes(2).await;
        let roster = |name: &str, subscription: Option<_>| -> Vec<_> {
            let others = (0..others).map(|n| contact(&format!("other{n}"), Subscription::From));
            subscription.map(|s| contact(name, s)).into_iter().chain(others).collect()
        };
        all.set("john", &roster("marie", johns));
        all.set("marie", &roster("john", maries));
        let mut marie = all.arrive(1, "marie", "m").await;
        let mut john = all.node(0).bind("john", "j");
        john.get_roster(None).await;
        john.send("<presence/>").await;
        all.settle().await;
        assert_eq!(marie.seen() == ["john@x.example/j"], shares(johns), "{case}");
        let told: &[&str] = match (asks(johns), shares(maries)) {
            (true, true) => &["late marie@x.example/m"],
            (true, false) => &["gone marie@x.example"],
            (false, _) => &[],
        };
        assert_eq!(john.seen()[1..], *told, "{case}");
        marie.send("<presence><show>away</show></presence>").await;
        all.settle().await;
        assert_eq!(john.seen() == ["marie@x.example/m"], shares(maries), "{case}");
        marie.send("<presence type='unavailable'><status>bye</status></presence>").await;
        all.settle().await;
        assert_eq!(john.seen() == ["gone marie@x.example/m"], shares(maries), "{case}");
        marie.send("<presence/>").await;
        all.settle().await;
        assert_eq!(john.seen() == ["marie@x.example/m"], shares(maries), "{case}");
        marie.seen();
        john.leave().await;
        all.settle().await;
        // She was away meanwhile: whom she has not seen since, she is not told of.
        assert_eq!(marie.seen() == ["gone john@x.example/j"], shares(johns) && asks(maries), "{case}");
    }
}

/// Once to each node, however many are there.
#[tokio::test]
async fn presence_to_a_thousand_at_three_nodes_is_two_messages() {
    let all = nodes_with(3, |options| options.max_directed_presence = 10).await;
    let names: Vec<String> = (0..1000).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    all.set("john", &friends(&names));
    let mut clients = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let client = all.node(n % 3).bind(name, "r");
        client.send("<presence/>").await;
        clients.push(client);
    }
    let mut john = all.node(0).bind("john", "j");
    john.get_roster(None).await;
    all.settle().await;
    for client in &mut clients {
        client.drain();
    }
    all.counted();
    for (presence, seen) in [
        ("<presence/>", "john@x.example/j"),
        ("<presence><show>away</show></presence>", "john@x.example/j"),
        ("<presence type='unavailable'/>", "gone john@x.example/j"),
    ] {
        john.send(presence).await;
        assert_eq!(all.counted(), 2, "{presence}");
        all.settle().await;
        all.counted();
        for client in &mut clients {
            assert_eq!(client.seen(), [seen], "{presence}");
        }
    }
}

#[tokio::test]
async fn a_user_s_own_resources_see_each_other_at_all_nodes() {
    let all = nodes(3).await;
    let mut first = all.arrive(0, "john", "1").await;
    let mut second = all.node(1).bind("john", "2");
    second.send("<presence><priority>-1</priority></presence>").await;
    all.settle().await;
    assert_eq!(first.seen(), ["john@x.example/2"]);
    assert_eq!(second.seen(), ["john@x.example/2", "late john@x.example/1"]);
    first.leave().await;
    all.settle().await;
    assert_eq!(second.seen(), ["gone john@x.example/1"]);
}

#[tokio::test]
async fn a_change_of_the_roster_shows_and_hides_at_other_nodes() {
    let all = nodes(3).await;
    all.set("marie", &[]);
    all.set("john", &[]);
    let marie = all.arrive(0, "marie", "m").await;
    let mut john = all.arrive(1, "john", "j").await;
    for (maries, johns, seen) in [
        (Some(Subscription::From), None, "late marie@x.example/m"),
        (None, None, "gone marie@x.example/m"),
        (None, Some(Subscription::To), ""),
        (Some(Subscription::Both), Some(Subscription::To), "late marie@x.example/m"),
        (Some(Subscription::Both), None, ""),
        // Asked again: told again.
        (Some(Subscription::Both), Some(Subscription::Both), "late marie@x.example/m"),
        (Some(Subscription::To), Some(Subscription::Both), "gone marie@x.example/m"),
    ] {
        all.change("marie", &maries.map(|s| contact("john", s)).into_iter().collect::<Vec<_>>()).await;
        all.change("john", &johns.map(|s| contact("marie", s)).into_iter().collect::<Vec<_>>()).await;
        all.settle().await;
        let mut got = john.seen();
        got.retain(|one| !one.starts_with("push"));
        assert_eq!(got.join(" "), seen, "{maries:?} {johns:?}");
    }
    drop(marie);
}

/// A node that dies says nothing: the others do, to those who had seen something of it, and to nobody else.
#[tokio::test]
async fn the_resources_of_a_node_that_died_leave() {
    let mut all = nodes(3).await;
    let names: Vec<String> = (0..1500).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    all.set("marie", &friends(&names));
    let mut hiding = Vec::new();
    for name in &names {
        // Every third hides from her.
        let hides = hiding.len() % 3 == 2;
        all.set(name, &[contact("marie", if hides { Subscription::To } else { Subscription::Both })]);
        hiding.push(all.node(2).bind(name, "r"));
        hiding.last_mut().unwrap().get_roster(None).await;
        hiding.last_mut().unwrap().send("<presence/>").await;
    }
    all.settle().await;
    // Many at once are one for her queue: a client that does not read at once keeps its session.
    let mut marie = all.node(0).bind_with_queue("marie", "m", 8);
    marie.get_roster(None).await;
    marie.send("<presence/>").await;
    all.settle().await;
    let seen = marie.seen();
    assert_eq!(seen.iter().filter(|one| one.starts_with("late")).count(), 1000);
    assert_eq!(seen.iter().filter(|one| one.starts_with("gone")).count(), 500);
    let mut stranger = all.arrive(1, "stranger", "s").await;
    hiding[0].send("<presence to='stranger@x.example'/>").await;
    all.settle().await;
    assert_eq!(stranger.seen(), ["u0@x.example/r"]);
    all.kill(2);
    all.members();
    let gone = marie.seen();
    assert_eq!(gone.len(), 1000);
    assert!(gone.iter().all(|one| one.starts_with("gone u")), "{gone:?}");
    assert_eq!(stranger.seen(), ["gone u0@x.example/r"]);
    // It lives again, and nobody is there.
    all.start(2);
    all.members();
    all.settle().await;
    assert_eq!(marie.seen(), [""; 0]);
    drop(hiding);
}

/// Nodes that ask each other at once for all tell all twice, which changes nothing.
fn seen_once(client: &mut Client) -> Vec<String> {
    let mut seen = client.seen();
    seen.dedup();
    seen
}

/// All others have taken it for dead; it has not ended. Both sides see the others go, and come again.
#[tokio::test(start_paused = true)]
async fn a_node_that_was_taken_for_dead_begins_anew() {
    let mut all = nodes(3).await;
    all.set("john", &friends(&["marie"]));
    all.set("marie", &friends(&["john"]));
    let mut marie = all.arrive(1, "marie", "m").await;
    let mut john = all.arrive(0, "john", "j").await;
    marie.drain();
    for others_first in [true, false] {
        all.live_again(0);
        if others_first {
            all.shun(1, 0);
            all.shun(2, 0);
            // What it says in its old life means nothing any more.
            john.send("<presence><show>away</show></presence>").await;
            all.settle().await;
            assert_eq!(john.seen(), ["john@x.example/j"]);
            assert_eq!(marie.seen(), ["gone john@x.example/j"]);
        }
        all.members();
        all.settle().await;
        let gone: &[&str] = if others_first { &[] } else { &["gone john@x.example/j"] };
        assert_eq!(seen_once(&mut marie), [gone, &["late john@x.example/j"]].concat());
        assert_eq!(seen_once(&mut john), ["gone marie@x.example/m", "late marie@x.example/m"]);
        // Alone, and among them again.
        all.node(0).domain.nodes_changed(&[]);
        assert_eq!(john.seen(), ["gone marie@x.example/m"]);
        all.members();
        all.settle().await;
        assert_eq!(seen_once(&mut john), ["late marie@x.example/m"]);
        marie.drain();
    }
}

/// Whatever was lost comes with the next message that arrives, or with the next tick.
#[tokio::test(start_paused = true)]
async fn what_was_lost_between_nodes_is_made_up_for() {
    for traffic in [true, false] {
        let all = nodes(2).await;
        for (name, other) in [("john", "marie"), ("marie", "john"), ("late", "marie"), ("gone", "marie")] {
            all.set(name, &friends(&[other]));
        }
        all.set("marie", &friends(&["john", "late", "gone"]));
        let mut marie = all.arrive(1, "marie", "m").await;
        let john = all.arrive(0, "john", "j").await;
        let gone = all.arrive(0, "gone", "g").await;
        all.settle().await;
        marie.drain();
        all.cut((0, 1), true);
        john.send("<presence><show>away</show></presence>").await;
        gone.leave().await;
        let late = all.arrive(0, "late", "l").await;
        all.settle().await;
        assert_eq!(marie.seen(), [""; 0]);
        all.cut((0, 1), false);
        if traffic {
            late.send("<presence><show>dnd</show></presence>").await;
        }
        for _ in 0..30 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            all.settle().await;
        }
        let mut seen = marie.seen();
        seen.sort();
        assert_eq!(seen, ["gone gone@x.example/g", "late john@x.example/j", "late late@x.example/l"], "{traffic}");
    }
}
