//! Roster gets and pushes (RFC 6121 section 2).

use std::collections::HashSet;

use crate::support::{condition, element, friends, get, world};

#[tokio::test]
async fn every_get_is_answered_exactly_once() {
    let world = world();
    world.host.hold(true);
    let mut john = world.bind("john", "a");
    for id in ["1", "2", "3"] {
        john.send(&get(id, None)).await;
    }
    assert!(john.drain().is_empty());
    world.host.hold(false);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(john.next().await.attr("id").unwrap().to_owned());
    }
    assert_eq!(ids, ["1", "2", "3"]);
    assert!(john.drain().is_empty());
    john.get_roster(None).await;
}

#[tokio::test]
async fn open_gets_of_one_session_are_bounded() {
    let world = world();
    world.host.hold(true);
    let mut john = world.bind("john", "a");
    for id in 0..20 {
        john.send(&get(&id.to_string(), None)).await;
    }
    let refused = john.drain();
    assert_eq!(refused.len(), 12);
    assert!(refused.iter().all(|error| condition(error) == "wait resource-constraint"));
    world.host.hold(false);
    for id in 0..8 {
        assert_eq!(john.next().await.attr("id"), Some(id.to_string().as_str()));
    }
}

#[tokio::test]
async fn the_application_is_asked_on_the_first_get_only() {
    let world = world();
    let mut first = world.bind("john", "a");
    first.send("<presence/>").await;
    first.drain();
    assert_eq!(world.host.asked(), 0);
    first.get_roster(None).await;
    first.get_roster(None).await;
    world.bind("john", "b").get_roster(None).await;
    assert_eq!(world.host.asked(), 1);
}

#[tokio::test]
async fn pushes_go_to_those_who_asked_and_have_unique_ids() {
    let world = world();
    let mut asked = world.arrive("john", "asked").await;
    let mut not = world.bind("john", "not");
    let mut other = world.arrive("marie", "other").await;
    world.host.change("john", friends(&["a", "b", "c"])).await;
    let pushes = asked.drain();
    let ids: HashSet<_> = pushes.iter().map(|push| push.attr("id").unwrap()).collect();
    assert_eq!((pushes.len(), ids.len()), (3, 3));
    for push in &pushes {
        assert_eq!(push.children().next().unwrap().children().count(), 1);
        assert_eq!((push.attr("from"), push.attr("to")), (None, None));
    }
    assert!(not.drain().is_empty());
    assert!(other.drain().is_empty());
    // Acknowledging pushes is not answered.
    asked.send(&format!("<iq type='result' id='{}'/>", pushes[0].attr("id").unwrap())).await;
    asked.send("<iq type='error' id='x' to='john@x.example'/>").await;
    assert!(asked.drain().is_empty());
}

#[tokio::test]
async fn a_change_of_thousands_of_contacts_does_not_end_a_session() {
    let world = world();
    let mut john = world.bind_with_queue("john", "a", 10);
    john.get_roster(None).await;
    let names: Vec<String> = (0..3000).map(|n| format!("c{n}")).collect();
    world.host.change("john", friends(&names.iter().map(String::as_str).collect::<Vec<_>>())).await;
    assert_eq!(john.drain().len(), 3000);
}

#[tokio::test]
async fn a_change_during_the_fetch_is_in_the_answer() {
    let world = world();
    let mut first = world.arrive("john", "a").await;
    world.host.hold(true);
    let mut second = world.bind("john", "b");
    second.send(&get("1", None)).await;
    world.host.change("john", friends(&["marie"])).await;
    assert_eq!(first.seen(), ["push marie@x.example both"]);
    assert!(second.drain().is_empty());
    world.host.hold(false);
    assert_eq!(second.next().await.children().next().unwrap().children().count(), 1);
    assert!(second.drain().is_empty());
}

#[tokio::test]
async fn rosters_of_others_are_refused() {
    let world = world();
    world.host.set("marie", friends(&["john"]));
    world.arrive("marie", "m").await;
    let mut john = world.bind("john", "a");
    for to in ["marie@x.example", "nobody@x.example", "x.example"] {
        for kind in ["get", "set"] {
            john.send(&format!("<iq type='{kind}' id='1' to='{to}'><query xmlns='jabber:iq:roster'/></iq>")).await;
            assert_eq!(condition(&john.next().await), "cancel service-unavailable", "{kind} {to}");
        }
    }
    assert_eq!(world.host.asked(), 1);
}

#[tokio::test]
async fn a_get_to_the_own_account_says_where_it_comes_from() {
    let world = world();
    let mut john = world.bind("john", "a");
    john.send("<iq type='get' id='1' to='john@x.example'><query xmlns='jabber:iq:roster'/></iq>").await;
    let expected = "<iq type='result' id='1' from='john@x.example' to='john@x.example/a'>\
                    <query xmlns='jabber:iq:roster'/></iq>";
    assert_eq!(john.next().await, element(expected));
}
