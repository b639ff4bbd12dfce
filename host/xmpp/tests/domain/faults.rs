//! What the reference does on the wire, and each of its faults (REFERENCE section 4) that this endpoint must not have.

use roster_model::{Contact, Subscription};

use crate::support::{condition, contact, element, friends, get, short, without_id, world};

fn named(name: &str, display: &str, groups: &[&str]) -> Contact {
    Contact {
        name: Some(display.into()),
        groups: groups.iter().map(|&group| group.into()).collect(),
        ..contact(name, Subscription::Both)
    }
}

#[tokio::test]
async fn stanzas_are_those_of_the_reference() {
    let world = world();
    world.host.set("john", vec![named("marie", "Marie", &["Friends"]), contact("noname", Subscription::Both)]);
    let mut john = world.bind("john", "res");
    assert_eq!(
        john.get_roster(None).await,
        element(
            "<iq type='result' id='r' to='john@x.example/res'><query xmlns='jabber:iq:roster'>\
             <item name='Marie' subscription='both' jid='marie@x.example'><group>Friends</group></item>\
             <item subscription='both' jid='noname@x.example'/></query></iq>"
        )
    );
    world.host.change("john", vec![named("marie", "Marie", &["Friends"]), named("aaron", "Aaron", &[])]).await;
    let pushes: Vec<_> = john.drain().into_iter().map(without_id).collect();
    assert_eq!(
        pushes,
        [
            "<iq type='set'><query xmlns='jabber:iq:roster'>\
             <item jid='noname@x.example' subscription='remove'/></query></iq>",
            "<iq type='set'><query xmlns='jabber:iq:roster'>\
             <item name='Aaron' subscription='both' jid='aaron@x.example'/></query></iq>",
        ]
        .map(element)
    );
    for (set, to) in [("<item jid='a@b'/>", ""), ("<item/><item jid=''/>", ""), ("", "to='john@x.example'")] {
        john.send(&format!("<iq type='set' id='q19' {to}><query xmlns='jabber:iq:roster'>{set}</query></iq>")).await;
        let mut error = without_id(john.next().await);
        error.attrs_mut().remove(&rxml::Namespace::NONE, "from");
        assert_eq!(
            error,
            element(
                "<iq type='error' to='john@x.example/res'><error type='cancel'>\
                 <not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>contacts are managed by the application that this \
                 server belongs to</text></error></iq>"
            )
        );
    }
}

#[tokio::test]
async fn an_empty_roster_is_an_empty_query() {
    let world = world();
    let mut john = world.bind("john", "res");
    let expected = "<iq type='result' id='r' to='john@x.example/res'><query xmlns='jabber:iq:roster'/></iq>";
    assert_eq!(john.get_roster(None).await, element(expected));
}

#[tokio::test]
async fn an_empty_name_is_a_name() {
    let world = world();
    world.host.set("john", vec![named("marie", "", &[])]);
    let roster = world.bind("john", "res").get_roster(None).await;
    let item = roster.children().next().unwrap().children().next().unwrap();
    assert_eq!(item.attr("name"), Some(""));
}

#[tokio::test]
async fn fault_1_changed_names_and_groups_are_pushed() {
    let world = world();
    world.host.set("john", vec![named("marie", "Marie", &["Work"])]);
    let mut john = world.arrive("john", "a").await;
    for changed in [named("marie", "Mary", &["Work"]), named("marie", "Mary", &["Work", "Home"])] {
        world.host.change("john", vec![changed.clone()]).await;
        let push = john.next().await;
        let item = push.children().next().unwrap().children().next().unwrap().clone();
        assert_eq!(item.attr("name"), changed.name.as_deref());
        assert_eq!(item.children().map(minidom::Element::text).collect::<Vec<_>>(), changed.groups);
        assert_eq!(john.seen(), [""; 0]);
    }
}

#[tokio::test]
async fn fault_3_a_resource_without_presence_does_not_matter_when_a_contact_is_added() {
    let world = world();
    world.host.set("aaron", friends(&["john"]));
    let mut aaron = world.arrive("aaron", "a").await;
    let mut silent = world.bind("john", "silent");
    silent.get_roster(None).await;
    let mut john = world.arrive("john", "loud").await;
    world.host.change("john", friends(&["aaron"])).await;
    assert_eq!(silent.seen(), ["push aaron@x.example both"]);
    assert_eq!(john.seen(), ["push aaron@x.example both", "late aaron@x.example/a"]);
    assert_eq!(aaron.seen(), ["late john@x.example/loud"]);
}

#[tokio::test]
async fn fault_4_leaving_during_the_fetch_harms_nobody() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.hold(true);
    let john = world.bind("john", "a");
    john.send(&get("1", None)).await;
    john.leave().await;
    let mut again = world.bind("john", "a");
    again.send(&get("2", None)).await;
    world.host.hold(false);
    assert_eq!(again.next().await.attr("id"), Some("2"));
    world.host.change("john", vec![]).await;
    assert_eq!(again.seen(), ["push marie@x.example remove"]);
    // The one that left is not remembered by the host, also if its fetch began late.
    let mut left = 2;
    while left > 1 {
        tokio::task::yield_now().await;
        left = world.host.connected().len();
    }
    assert_eq!(world.host.connected(), [format!("john {}", again.session.source_id())]);
}

#[tokio::test]
async fn fault_5_subscription_stanzas_are_dropped_to_every_address_form() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut marie = world.arrive("marie", "m").await;
    let mut john = world.bind("john", "j");
    for kind in ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] {
        for to in [
            "to='marie@x.example'",
            "to='marie@x.example/m'",
            "to='marie@x.example/other'",
            "to='nobody@x.example'",
            "to='john@x.example'",
            "to='john@x.example/j'",
            "to='x.example'",
            "to='far@away.example'",
            "to='@@bad'",
            "to=''",
            "",
        ] {
            john.send(&format!("<presence type='{kind}' {to} id='s'/>")).await;
        }
    }
    assert!(john.drain().is_empty());
    assert!(marie.drain().is_empty());
    // And the roster is still asked for.
    let asked = world.host.asked();
    john.get_roster(None).await;
    assert_eq!(world.host.asked(), asked + 1);
}

#[tokio::test]
async fn fault_6_an_older_roster_never_follows_a_newer_one() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    let mut john = world.arrive("john", "a").await;
    world.host.set("john", friends(&["aaron"]));
    let older = world.host.stored_change("john").unwrap();
    world.host.set("john", friends(&["zoe"]));
    let newer = world.host.stored_change("john").unwrap();
    // A second session reads the newest from the store, before the domain has heard of either change.
    let mut second = world.bind("john", "b");
    let roster = second.get_roster(None).await;
    let jids: Vec<_> = roster.children().next().unwrap().children().map(|item| item.attr("jid").unwrap()).collect();
    assert_eq!(jids, ["zoe@x.example"]);
    world.domain.roster_event(&older).await;
    world.domain.roster_event(&newer).await;
    assert_eq!(john.seen(), ["push marie@x.example remove", "push zoe@x.example both"]);
    assert_eq!(second.seen(), [""; 0]);
}

#[tokio::test]
async fn fault_7_presence_sent_before_the_roster_is_loaded_goes_out_when_it_is() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.set("marie", friends(&["john"]));
    let mut marie = world.arrive("marie", "m").await;
    let mut john = world.bind("john", "j");
    john.send("<presence><show>away</show></presence>").await;
    assert_eq!(john.seen(), ["john@x.example/j"]);
    assert_eq!(marie.seen(), [""; 0]);
    john.send(&get("1", None)).await;
    let came = [john.next().await, john.next().await].map(|stanza| short(&stanza));
    assert_eq!(came, ["late marie@x.example/m", "iq result"]);
    let presence = marie.next().await;
    assert_eq!(short(&presence), "late john@x.example/j");
    assert_eq!(presence.get_child("show", "jabber:client").unwrap().text(), "away");
}

#[tokio::test]
async fn fault_8_without_the_application_the_answer_is_wait_and_the_session_stays() {
    let world = world();
    world.host.set("john", friends(&["marie"]));
    world.host.fail(true);
    let mut john = world.bind("john", "a");
    for _ in 0..2 {
        assert_eq!(condition(&john.get_roster(None).await), "wait resource-constraint");
    }
    john.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    assert_eq!(short(&john.next().await), "iq result");
    world.host.fail(false);
    let roster = john.get_roster(None).await;
    assert_eq!(roster.children().next().unwrap().children().count(), 1);
}

#[tokio::test]
async fn after_fault_8_a_roster_that_turns_up_is_pushed() {
    let world = world();
    world.host.set("john", friends(&["marie", "aaron"]));
    world.host.fail(true);
    let mut john = world.bind("john", "a");
    assert_eq!(condition(&john.get_roster(Some("")).await), "wait resource-constraint");
    world.host.fail(false);
    // Another session, or a refresh, brings it.
    world.bind("john", "b").get_roster(None).await;
    assert_eq!(john.seen(), ["push marie@x.example both", "push aaron@x.example both"]);
    world.host.change("john", friends(&["marie"])).await;
    assert_eq!(john.seen(), ["push aaron@x.example remove"]);
}

#[tokio::test]
async fn fault_9_a_ping_waits_for_no_roster() {
    let world = world();
    world.host.hold(true);
    let mut john = world.bind("john", "a");
    john.send(&get("1", None)).await;
    john.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    assert_eq!(john.next().await.attr("id"), Some("p"));
    world.host.hold(false);
    assert_eq!(john.next().await.attr("id"), Some("1"));
}
