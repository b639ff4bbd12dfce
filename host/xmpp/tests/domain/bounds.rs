//! Binding and limits.

use roster_xmpp::domain::BindError;
use roster_xmpp::outbound::{SessionEnd, queue};

use crate::support::{condition, friends, get, user, world, world_with};

#[tokio::test]
async fn resources_are_normalised_made_up_or_refused() {
    let world = world();
    let bind = |resource: Option<&str>| world.domain.bind(&user("john"), resource, queue(1).0);
    assert_eq!(bind(Some("ⅣPhone")).unwrap().jid(), "john@x.example/ⅣPhone");
    let (first, second) = (bind(None).unwrap(), bind(Some("")).unwrap());
    assert_ne!(first.resource(), second.resource());
    assert_eq!(first.resource().len(), 32);
    for bad in ["a\u{0}b", &"x".repeat(1024)] {
        let error = bind(Some(bad)).map(|_| ()).unwrap_err();
        assert_eq!(error, BindError::InvalidResource, "{bad:?}");
        assert!(error.element().has_child("bad-request", "urn:ietf:params:xml:ns:xmpp-stanzas"));
    }
}

#[tokio::test]
async fn sessions_of_a_user_are_bounded_and_replacing_one_is_always_possible() {
    let world = world_with(|options| options.max_sessions_per_user = 2);
    let _one = world.bind("john", "1");
    let two = world.bind("john", "2");
    let third = world.domain.bind(&user("john"), Some("3"), queue(1).0).map(|_| ());
    let error = third.unwrap_err();
    assert_eq!(error, BindError::TooManySessions { limit: 2 });
    assert!(error.element().has_child("resource-constraint", "urn:ietf:params:xml:ns:xmpp-stanzas"));
    let _again = world.bind("john", "2");
    two.ended().await;
    let _other = world.bind("marie", "1");
}

#[tokio::test]
async fn the_session_that_sleeps_longest_makes_room_for_a_new_one() {
    let world = world_with(|options| options.max_sessions_per_user = 3);
    world.host.set("john", friends(&["marie"]));
    let mut marie = world.arrive("marie", "m").await;
    let (a, b, c) = (world.arrive("john", "a").await, world.arrive("john", "b").await, world.arrive("john", "c").await);
    let more = |resource: &str| world.domain.bind(&user("john"), Some(resource), queue(1000).0).map(|_| ());
    // All clients are here, or have come back.
    assert_eq!(more("d"), Err(BindError::TooManySessions { limit: 3 }));
    world.domain.sleep(&a.session);
    a.session.wake();
    assert_eq!(more("d"), Err(BindError::TooManySessions { limit: 3 }));
    for session in [&c.session, &b.session] {
        world.domain.sleep(session);
    }
    marie.seen();
    // A resource that is taken anew takes nobody else's place.
    assert_eq!(more("b"), Ok(()));
    assert_eq!(b.ended().await, SessionEnd::Replaced);
    assert_eq!(marie.seen(), ["gone john@x.example/b"]);
    assert_eq!(more("d"), Ok(()));
    assert_eq!(c.ended().await, SessionEnd::Displaced);
    assert_eq!(marie.seen(), ["gone john@x.example/c"]);
    assert_eq!(world.host.connected().len(), 2, "a and marie's: b and c have left, d has not asked");
    assert_eq!(more("e"), Err(BindError::TooManySessions { limit: 3 }));
    // The task of the session that had to go finds nothing left to do.
    c.leave().await;
    assert_eq!(marie.seen(), [""; 0]);
}

#[tokio::test]
async fn directed_presence_is_bounded() {
    let world = world_with(|options| options.max_directed_presence = 2);
    let mut john = world.bind("john", "j");
    let mut others = Vec::new();
    for name in ["a", "b", "c"] {
        others.push(world.arrive(name, "r").await);
        // To nobody: not remembered, so not counted.
        john.send("<presence to='nobody@x.example'/>").await;
        john.send(&format!("<presence to='{name}@x.example'/>")).await;
    }
    assert_eq!(condition(&john.next().await), "wait resource-constraint");
    john.send("<presence to='a@x.example'/>").await;
    assert!(john.drain().is_empty());
    john.leave().await;
    let seen: Vec<_> = others.iter_mut().map(|other| other.seen().len()).collect();
    assert_eq!(seen, [3, 2, 0]);
}

#[tokio::test]
async fn the_source_is_told_of_each_session_once_it_has_asked() {
    let world = world();
    let mut john = world.bind("john", "j");
    assert!(world.host.connected().is_empty());
    john.get_roster(None).await;
    assert_eq!(world.host.connected(), [format!("john {}", john.session.source_id())]);
    john.leave().await;
    assert!(world.host.connected().is_empty());
    john.leave().await;
}

/// What the server says because of one event is one item of a client's queue: a login and a change of the roster, however many
/// contacts are online, and a roster that turns up late.
#[tokio::test]
async fn what_one_event_causes_takes_one_place_in_the_queue() {
    const CONTACTS: usize = 1500;
    let names: Vec<String> = (0..CONTACTS).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = world();
    let mut online = Vec::new();
    for name in &names {
        world.host.set(name, friends(&["john", "late", "grows"]));
        online.push(world.arrive(name, "r").await);
    }
    // The roster first, presence first, and a roster that grows.
    world.host.set("john", friends(&names));
    let mut john = world.bind_with_queue("john", "j", 3);
    john.get_roster(None).await;
    john.send("<presence/>").await;
    assert_eq!(john.seen().len(), 1 + CONTACTS);
    world.host.set("late", friends(&names));
    let mut late = world.bind_with_queue("late", "l", 2);
    late.send("<presence/>").await;
    for _ in 0..1 + CONTACTS {
        late.next().await;
    }
    let mut grows = world.bind_with_queue("grows", "g", 3);
    grows.get_roster(None).await;
    grows.send("<presence/>").await;
    grows.seen();
    let back = world.bind_with_queue("grows", "again", 2);
    back.send("<presence/>").await;
    world.host.change("grows", friends(&names)).await;
    assert_eq!(grows.seen().iter().filter(|one| one.starts_with("push")).count(), CONTACTS);
    world.host.change("grows", vec![]).await;
    assert_eq!(grows.seen(), names.iter().map(|name| format!("push {name}@x.example remove")).collect::<Vec<_>>());
    // Asked for in vain, pushed when it is there.
    world.host.fail(true);
    world.host.set("patient", friends(&names));
    let mut patient = world.bind_with_queue("patient", "p", 1);
    patient.send(&get("r", None)).await;
    assert_eq!(condition(&patient.next().await), "wait resource-constraint");
    world.host.fail(false);
    world.bind("patient", "other").get_roster(None).await;
    assert_eq!(patient.seen().len(), CONTACTS);
}
