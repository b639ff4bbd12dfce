//! Message carbons (XEP-0280) between nodes, and the order of what one sender writes.

use super::support::nodes;
use crate::support::{Client, DOMAIN};

pub const ENABLE: &str = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";

pub async fn bind(
    all: &super::support::Nodelings,
    (node, name, resource): (usize, &str, &str),
    carbons: bool,
) -> Client {
    let mut client = all.node(node).bind(name, resource);
    client.send("<presence/>").await;
    if carbons {
        client.send(ENABLE).await;
    }
    all.settle().await;
    client.drain();
    client
}

/// What came, each as `direct`, `sent` or `received`, with the body.
pub fn bodies(client: &mut Client) -> Vec<String> {
    let carbons = "urn:xmpp:carbons:2";
    let all = client.drain().into_iter().filter(|stanza| stanza.name() == "message");
    all.map(|message| {
        let copy = |how: &str| message.get_child(how, carbons).map(|copy| (how.to_owned(), copy.clone()));
        let (how, text) = match copy("sent").or_else(|| copy("received")) {
            None => ("direct".to_owned(), message.text() + &message.get_child("body", "jabber:client").unwrap().text()),
            Some((how, copy)) => {
                assert_eq!(message.attr("to"), Some(client.session.jid()));
                assert_eq!(message.attr("from"), Some(client.session.bare()));
                let forwarded = copy.get_child("forwarded", "urn:xmpp:forward:0").unwrap();
                let inner = forwarded.get_child("message", "jabber:client").unwrap();
                (how, inner.get_child("body", "jabber:client").unwrap().text())
            }
        };
        format!("{how} {text}")
    })
    .collect()
}

/// For all places that two users' resources can have at two nodes: each device sees both sides once.
#[tokio::test(start_paused = true)]
async fn each_device_sees_both_sides_once_wherever_it_is() {
    for places in 0..16_usize {
        let at = |number: usize| places >> number & 1;
        for (to, kind, marie_1, marie_2, johns) in [
            ("marie@x.example/1", "chat", "direct x", "received x", "sent x"),
            ("marie@x.example", "chat", "direct x", "direct x", "sent x"),
            ("marie@x.example/1", "headline", "direct x", "", ""),
            ("john@x.example", "chat", "", "", "direct x"),
            ("john@x.example/2", "chat", "", "", "direct x"),
            ("marie@x.example/gone", "normal", "", "", "sent x"),
        ] {
            let case = format!("{kind} to {to}, places {places:04b}");
            let all = nodes(2).await;
            let john = bind(&all, (at(0), "john", "1"), true).await;
            let mut john_2 = bind(&all, (at(1), "john", "2"), true).await;
            let mut first = bind(&all, (at(2), "marie", "1"), false).await;
            let mut second = bind(&all, (at(3), "marie", "2"), true).await;
            let mut without = bind(&all, (at(3), "john", "3"), false).await;
            john.send(&format!("<message to='{to}' type='{kind}'><body>x</body></message>")).await;
            all.settle().await;
            assert_eq!(bodies(&mut first).join(","), marie_1, "marie/1, {case}");
            assert_eq!(bodies(&mut second).join(","), marie_2, "marie/2, {case}");
            assert_eq!(bodies(&mut john_2).join(","), johns, "john/2, {case}");
            let direct = if to == format!("john@{DOMAIN}") { "direct x" } else { "" };
            assert_eq!(bodies(&mut without).join(","), direct, "john/3, {case}");
        }
    }
}

/// The session is gone when the message arrives: it is for the account, and nobody gets it twice.
#[tokio::test(start_paused = true)]
async fn a_chat_whose_session_is_gone_reaches_the_others_once() {
    for (kind, reached) in [("chat", true), ("normal", false)] {
        let all = nodes(3).await;
        let mut john = bind(&all, (0, "john", "1"), false).await;
        let gone = bind(&all, (1, "marie", "1"), false).await;
        let mut others = Vec::new();
        for (number, (node, carbons)) in
            [(0, true), (0, false), (1, true), (1, false), (2, true), (2, false)].iter().enumerate()
        {
            others.push((*carbons, *node, bind(&all, (*node, "marie", &format!("o{number}")), *carbons).await));
        }
        gone.leave().await;
        john.send(&format!("<message to='marie@x.example/1' type='{kind}'><body>x</body></message>")).await;
        all.settle().await;
        for (carbons, node, client) in &mut others {
            let got = bodies(client);
            match (reached, *carbons, *node) {
                (true, true, 0 | 2) => assert_eq!(got, ["received x"], "{node}"),
                (true, ..) => assert_eq!(got, ["direct x"], "{node} {carbons}"),
                (false, true, 0 | 2) => assert_eq!(got, ["received x"], "{node}"),
                (false, ..) => assert_eq!(got, [""; 0], "{node} {carbons}"),
            }
        }
        let errors = john.drain().iter().map(crate::support::condition).collect::<Vec<_>>();
        assert_eq!(errors.join(","), if reached { "" } else { "cancel service-unavailable" });
    }
}

/// Whatever addresses they are sent to, and wherever each is read.
#[tokio::test(start_paused = true)]
async fn what_one_writes_is_read_in_order() {
    let all = nodes(3).await;
    let john = bind(&all, (0, "john", "1"), true).await;
    let mut readers = Vec::new();
    for (node, name, resource) in [(0, "marie", "1"), (1, "marie", "2"), (2, "marie", "3"), (1, "john", "2")] {
        readers.push(bind(&all, (node, name, resource), true).await);
    }
    for number in 0..200 {
        let to = ["marie@x.example", "marie@x.example/1", "marie@x.example/2", "marie@x.example/3"][number % 4];
        john.send(&format!("<message to='{to}' type='chat'><body>{number}</body></message>")).await;
        if number % 7 == 0
            && let Some(pair) = all.busy().get(number % 3)
        {
            all.deliver(*pair);
        }
    }
    all.settle().await;
    for reader in &mut readers {
        let read = bodies(reader);
        let numbers: Vec<usize> = read.iter().map(|one| one.split_once(' ').unwrap().1.parse().unwrap()).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "{}", reader.session.jid());
    }
}

/// What waits for a node that is gone goes on to the account as it was written.
#[tokio::test(start_paused = true)]
async fn what_a_node_that_is_gone_has_not_read_is_read_elsewhere_in_order() {
    let mut all = nodes(3).await;
    let john = bind(&all, (0, "john", "1"), false).await;
    let _gone = bind(&all, (1, "marie", "1"), false).await;
    let mut here = bind(&all, (0, "marie", "2"), false).await;
    let mut elsewhere = bind(&all, (2, "marie", "3"), false).await;
    for number in 0..100 {
        john.send(&format!("<message to='marie@x.example/1' type='chat'><body>{number}</body></message>")).await;
    }
    all.kill(1);
    all.members();
    all.settle().await;
    let expected: Vec<String> = (0..100).map(|number| format!("direct {number}")).collect();
    assert_eq!(bodies(&mut here), expected);
    assert_eq!(bodies(&mut elsewhere), expected);
}

/// The resource is gone, or its node is dead or silent: what came back is read before what was written after it.
#[tokio::test(start_paused = true)]
async fn what_is_written_after_a_chat_that_comes_back_is_read_after_it() {
    for fate in ["left", "dead", "silent"] {
        for kind in ["chat", "normal"] {
            let mut all = nodes(3).await;
            let john = bind(&all, (0, "john", "1"), false).await;
            let gone = bind(&all, (1, "marie", "1"), false).await;
            let mut here = bind(&all, (0, "marie", "2"), false).await;
            let mut elsewhere = bind(&all, (2, "marie", "3"), false).await;
            let mut peter = bind(&all, (2, "peter", "1"), false).await;
            let send = async |to: &str, kind: &str, number: usize| {
                john.send(&format!("<message to='{to}' type='{kind}'><body>{number}</body></message>")).await;
            };
            if fate == "silent" {
                all.cut((0, 1), true);
            }
            if fate == "left" {
                gone.leave().await;
            }
            send("marie@x.example/1", "chat", 0).await;
            send("marie@x.example/1", "chat", 1).await;
            send("marie@x.example/2", kind, 2).await;
            send("marie@x.example/3", kind, 3).await;
            send("marie@x.example", kind, 4).await;
            send("peter@x.example/1", kind, 5).await;
            if fate == "dead" {
                all.kill(1);
                all.members();
            }
            all.settle().await;
            assert_eq!(bodies(&mut peter), ["direct 5"], "it waits for nobody else's, {fate}");
            for _ in 0..20 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                all.settle().await;
            }
            assert_eq!(bodies(&mut here).join(","), "direct 0,direct 1,direct 2,direct 4", "{fate} {kind}");
            assert_eq!(bodies(&mut elsewhere).join(","), "direct 0,direct 1,direct 3,direct 4", "{fate} {kind}");
        }
    }
}
