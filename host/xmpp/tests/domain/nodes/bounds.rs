//! What another node says is read with care, and costs no more than it may.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use roster_xmpp::accounts::fixed::FixedAccounts;
use roster_xmpp::config::EndpointConfig;
use roster_xmpp::domain::nodes::MAX_MESSAGE;
use roster_xmpp::{Endpoint, Hosted};

use super::support::{nodes, nodes_with};
use crate::support::{condition, element, friends};

/// Nothing of it does anything, and what comes after it does.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_left_out() {
    let all = nodes(2).await;
    all.set("john", &friends(&["marie"]));
    all.set("marie", &friends(&["john"]));
    let mut marie = all.arrive(1, "marie", "m").await;
    let john = all.arrive(0, "john", "j").await;
    marie.drain();
    let domain = &all.node(1).domain;
    let number = 1_u64 << 40;
    let whole = |body: &str| format!("1 1 1 {number}\n{body}").into_bytes();
    for message in [
        vec![],
        vec![0xff; 100],
        b"1 1 1 1".to_vec(),
        b"2 1 1 1\n\"tick\"".to_vec(),
        // Of another life, to another life, of a number that was.
        b"1 9 1 99999999999999\n\"tick\"".to_vec(),
        b"1 1 9 99999999999999\n\"tick\"".to_vec(),
        whole(r#"{"left":{"number":1}}"#),
        vec![b' '; MAX_MESSAGE + 1],
    ] {
        domain.from_node("node0", &message);
        domain.from_node("nobody", &message);
    }
    assert_eq!(marie.seen(), [""; 0]);
    john.send("<presence><show>dnd</show></presence>").await;
    all.settle().await;
    assert_eq!(marie.seen(), ["john@x.example/j"]);
}

/// The head is right, and what follows is nonsense: the state is asked for again and everything goes on.
#[tokio::test(start_paused = true)]
async fn nonsense_in_its_place_breaks_nothing() {
    for body in [
        "",
        "nonsense",
        r#"{"later":{"a":1}}"#,
        r#"{"left":{"number":12345}}"#,
        r#"{"presence":{"session":{"user":"a b","resource":"","number":1,"bound":1}}}"#,
        r#"{"presence":{"session":{"user":"eve","resource":"e","number":18446744073709551615,"bound":18446744073709551615,"priority":5}}}"#,
        r#"{"presence":{"shown":[{"number":77,"stanza":"<presence xmlns='jabber:client'/>","to":["marie"]}]}}"#,
        r#"{"presence":{"shown":[{"number":1,"stanza":"<presence","to":["marie"]},{"number":1,"stanza":"<iq xmlns='jabber:client'/>","to":["marie","?"]}]}}"#,
        r#"{"presence":{"probe":{"id":1,"asker":"a b","sessions":[1],"users":["marie","?",""]}}}"#,
        r#"{"probed":{"id":1,"asker":"marie","sessions":[1,2,3],"shown":[[1,"x"]],"last":true}}"#,
        r#"{"errand":{"id":3,"from":"a b","to":"","stanza":""}}"#,
        r#"{"errand":{"id":3,"from":"eve","to":"marie","target":{"session":"m"},"stanza":"<iq/>"}}"#,
        r#"{"done":{"id":3,"how":"gone"}}"#,
        r#"{"may_ask":{"id":3,"user":"","asker":""}}"#,
        r#"{"displace":{"number":3}}"#,
        r#"{"sessions":{"ask":true,"first":false,"last":true,"sessions":[]}}"#,
        r#""synced""#,
    ] {
        let all = nodes(2).await;
        all.set("john", &friends(&["marie"]));
        all.set("marie", &friends(&["john"]));
        let mut marie = all.arrive(1, "marie", "m").await;
        let john = all.arrive(0, "john", "j").await;
        marie.drain();
        // Above all that were sent: so that it is not one that was.
        all.node(1).domain.from_node("node0", format!("1 1 1 {}\n{body}", (1_u64 << 40) + 1_000).as_bytes());
        assert!(marie.seen().iter().all(|one| !one.contains("eve")), "{body}");
        // The true node's next ones have lower numbers: from its next life on it is heard again.
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            all.settle().await;
        }
        let mut all = all;
        all.kill(0);
        all.start(0);
        all.members();
        all.settle().await;
        drop(john);
        all.set("john", &friends(&["marie"]));
        marie.drain();
        let john = all.arrive(0, "john", "j").await;
        assert_eq!(marie.seen(), ["john@x.example/j"], "{body}");
        drop(john);
    }
}

/// One of everything that nodes say to each other, without the heads.
async fn samples() -> Vec<String> {
    let all = nodes_with(2, |options| options.max_sessions_per_user = 2).await;
    *all.net.kept.lock() = Some(Vec::new());
    all.set("john", &friends(&["marie"]));
    all.set("marie", &friends(&["john"]));
    let john = all.arrive(0, "john", "j").await;
    let marie = all.arrive(1, "marie", "m").await;
    for stanza in [
        "<message to='marie@x.example' type='chat'><body>x</body></message>",
        "<message to='marie@x.example/m' type='chat'><body>x</body></message>",
        "<iq to='marie@x.example/m' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq to='marie@x.example' type='get' id='2'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        "<presence to='marie@x.example/m'/>",
        "<presence type='probe' to='marie@x.example'/>",
    ] {
        john.send(stanza).await;
        all.settle().await;
    }
    let second = all.node(0).bind("john", "2");
    all.node(0).domain.sleep(&second.session);
    all.settle().await;
    let third = all.node(1).bind("john", "3");
    all.settle().await;
    third.leave().await;
    marie.leave().await;
    all.shun(1, 0);
    all.members();
    tokio::time::sleep(Duration::from_secs(7)).await;
    all.settle().await;
    let kept = all.net.kept.lock().take().unwrap();
    let bodies =
        kept.iter().map(|message| std::str::from_utf8(message).unwrap().split_once('\n').unwrap().1.to_owned());
    let mut bodies: Vec<String> = bodies.collect();
    for kind in
        ["sessions", "synced", "left", "presence", "probe", "probed", "errand", "done", "may_ask", "displace", "tick"]
    {
        assert!(bodies.iter().any(|body| body.contains(&format!("\"{kind}\""))), "{kind}");
    }
    bodies.sort();
    bodies.dedup();
    bodies
}

/// Part of one and part of another, a number for another, bytes in between: whatever it is, nothing panics, and the domain goes on.
#[tokio::test(start_paused = true)]
async fn messages_that_were_damaged_on_their_way_break_nothing() {
    let samples = samples().await;
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut pick = |most: usize| random.next_u32() as usize % most.max(1);
    let all = nodes(2).await;
    all.set("john", &friends(&["marie"]));
    all.set("marie", &friends(&["john"]));
    let mut marie = all.arrive(1, "marie", "m").await;
    for number in 1..5_000_u64 {
        let mut body = samples[pick(samples.len())].clone().into_bytes();
        for _ in 0..=pick(3) {
            let (at, other) = (pick(body.len()), samples[pick(samples.len())].as_bytes());
            match pick(5) {
                0 => body.truncate(at),
                1 => body.extend_from_slice(&other[pick(other.len())..]),
                2 => body.insert(at, other[pick(other.len())]),
                3 if !body.is_empty() => drop(body.remove(at)),
                _ => {
                    let digits = |byte: &u8| byte.is_ascii_digit();
                    let new = b'0' + u8::try_from(pick(10)).unwrap();
                    body.iter_mut().filter(|byte| digits(byte)).nth(pick(8)).into_iter().for_each(|byte| *byte = new);
                }
            }
        }
        let mut message = format!("1 1 1 {}\n", (1_u64 << 40) + number).into_bytes();
        message.extend(body);
        all.node(1).domain.from_node("node0", &message);
        marie.drain();
    }
    // Her own session may have been taken from her by one that was never bound.
    all.set("adam", &friends(&["eve"]));
    all.set("eve", &friends(&["adam"]));
    let adam = all.arrive(1, "adam", "a").await;
    let mut eve = all.arrive(1, "eve", "e").await;
    adam.send("<presence><show>dnd</show></presence>").await;
    assert_eq!(eve.seen(), ["adam@x.example/a"]);
}

/// It is refused to its sender, and nothing else is lost.
#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_a_message_is_refused() {
    let all = nodes(2).await;
    let mut john = all.node(0).bind("john", "j");
    let mut marie = all.node(1).bind("marie", "m");
    all.settle().await;
    let body = |bytes: usize| "x".repeat(bytes);
    for (xml, error) in [
        (format!("<message to='marie@x.example/m' type='chat'><body>{}</body></message>", body(MAX_MESSAGE)), true),
        (format!("<iq to='marie@x.example/m' type='set' id='1'><x xmlns='y'>{}</x></iq>", body(MAX_MESSAGE)), true),
        (
            format!("<message to='marie@x.example/m' type='chat'><body>{}</body></message>", body(MAX_MESSAGE - 1_000)),
            false,
        ),
    ] {
        john.send(&xml).await;
        all.settle().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let errors: Vec<String> = john.drain().iter().map(condition).collect();
        assert_eq!(errors.join(","), if error { "wait resource-constraint" } else { "" });
        assert_eq!(marie.drain().len(), usize::from(!error));
    }
}

/// What other nodes have takes part of what the endpoint may take, and no more than half of it; it is given back.
#[tokio::test(start_paused = true)]
async fn resources_of_other_nodes_count_in_the_memory_of_the_endpoint() {
    for (most, fit) in [(1 << 30, 500), (60_000, 100)] {
        let mut all = nodes(2).await;
        let mut config = EndpointConfig::default();
        config.limits.memory = most;
        let accounts = Arc::new(FixedAccounts::new(Default::default()));
        let hosted = Hosted { domain: Arc::clone(&all.node(0).domain), accounts };
        let memory = Endpoint::bind(config, None, vec![hosted]).await.unwrap().memory();
        let clients: Vec<_> = (0..500).map(|n| all.node(1).bind(&format!("u{n}"), "r")).collect();
        all.settle().await;
        let there = all.node(0).domain.other_nodes()[0].sessions;
        assert!((fit..fit + 30).contains(&there), "{most}: {there}");
        assert!((there * 200..most * 6 / 10).contains(&memory.held()), "{most}: {}", memory.held());
        clients[7].leave().await;
        all.settle().await;
        let held = memory.held();
        let new = all.node(1).bind("new", "r");
        all.settle().await;
        assert!(memory.held() > held && new.session.jid() == "new@x.example/r", "there is room for it now");
        all.kill(1);
        all.members();
        assert_eq!((all.node(0).domain.other_nodes(), memory.held()), (vec![], 0), "{most}");
    }
}

/// Longer than a message, so in parts: all resources of a node, and a presence to many.
#[tokio::test(start_paused = true)]
async fn what_is_long_comes_in_parts() {
    let mut all = nodes(2).await;
    let names: Vec<String> = (0..3_000).map(|n| format!("{n}{}", "u".repeat(300))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    all.set("john", &friends(&names));
    let mut clients: Vec<_> = names.iter().map(|name| all.node(1).bind(name, "r")).collect();
    for client in &clients {
        client.send("<presence/>").await;
    }
    all.settle().await;
    let mut john = all.node(0).bind("john", "j");
    john.get_roster(None).await;
    john.send("<presence/>").await;
    all.settle().await;
    for client in &mut clients {
        assert_eq!(client.seen().last().unwrap(), "john@x.example/j");
    }
    // A new life learns of all of them.
    all.kill(0);
    all.start(0);
    all.set("john", &friends(&names));
    all.members();
    all.settle().await;
    assert!(clients.iter_mut().all(|client| client.seen() == ["gone john@x.example/j"]));
    let john = all.arrive(0, "john", "j").await;
    assert!(clients.iter_mut().all(|client| client.seen() == ["john@x.example/j"]));
    john.send(&format!("<message to='{}@x.example' type='chat'><body>x</body></message>", names[2_999])).await;
    all.settle().await;
    let got = clients[2_999].drain();
    let sent = format!(
        "<message from='john@x.example/j' to='{}@x.example' type='chat'><body>x</body></message>",
        names[2_999]
    );
    assert_eq!(got, [element(&sent)]);
}
