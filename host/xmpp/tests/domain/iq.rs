//! IQ stanzas (RFC 6120 section 8.2.3).

use crate::support::{condition, element, friends, world, world_with};

#[tokio::test]
async fn requests_are_answered_by_the_server() {
    for (to, kind, payload, expected) in [
        ("", "get", "<ping xmlns='urn:xmpp:ping'/>", "result"),
        ("x.example", "get", "<ping xmlns='urn:xmpp:ping'/>", "result"),
        ("john@x.example", "get", "<ping xmlns='urn:xmpp:ping'/>", "result"),
        ("", "set", "<ping xmlns='urn:xmpp:ping'/>", "cancel service-unavailable"),
        ("", "set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "result"),
        ("x.example", "set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", "result"),
        ("x.example", "get", "<query xmlns='jabber:iq:version'/>", "result"),
        ("", "get", "<time xmlns='urn:xmpp:time'/>", "result"),
        ("x.example", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "result"),
        ("x.example", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "result"),
        ("", "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "result"),
        ("john@x.example", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "result"),
        (
            "x.example",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>",
            "cancel item-not-found",
        ),
        (
            "marie@x.example",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "cancel service-unavailable",
        ),
        ("", "set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "cancel not-allowed"),
        ("", "get", "<vCard xmlns='vcard-temp'/>", "cancel service-unavailable"),
        ("", "get", "<query xmlns='jabber:iq:private'><x xmlns='y'/></query>", "cancel service-unavailable"),
        ("", "get", "<blocklist xmlns='urn:xmpp:blocking'/>", "cancel service-unavailable"),
        ("", "set", "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>", "cancel service-unavailable"),
        ("x.example", "set", "<enable xmlns='urn:xmpp:carbons:2'/>", "cancel service-unavailable"),
        ("john@x.example", "set", "<query xmlns='jabber:iq:roster'/>", "cancel not-allowed"),
        ("", "set", "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>", "cancel not-allowed"),
        ("JOHN@x.example", "set", "<query xmlns='jabber:iq:roster'><item/><item/></query>", "cancel not-allowed"),
        ("marie@x.example", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "result"),
        ("nobody@x.example", "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "result"),
        (
            "nobody@x.example",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>",
            "cancel item-not-found",
        ),
        (
            "nobody@x.example",
            "set",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
            "cancel service-unavailable",
        ),
        (
            "nobody@x.example",
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "cancel service-unavailable",
        ),
        ("x.example", "set", "<query xmlns='jabber:iq:version'/>", "cancel service-unavailable"),
        ("x.example/any", "set", "<a xmlns='b'/>", "cancel service-unavailable"),
        ("marie@x.example", "set", "<a xmlns='b'/>", "cancel service-unavailable"),
        ("marie@x.example/m", "set", "<a xmlns='b'/>", "cancel service-unavailable"),
        ("john@x.example/other", "get", "<ping xmlns='urn:xmpp:ping'/>", "cancel service-unavailable"),
        ("nobody@x.example/a", "get", "<ping xmlns='urn:xmpp:ping'/>", "cancel service-unavailable"),
        ("nobody@x.example", "get", "<ping xmlns='urn:xmpp:ping'/>", "cancel service-unavailable"),
        ("far@away.example", "get", "<ping xmlns='urn:xmpp:ping'/>", "cancel remote-server-not-found"),
        ("@@", "get", "<ping xmlns='urn:xmpp:ping'/>", "modify jid-malformed"),
        ("", "get", "", "modify bad-request"),
        ("", "set", "<a xmlns='a'/><b xmlns='b'/>", "modify bad-request"),
        ("", "ask", "<ping xmlns='urn:xmpp:ping'/>", "modify bad-request"),
    ] {
        let world = world();
        let mut john = world.bind("john", "j");
        let to_attribute = if to.is_empty() { String::new() } else { format!("to='{to}'") };
        let case = format!("{to:?} {kind} {payload}");
        john.send(&format!("<iq type='{kind}' id='1' {to_attribute}>{payload}</iq>")).await;
        let answers = john.drain();
        assert_eq!(answers.len(), 1, "{case}");
        let answer = &answers[0];
        assert_eq!((answer.attr("id"), answer.attr("to")), (Some("1"), Some("john@x.example/j")), "{case}");
        assert_eq!(answer.attr("from"), Some(to).filter(|to| !to.is_empty()), "{case}");
        match expected {
            "result" => assert_eq!(answer.attr("type"), Some("result"), "{case}"),
            expected => assert_eq!(condition(answer), expected, "{case}"),
        }
    }
}

#[tokio::test]
async fn a_request_without_id_or_type_is_malformed() {
    let world = world();
    let mut john = world.bind("john", "j");
    for iq in ["<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq id='1'><ping xmlns='urn:xmpp:ping'/></iq>"] {
        john.send(iq).await;
        assert_eq!(condition(&john.next().await), "modify bad-request", "{iq}");
    }
}

#[tokio::test]
async fn answers_to_nothing_are_swallowed() {
    let world = world();
    let mut john = world.bind("john", "j");
    for kind in ["result", "error"] {
        for to in
            ["", "to='x.example'", "to='john@x.example'", "to='marie@x.example'", "to='marie@x.example/a'", "to='a@b'"]
        {
            john.send(&format!("<iq type='{kind}' id='1' {to}/>")).await;
            assert!(john.drain().is_empty(), "{kind} {to}");
        }
    }
}

#[tokio::test]
async fn requests_between_sessions_are_relayed_unchanged() {
    let world = world();
    let mut john = world.bind("john", "j");
    let mut marie = world.bind("marie", "m");
    john.send("<iq type='get' id='1' to='marie@x.example/m'><any xmlns='thing'><x/></any></iq>").await;
    let expected =
        "<iq type='get' id='1' from='john@x.example/j' to='marie@x.example/m'><any xmlns='thing'><x/></any></iq>";
    assert_eq!(marie.next().await, element(expected));
    marie.send("<iq type='error' id='1' to='john@x.example/j'><error type='cancel'/></iq>").await;
    assert_eq!(john.next().await.attr("from"), Some("marie@x.example/m"));
}

#[tokio::test]
async fn features_are_told() {
    let world = world();
    let mut john = world.bind("john", "j");
    for (to, category, feature) in
        [("x.example", "server", "urn:xmpp:carbons:2"), ("john@x.example", "account", "urn:xmpp:carbons:2")]
    {
        let query = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
        john.send(&format!("<iq type='get' id='1' to='{to}'>{query}</iq>")).await;
        let answer = john.next().await;
        let info = answer.children().next().unwrap();
        assert_eq!(info.children().next().unwrap().attr("category"), Some(category));
        assert!(info.children().any(|child| child.attr("var") == Some(feature)));
    }
}

#[tokio::test]
async fn an_account_is_described_to_those_who_may_see_it() {
    let ask = "<iq type='get' id='1' to='marie@x.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let world = world();
    world.host.set("marie", friends(&["john"]));
    let mut john = world.bind("john", "j");
    let mut eve = world.bind("eve", "e");
    john.send(ask).await;
    assert_eq!(condition(&john.next().await), "cancel service-unavailable", "nobody knows her yet");
    world.arrive("marie", "m").await;
    eve.send(ask).await;
    assert_eq!(condition(&eve.next().await), "cancel service-unavailable");
    john.send(ask).await;
    let answer = john.next().await;
    let info = answer.get_child("query", "http://jabber.org/protocol/disco#info").expect("it is described");
    let identity = info.children().next().unwrap();
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("account"), Some("registered")));
}

#[tokio::test]
async fn who_wants_to_change_a_roster_is_told_who_can() {
    let mut john = world().bind("john", "j");
    john.send("<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>").await;
    let answer = john.next().await;
    let error = answer.get_child("error", "jabber:client").unwrap();
    let text = error.get_child("text", "urn:ietf:params:xml:ns:xmpp-stanzas").expect("a text for people").text();
    assert!(text.contains("managed by the application"), "{text}");
}

#[tokio::test]
async fn the_version_is_told_unless_the_operator_does_not_want_it() {
    let ask = "<iq type='get' id='1' to='x.example'><query xmlns='jabber:iq:version'/></iq>";
    let mut john = world().bind("john", "j");
    john.send(ask).await;
    let answer = john.next().await;
    let query = answer.get_child("query", "jabber:iq:version").unwrap();
    assert_eq!(query.get_child("name", "jabber:iq:version").unwrap().text(), "roster-host");
    let mut john = world_with(|options| options.software = None).bind("john", "j");
    john.send(ask).await;
    assert_eq!(condition(&john.next().await), "cancel service-unavailable");
}

#[tokio::test]
async fn what_is_no_stanza_of_a_client_is_left_alone() {
    let world = world();
    let mut john = world.bind("john", "j");
    for xml in ["<other/>", "<iq xmlns='jabber:server' type='get' id='1'/>", "<message xmlns='other'/>"] {
        john.send(xml).await;
        assert!(john.drain().is_empty(), "{xml}");
    }
}
