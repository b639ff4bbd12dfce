//! Binding and limits.

use roster_xmpp::domain::BindError;
use roster_xmpp::outbound::queue;

use crate::support::{condition, user, world, world_with};

#[tokio::test]
async fn resources_are_normalised_made_up_or_refused() {
    let world = world();
    let bind = |resource: Option<&str>| world.domain.bind(&user("john"), resource, queue(1).0);
    assert_eq!(bind(Some("ⅣPhone")).unwrap().jid().as_str(), "john@x.example/IVPhone");
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
