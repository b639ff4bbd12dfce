//! Requests to resources and accounts at other nodes: each is answered once.

use std::time::Duration;

use roster_model::Subscription;

use super::support::nodes;
use crate::support::{condition, contact, friends};

const PING: &str = "<iq type='get' id='p' to='marie@x.example/m'><ping xmlns='urn:xmpp:ping'/></iq>";

#[tokio::test(start_paused = true)]
async fn a_request_goes_to_the_resource_and_its_answer_comes_back() {
    let all = nodes(3).await;
    let mut john = all.node(0).bind("john", "j");
    let mut marie = all.node(1).bind("marie", "m");
    all.settle().await;
    for (kind, content) in [
        ("result", ""),
        ("error", "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"),
    ] {
        john.send(PING).await;
        all.settle().await;
        let asked = marie.next().await;
        assert_eq!((asked.attr("from"), asked.attr("id")), (Some("john@x.example/j"), Some("p")));
        marie.send(&format!("<iq type='{kind}' id='p' to='john@x.example/j'>{content}</iq>")).await;
        all.settle().await;
        let answer = john.next().await;
        assert_eq!((answer.attr("from"), answer.attr("type")), (Some("marie@x.example/m"), Some(kind)));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(john.drain().is_empty());
    }
}

/// It has left, or its node is silent, or dead.
#[tokio::test(start_paused = true)]
async fn a_request_to_who_is_gone_is_answered_within_a_second() {
    for how in ["left", "silent", "dead", "known to have left"] {
        let mut all = nodes(2).await;
        let mut john = all.node(0).bind("john", "j");
        let marie = all.node(1).bind("marie", "m");
        all.settle().await;
        let start = tokio::time::Instant::now();
        match how {
            "silent" => all.cut((0, 1), true),
            "dead" => {}
            _ => marie.leave().await,
        }
        if how == "known to have left" {
            all.settle().await;
        }
        john.send(PING).await;
        if how == "dead" {
            all.kill(1);
            all.members();
        }
        all.settle().await;
        assert_eq!(condition(&john.next().await), "cancel service-unavailable", "{how}");
        let most = if how == "silent" { 1_200 } else { 0 };
        assert!(start.elapsed() <= Duration::from_millis(most), "{how}: {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_secs(3)).await;
        all.settle().await;
        assert!(john.drain().is_empty(), "{how}");
    }
}

/// The same for messages: to the one resource of somebody whose node does not answer.
#[tokio::test(start_paused = true)]
async fn a_message_to_a_silent_node_comes_back_or_goes_to_the_next() {
    for (to, kind, near, reached) in [
        ("marie@x.example/m", "normal", true, false),
        ("marie@x.example/m", "chat", true, true),
        ("marie@x.example/m", "chat", false, false),
        ("marie@x.example", "chat", true, true),
        ("marie@x.example", "chat", false, false),
        ("marie@x.example", "headline", false, true),
    ] {
        let all = nodes(3).await;
        let mut john = all.node(0).bind("john", "j");
        let marie = all.node(1).bind("marie", "m");
        marie.send("<presence/>").await;
        let mut next = all.node(2).bind("marie", "n");
        if near {
            next.send("<presence/>").await;
        }
        all.settle().await;
        next.drain();
        all.cut((0, 1), true);
        john.send(&format!("<message to='{to}' type='{kind}'><body>x</body></message>")).await;
        all.settle().await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        all.settle().await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let case = format!("{kind} to {to}, {near}");
        let errors: Vec<String> = john.drain().iter().map(condition).collect();
        assert_eq!(errors.join(","), if reached { "" } else { "cancel service-unavailable" }, "{case}");
        let expected = usize::from(near && reached);
        assert_eq!(next.drain().iter().filter(|one| one.name() == "message").count(), expected, "{case}");
    }
}

/// A node that was stopped delivers what it had been given when it goes on: then it must not have been given it twice.
#[tokio::test(start_paused = true)]
async fn a_chat_for_a_node_that_answers_late_is_delivered_once() {
    let all = nodes(2).await;
    let mut john = all.node(0).bind("john", "j");
    let mut marie = all.node(1).bind("marie", "m");
    marie.send("<presence/>").await;
    all.settle().await;
    marie.drain();
    john.send("<message to='marie@x.example/m' type='chat'><body>x</body></message>").await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    all.settle().await;
    assert_eq!(marie.drain().iter().filter(|one| one.name() == "message").count(), 1);
    assert_eq!(condition(&john.next().await), "cancel service-unavailable");
}

/// XEP-0030 section 8: whoever does not see the account's presence hears what he would hear of nobody.
#[tokio::test(start_paused = true)]
async fn what_an_account_can_do_is_told_by_its_node_to_those_it_shows_itself_to() {
    let all = nodes(2).await;
    all.set("marie", &[contact("john", Subscription::From)]);
    let _marie = all.arrive(1, "marie", "m").await;
    for (name, to, told) in [
        ("john", "marie", true),
        ("stranger", "marie", false),
        ("john", "nobody", false),
        ("stranger", "nobody", false),
    ] {
        let mut client = all.node(0).bind(name, "r");
        all.settle().await;
        let query = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
        client.send(&format!("<iq type='get' id='d' to='{to}@x.example'>{query}</iq>")).await;
        all.settle().await;
        let answer = client.next().await;
        assert_eq!((answer.attr("id"), answer.attr("type") == Some("result")), (Some("d"), told), "{name} {to}");
        if !told {
            assert_eq!(condition(&answer), "cancel service-unavailable", "{name} {to}");
        }
        client.leave().await;
    }
}

/// What a client never got is sent back to another node, or goes to the session that has taken its place there.
#[tokio::test(start_paused = true)]
async fn what_was_not_delivered_goes_back_or_on_to_other_nodes() {
    for moves in [false, true] {
        let all = nodes(2).await;
        all.set("john", &friends(&["marie"]));
        let mut john = all.node(0).bind("john", "j");
        let marie = all.node(1).bind("marie", "m");
        all.settle().await;
        john.send("<message to='marie@x.example/m' type='chat'><body>x</body></message>").await;
        john.send(PING).await;
        all.settle().await;
        let mut new = None;
        if moves {
            new = Some(all.node(0).bind("marie", "m"));
            all.settle().await;
        }
        marie.leave().await;
        let (domain, session, mut outgoing) = (marie.domain, marie.session, marie.outgoing);
        while let Some(stanza) = outgoing.try_take() {
            domain.undelivered(&session, &stanza);
        }
        all.settle().await;
        let errors: Vec<String> = john.drain().iter().map(condition).collect();
        let expected: &[&str] = if moves {
            &["cancel service-unavailable"]
        } else {
            &["wait recipient-unavailable", "cancel service-unavailable"]
        };
        assert_eq!(errors, expected, "{moves}");
        let got = new.as_mut().map(|new| new.drain().iter().map(|stanza| stanza.name().to_owned()).collect::<Vec<_>>());
        assert_eq!(got.unwrap_or_default(), if moves { vec!["message"] } else { vec![] });
    }
}
