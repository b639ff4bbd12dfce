//! Presence (RFC 6121 section 4).

use roster_model::Subscription::{Both, From, None as Neither, To};

use crate::support::{Client, World, condition, contact, friends, short, world};

/// John and marie, each other's friends, both available.
async fn pair() -> (World, Client, Client) {
    let world = world();
    world.host.set("john", friends(&["marie", "far"]));
    world.host.set("marie", friends(&["john"]));
    let marie = world.arrive("marie", "m").await;
    let mut john = world.arrive("john", "j").await;
    let mut marie = marie;
    marie.drain();
    john.drain();
    (world, john, marie)
}

#[tokio::test]
async fn initial_presence_goes_to_friends_and_brings_theirs() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut marie = world.arrive("marie", "m").await;
    let mut john = world.bind("john", "j");
    john.get_roster(None).await;
    john.send("<presence><priority>5</priority><c xmlns='caps' ver='1'/></presence>").await;
    assert_eq!(john.seen(), ["john@x.example/j", "late marie@x.example/m"]);
    let presence = marie.next().await;
    assert_eq!(presence.attr("to"), Some("marie@x.example"));
    assert!(presence.has_child("c", "caps"));
    // Later presence brings nothing again.
    john.send("<presence><show>dnd</show></presence>").await;
    assert_eq!(john.seen(), ["john@x.example/j"]);
    assert_eq!(marie.seen(), ["john@x.example/j"]);
}

#[tokio::test]
async fn presence_reaches_whom_both_rosters_allow() {
    for (johns, maries, marie_sees, john_sees) in [
        (Some(Both), Some(Both), true, true),
        (Some(From), Some(To), true, false),
        (Some(To), Some(From), false, true),
        (Some(Both), Some(To), true, false),
        (Some(Both), Some(From), false, true),
        (Some(From), Some(Both), true, false),
        (Some(Both), None, false, false),
        (None, Some(Both), false, false),
        (Some(Neither), Some(Both), false, false),
    ] {
        let world = world();
        world.host.set("john", johns.map(|s| contact("marie", s)).into_iter().collect());
        world.host.set("marie", maries.map(|s| contact("john", s)).into_iter().collect());
        let mut marie = world.arrive("marie", "m").await;
        let mut john = world.bind("john", "j");
        john.get_roster(None).await;
        john.send("<presence/>").await;
        let case = format!("{johns:?} {maries:?}");
        assert_eq!(marie.seen() == ["john@x.example/j"], marie_sees, "{case}");
        assert_eq!(john.seen().contains(&"late marie@x.example/m".into()), john_sees, "{case}");
        john.leave().await;
        assert_eq!(marie.seen() == ["gone john@x.example/j"], marie_sees, "{case}");
    }
}

#[tokio::test]
async fn a_friend_without_a_roster_is_told_and_told_off_when_the_roster_says_otherwise() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    let mut marie = world.bind("marie", "m");
    world.host.fail(true);
    marie.send("<presence/>").await;
    world.asked(1).await;
    world.host.fail(false);
    marie.drain();
    let _john = world.arrive("john", "j").await;
    assert_eq!(marie.seen(), ["john@x.example/j"]);
    marie.get_roster_after("gone john@x.example/j").await;
}

#[tokio::test]
async fn who_never_asks_for_the_roster_is_seen_by_friends_and_sees_them() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut marie = world.bind("marie", "m");
    marie.send("<presence/>").await;
    assert_eq!(short(&marie.next().await), "marie@x.example/m");
    world.asked(1).await;
    let mut john = world.bind("john", "j");
    john.send("<presence/>").await;
    assert_eq!(short(&john.next().await), "john@x.example/j");
    assert_eq!(short(&john.next().await), "late marie@x.example/m");
    assert_eq!(short(&marie.next().await), "late john@x.example/j");
    // A refresh reaches them, as presence and not as pushes.
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), ["gone marie@x.example/m"]);
    assert_eq!(marie.seen(), ["gone john@x.example/j"]);
    john.leave().await;
    marie.leave().await;
    assert_eq!(world.host.connected(), [""; 0]);
}

#[tokio::test]
async fn presence_without_a_roster_asks_again_after_a_failure_and_brings_no_pushes() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut marie = world.arrive("marie", "m").await;
    world.host.fail(true);
    let mut john = world.bind("john", "j");
    let before = world.host.asked();
    john.send("<presence/>").await;
    assert_eq!(short(&john.next().await), "john@x.example/j");
    world.asked(before + 1).await;
    world.host.fail(false);
    // The first fetch has to be over, or the second presence joins it.
    while marie.seen() != ["late john@x.example/j"] {
        john.send("<presence/>").await;
        tokio::task::yield_now().await;
    }
    let seen = john.seen();
    assert!(seen.contains(&"late marie@x.example/m".to_owned()), "{seen:?}");
    assert!(seen.iter().all(|one| !one.starts_with("push")), "{seen:?}");
}

impl Client {
    async fn get_roster_after(&mut self, expected: &str) {
        self.send(&crate::support::get("1", None)).await;
        assert_eq!(short(&self.next().await), expected);
        assert_eq!(short(&self.next().await), "iq result");
    }
}

#[tokio::test]
async fn own_resources_see_each_other() {
    let world = world();
    let mut first = world.bind("john", "1");
    first.send("<presence/>").await;
    assert_eq!(first.seen(), ["john@x.example/1"]);
    let mut silent = world.bind("john", "silent");
    let mut second = world.bind("john", "2");
    second.send("<presence/>").await;
    assert_eq!(second.seen(), ["john@x.example/2", "late john@x.example/1"]);
    assert_eq!(first.seen(), ["john@x.example/2"]);
    second.send("<presence type='unavailable'><status>bye</status></presence>").await;
    assert_eq!(second.seen(), ["gone john@x.example/2"]);
    assert_eq!(first.seen(), ["gone john@x.example/2"]);
    // Gone once, gone for good.
    second.leave().await;
    second.leave().await;
    assert_eq!(first.seen(), [""; 0]);
    assert_eq!(silent.seen(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_is_replaced_is_seen_to_go() {
    let (world, john, mut marie) = pair().await;
    let mut again = world.bind("john", "j");
    assert_eq!(john.ended().await, roster_xmpp::outbound::SessionEnd::Replaced);
    assert_eq!(marie.seen(), ["gone john@x.example/j"]);
    john.leave().await;
    john.send("<presence/>").await;
    again.get_roster(None).await;
    again.send("<presence/>").await;
    assert_eq!(marie.seen(), ["john@x.example/j"]);
    assert_eq!(world.host.connected().len(), 2);
}

#[tokio::test]
async fn directed_presence_is_followed_by_unavailable() {
    let (world, john, mut marie) = pair().await;
    world.host.set("eve", vec![]);
    let mut eve = world.arrive("eve", "e").await;
    let mut hidden = world.bind("eve", "hidden");
    john.send("<presence to='eve@x.example'/>").await;
    john.send("<presence to='eve@x.example/hidden'/>").await;
    john.send("<presence to='marie@x.example'/>").await;
    john.send("<presence to='marie@x.example/m'/>").await;
    assert_eq!(eve.seen(), ["john@x.example/j"]);
    assert_eq!(hidden.seen(), ["john@x.example/j"]);
    assert_eq!(marie.seen(), ["john@x.example/j", "john@x.example/j"]);
    // Later presence is not for those it was directed to.
    john.send("<presence><show>away</show></presence>").await;
    assert_eq!(eve.seen(), [""; 0]);
    assert_eq!(marie.seen(), ["john@x.example/j"]);
    john.leave().await;
    assert_eq!(eve.seen(), ["gone john@x.example/j"]);
    assert_eq!(hidden.seen(), ["gone john@x.example/j"]);
    assert_eq!(marie.seen(), ["gone john@x.example/j"]);
}

#[tokio::test]
async fn directed_unavailable_ends_directed_presence() {
    let (world, john, _marie) = pair().await;
    let mut eve = world.arrive("eve", "e").await;
    john.send("<presence to='EVE@x.example/e'/>").await;
    john.send("<presence to='eve@x.example/e' type='unavailable'/>").await;
    assert_eq!(eve.seen(), ["john@x.example/j", "gone john@x.example/j"]);
    john.leave().await;
    assert_eq!(eve.seen(), [""; 0]);
}

#[tokio::test]
async fn directed_presence_without_broadcast_is_followed_too() {
    let world = world();
    let mut eve = world.arrive("eve", "e").await;
    let john = world.bind("john", "j");
    john.send("<presence to='eve@x.example'/>").await;
    john.leave().await;
    assert_eq!(eve.seen(), ["john@x.example/j", "gone john@x.example/j"]);
}

#[tokio::test]
async fn presence_to_the_absent_is_not_answered() {
    let (_world, mut john, _marie) = pair().await;
    for to in ["nobody@x.example", "marie@x.example/other", "x.example"] {
        john.send(&format!("<presence to='{to}'/>")).await;
        assert_eq!(john.seen(), [""; 0], "{to}");
    }
}

#[tokio::test]
async fn malformed_presence_is_refused_and_changes_nothing() {
    let (_world, mut john, mut marie) = pair().await;
    for (presence, expected) in [
        ("<presence><priority>128</priority></presence>", "modify bad-request"),
        ("<presence><priority>-129</priority></presence>", "modify bad-request"),
        ("<presence><priority>high</priority></presence>", "modify bad-request"),
        ("<presence><priority/></presence>", "modify bad-request"),
        ("<presence><priority>1</priority><priority>1</priority></presence>", "modify bad-request"),
        ("<presence type='invisible'/>", "modify bad-request"),
        ("<presence to='marie@x.example'><priority>x</priority></presence>", "modify bad-request"),
        ("<presence to='@@bad'/>", "modify jid-malformed"),
        ("<presence to='far@away.example'/>", "cancel remote-server-not-found"),
    ] {
        john.send(presence).await;
        assert_eq!(condition(&john.next().await), expected, "{presence}");
        assert_eq!(john.seen(), [""; 0], "{presence}");
        assert_eq!(marie.seen(), [""; 0], "{presence}");
    }
    for presence in
        ["<presence><priority>-128</priority></presence>", "<presence><priority> 127 </priority></presence>"]
    {
        john.send(presence).await;
        assert_eq!(marie.seen(), ["john@x.example/j"], "{presence}");
    }
}

#[tokio::test]
async fn probes_are_answered_to_those_who_may_see() {
    let (world, mut john, marie) = pair().await;
    let mut eve = world.arrive("eve", "e").await;
    for (to, expected) in [
        ("marie@x.example", vec!["late marie@x.example/m"]),
        ("marie@x.example/m", vec!["late marie@x.example/m"]),
        ("marie@x.example/other", vec!["gone marie@x.example/other"]),
        ("john@x.example", vec!["late john@x.example/j"]),
        ("nobody@x.example", vec![]),
        ("x.example", vec![]),
        ("@@", vec![]),
    ] {
        john.send(&format!("<presence type='probe' to='{to}'/>")).await;
        assert_eq!(john.seen(), expected, "{to}");
        if to.starts_with("marie") {
            eve.send(&format!("<presence type='probe' to='{to}'/>")).await;
            assert_eq!(eve.seen(), [""; 0], "{to}");
        }
    }
    john.send("<presence type='probe'/>").await;
    assert_eq!(john.seen(), [""; 0]);
    marie.send("<presence type='unavailable'/>").await;
    john.seen();
    john.send("<presence type='probe' to='marie@x.example'/>").await;
    assert_eq!(john.seen(), ["gone marie@x.example"]);
}

#[tokio::test]
async fn presence_errors_go_to_the_session_they_name() {
    let (_world, mut john, marie) = pair().await;
    marie.send("<presence type='error' to='john@x.example/j'/>").await;
    assert_eq!(john.seen(), ["error marie@x.example/m"]);
    for to in ["john@x.example", "john@x.example/other", "@@"] {
        marie.send(&format!("<presence type='error' to='{to}'/>")).await;
        assert_eq!(john.seen(), [""; 0], "{to}");
    }
}
