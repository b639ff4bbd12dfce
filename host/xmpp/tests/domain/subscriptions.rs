//! What a change of a roster does to presence.

use roster_model::Subscription::{Both, From, None as Neither, To};

use crate::support::{contact, friends, world};

#[tokio::test]
async fn presence_goes_both_ways_when_both_have_added_each_other() {
    let world = world();
    let mut john = world.arrive("john", "j").await;
    let mut marie = world.arrive("marie", "m").await;
    world.host.change("john", friends(&["marie"])).await;
    assert_eq!(john.seen(), ["push marie@x.example both"]);
    assert_eq!(marie.seen(), [""; 0]);
    world.host.change("marie", friends(&["john"])).await;
    assert_eq!(marie.seen(), ["push john@x.example both", "late john@x.example/j"]);
    assert_eq!(john.seen(), ["late marie@x.example/m"]);
}

#[tokio::test]
async fn unavailable_goes_both_ways_when_one_has_removed_the_other() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut john = world.arrive("john", "j").await;
    let mut second = world.arrive("john", "k").await;
    let mut marie = world.arrive("marie", "m").await;
    john.drain();
    second.drain();
    world.host.change("john", vec![]).await;
    assert_eq!(john.seen(), ["push marie@x.example remove", "gone marie@x.example/m"]);
    assert_eq!(second.seen(), ["push marie@x.example remove", "gone marie@x.example/m"]);
    assert_eq!(marie.seen(), ["gone john@x.example/j", "gone john@x.example/k"]);
    world.host.change("marie", vec![]).await;
    assert_eq!(marie.seen(), ["push john@x.example remove"]);
    assert_eq!(john.seen(), [""; 0]);
}

#[tokio::test]
async fn each_change_of_a_subscription_tells_those_it_concerns() {
    // Marie has john as both; john's subscription to marie changes.
    for (before, after, marie_sees, john_sees) in [
        (Neither, Both, "late", "late"),
        (Neither, To, "", "late"),
        (Neither, From, "late", ""),
        (To, Both, "late", ""),
        (From, Both, "", "late"),
        (Both, Neither, "gone", "gone"),
        (Both, To, "gone", ""),
        (Both, From, "", "gone"),
        (To, From, "late", "gone"),
        (From, To, "gone", "late"),
    ] {
        let world = world();
        world.host.set("john", vec![contact("marie", before)]);
        world.host.set("marie", friends(&["john"]));
        let mut john = world.arrive("john", "j").await;
        let mut marie = world.arrive("marie", "m").await;
        john.drain();
        world.host.change("john", vec![contact("marie", after)]).await;
        let told = |kind: &str, who: &str| if kind.is_empty() { vec![] } else { vec![format!("{kind} {who}")] };
        assert_eq!(marie.seen(), told(marie_sees, "john@x.example/j"), "{before:?} {after:?}");
        assert_eq!(john.seen()[1..], told(john_sees, "marie@x.example/m"), "{before:?} {after:?}");
    }
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
