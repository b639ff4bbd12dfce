//! Presence (RFC 6121 section 4).

use roster_model::Subscription;

use crate::support::{ALL, Client, World, asks, condition, contact, friends, shares, short, world};

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

/// RFC 6121 sections 4.2.2, 4.3.1, 4.3.2 and 4.5.2, for all that two rosters can say of each other.
#[tokio::test]
async fn whose_presence_it_is_decides_by_the_own_roster_alone() {
    let pairs = ALL.iter().flat_map(|johns| ALL.map(|maries| (*johns, maries)));
    // With fewer contacts than people who are here, and with more.
    for ((johns, maries), others) in pairs.flat_map(|pair| [(pair, 0), (pair, 5)]) {
        let case = format!("john has marie with {johns:?}, marie has john with {maries:?}, and {others} others");
        let world = world();
        let roster = |name: &str, subscription: Option<_>| {
            let others = (0..others).map(|n| contact(&format!("other{n}"), Subscription::From));
            subscription.map(|s| contact(name, s)).into_iter().chain(others).collect()
        };
        world.host.set("john", roster("marie", johns));
        world.host.set("marie", roster("john", maries));
        let mut marie = world.arrive("marie", "m").await;
        let mut john = world.bind("john", "j");
        john.get_roster(None).await;
        john.send("<presence/>").await;
        assert_eq!(marie.seen() == ["john@x.example/j"], shares(johns), "{case}");
        // Of those whom he asks for he hears at once; the others tell him when they have something to say.
        let told: &[&str] = match (asks(johns), shares(maries)) {
            (true, true) => &["late marie@x.example/m"],
            (true, false) => &["gone marie@x.example"],
            (false, _) => &[],
        };
        assert_eq!(john.seen()[1..], *told, "{case}");
        marie.send("<presence><show>away</show></presence>").await;
        assert_eq!(john.seen() == ["marie@x.example/m"], shares(maries), "{case}");
        marie.send("<presence type='unavailable'/>").await;
        assert_eq!(john.seen() == ["gone marie@x.example/m"], shares(maries), "{case}");
        marie.seen();
        marie.send("<presence/>").await;
        marie.seen();
        john.leave().await;
        assert_eq!(marie.seen() == ["gone john@x.example/j"], shares(johns), "{case}");
    }
}

#[tokio::test]
async fn who_is_online_is_told_whether_the_own_roster_is_there_or_not() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    let mut marie = world.bind("marie", "m");
    world.host.fail(true);
    marie.send("<presence/>").await;
    world.asked(1).await;
    world.host.fail(false);
    marie.drain();
    let john = world.arrive("john", "j").await;
    assert_eq!(marie.seen(), ["john@x.example/j"]);
    // Her roster does not have him, and that is nobody's matter but hers.
    marie.get_roster(None).await;
    assert_eq!(marie.seen(), [""; 0]);
    john.leave().await;
    assert_eq!(marie.seen(), ["gone john@x.example/j"]);
}

/// Away, not sharing, without a roster yet, not existing: nothing tells them apart.
#[tokio::test]
async fn who_is_not_seen_is_away_at_login_and_on_a_probe() {
    let world = world();
    world.host.set("john", friends(&["hiding", "away", "silent", "left", "nobody"]));
    world.host.set("silent", friends(&["john"]));
    world.host.set("left", friends(&["john"]));
    let _hiding = world.arrive("hiding", "h").await;
    world.bind("silent", "s").get_roster(None).await;
    world.arrive("left", "l").await.leave().await;
    for roster_first in [true, false] {
        let mut john = world.bind("john", "j");
        if roster_first {
            john.get_roster(None).await;
            john.send("<presence/>").await;
        } else {
            john.send("<presence/>").await;
        }
        let mut seen = vec![];
        while seen.len() < 6 {
            seen.push(short(&john.next().await));
        }
        seen.retain(|one| one.starts_with("gone"));
        let away = ["away", "hiding", "left", "nobody", "silent"].map(|name| format!("gone {name}@x.example"));
        assert_eq!(seen, away, "{roster_first}");
        for name in ["away", "hiding", "left", "nobody", "silent"] {
            john.send(&format!("<presence type='probe' to='{name}@x.example'/>")).await;
            let answer = john.next().await;
            assert_eq!(
                (short(&answer), answer.attr("to")),
                (format!("gone {name}@x.example"), Some("john@x.example/j"))
            );
        }
        john.leave().await;
        world.host.drop_roster("john").await;
    }
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
    assert_eq!(short(&marie.next().await), "gone john@x.example");
    assert_eq!(short(&marie.next().await), "late john@x.example/j");
    // A refresh reaches them, as presence and not as pushes.
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), [""; 0]);
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
async fn probes_are_answered_as_the_probed_users_roster_says() {
    let (world, mut john, marie) = pair().await;
    let mut eve = world.arrive("eve", "e").await;
    for (to, johns, eves) in [
        ("marie@x.example", vec!["late marie@x.example/m"], vec![]),
        ("marie@x.example/m", vec!["late marie@x.example/m"], vec![]),
        ("marie@x.example/other", vec!["gone marie@x.example/other"], vec![]),
        ("john@x.example", vec!["late john@x.example/j"], vec![]),
        ("nobody@x.example", vec![], vec![]),
        ("x.example", vec![], vec![]),
        ("@@", vec![], vec![]),
    ] {
        for (who, expected) in [(&mut john, johns), (&mut eve, eves)] {
            who.send(&format!("<presence type='probe' to='{to}'/>")).await;
            assert_eq!(who.seen(), expected, "{to}");
        }
    }
    john.send("<presence type='probe'/>").await;
    assert_eq!(john.seen(), [""; 0]);
    // A follower whom only her list has.
    world.host.change("marie", friends(&["john", "eve"])).await;
    assert_eq!(eve.seen(), ["late marie@x.example/m"]);
    eve.send("<presence type='probe' to='marie@x.example'/>").await;
    assert_eq!(eve.seen(), ["late marie@x.example/m"]);
    marie.send("<presence type='unavailable'/>").await;
    for who in [&mut john, &mut eve] {
        who.seen();
        who.send("<presence type='probe' to='marie@x.example'/>").await;
        assert_eq!(who.seen(), ["gone marie@x.example"]);
    }
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
