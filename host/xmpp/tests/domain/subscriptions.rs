//! What a change of a roster does to presence.

use crate::support::{ALL, asks, contact, friends, shares, world};

#[tokio::test]
async fn a_change_of_a_roster_changes_who_sees_its_owner_and_nobody_else() {
    for (before, after) in ALL.iter().flat_map(|before| ALL.map(|after| (*before, after))) {
        for maries in ALL {
            let case = format!("john's from {before:?} to {after:?}, marie has john with {maries:?}");
            let world = world();
            world.host.set("john", before.map(|s| contact("marie", s)).into_iter().collect());
            world.host.set("marie", maries.map(|s| contact("john", s)).into_iter().collect());
            let mut marie = world.arrive("marie", "m").await;
            let mut john = world.arrive("john", "j").await;
            marie.seen();
            world.host.change("john", after.map(|s| contact("marie", s)).into_iter().collect()).await;
            let expected: &[&str] = match (shares(before), shares(after)) {
                (false, true) => &["late john@x.example/j"],
                (true, false) => &["gone john@x.example/j"],
                _ => &[],
            };
            assert_eq!(marie.seen(), expected, "{case}");
            let mut heard = john.seen();
            heard.retain(|one| !one.starts_with("push"));
            // Marie came first, so John has not heard of her unless he asked.
            let missed = asks(after) && !asks(before) && shares(maries);
            assert_eq!(heard == ["late marie@x.example/m"], missed, "{case}: {heard:?}");
            assert!(missed || heard.is_empty(), "{case}: {heard:?}");
        }
    }
}

#[tokio::test]
async fn new_friends_see_each_other_once() {
    for order in [["john", "marie"], ["marie", "john"]] {
        let world = world();
        let mut john = world.arrive("john", "j").await;
        let mut marie = world.arrive("marie", "m").await;
        for name in order {
            let other = if name == "john" { "marie" } else { "john" };
            world.host.change(name, friends(&[other])).await;
        }
        for (who, expected) in [
            (&mut john, ["late marie@x.example/m", "push marie@x.example both"]),
            (&mut marie, ["late john@x.example/j", "push john@x.example both"]),
        ] {
            let mut seen = who.seen();
            seen.sort();
            assert_eq!(seen, expected, "{order:?}");
        }
    }
}

#[tokio::test]
async fn who_removes_another_is_not_seen_any_more_and_goes_on_seeing() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut john = world.arrive("john", "j").await;
    let mut second = world.arrive("john", "k").await;
    let mut marie = world.arrive("marie", "m").await;
    john.drain();
    second.drain();
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), ["push marie@x.example remove"]);
    assert_eq!(second.seen(), ["push marie@x.example remove"]);
    assert_eq!(marie.seen(), ["gone john@x.example/j", "gone john@x.example/k"]);
    world.host.change("marie", vec![]).await;
    assert_eq!(marie.seen(), ["push john@x.example remove"]);
    assert_eq!(john.seen(), ["gone marie@x.example/m"]);
}

#[tokio::test]
async fn a_new_name_changes_no_presence() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut john = world.arrive("john", "j").await;
    let mut marie = world.arrive("marie", "m").await;
    john.drain();
    let mut renamed = friends(&["marie"]);
    renamed[0].name = Some("Mary".into());
    world.host.change("john", renamed).await;
    assert_eq!(john.seen(), ["push marie@x.example both"]);
    assert_eq!(marie.seen(), [""; 0]);
}

#[tokio::test]
async fn a_roster_that_has_the_user_or_strangers_in_it_is_harmless() {
    let world = world();
    let mut far = friends(&["john"]);
    far[0].jid = "john@away.example".into();
    far.extend(friends(&["john"]));
    world.host.set("john", far.clone());
    let mut john = world.bind("john", "j");
    john.get_roster(None).await;
    john.send("<presence/>").await;
    assert_eq!(john.seen(), ["john@x.example/j"]);
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), ["push john@away.example remove", "push john@x.example remove"]);
}
