//! Messages (RFC 6121 section 8.5).

use crate::support::{condition, element, world};

#[tokio::test]
async fn a_message_arrives_as_it_was_sent_with_its_sender() {
    let world = world();
    let john = world.bind("john", "j");
    let mut marie = world.arrive("marie", "m").await;
    let payload = "<body>hé &lt;</body><x xmlns='any:thing' a='1'><y/>t</x>";
    john.send(&format!("<message to='marie@x.example' from='faked@x' type='chat' id='7'>{payload}</message>")).await;
    let expected =
        format!("<message from='john@x.example/j' to='marie@x.example' type='chat' id='7'>{payload}</message>");
    assert_eq!(marie.next().await, element(&expected));
}

/// What happens to a message of each type.
#[tokio::test]
async fn messages_are_delivered_or_refused_by_type_and_address() {
    // marie: `high` and `low` are available, `negative` has a negative priority, `silent` has sent no presence.
    // lone: one resource with a negative priority.
    let all = &["high", "low"][..];
    let none = &[][..];
    for (to, kind, reached, error) in [
        ("marie@x.example", "", all, ""),
        ("marie@x.example", "normal", all, ""),
        ("marie@x.example", "strange", all, ""),
        ("marie@x.example", "chat", all, ""),
        ("marie@x.example", "headline", all, ""),
        ("marie@x.example", "groupchat", none, "cancel service-unavailable"),
        ("marie@x.example", "error", none, ""),
        ("marie@x.example/high", "chat", &["high"], ""),
        ("marie@x.example/high", "groupchat", &["high"], ""),
        ("marie@x.example/high", "error", &["high"], ""),
        ("marie@x.example/negative", "normal", &["negative"], ""),
        ("marie@x.example/silent", "normal", &["silent"], ""),
        ("marie@x.example/other", "chat", all, ""),
        ("marie@x.example/other", "normal", none, "cancel service-unavailable"),
        ("marie@x.example/other", "groupchat", none, "cancel service-unavailable"),
        ("marie@x.example/other", "headline", none, ""),
        ("marie@x.example/other", "error", none, ""),
        ("lone@x.example", "chat", none, "cancel service-unavailable"),
        ("lone@x.example", "headline", none, ""),
        ("nobody@x.example", "chat", none, "cancel service-unavailable"),
        ("nobody@x.example", "normal", none, "cancel service-unavailable"),
        ("nobody@x.example/a", "chat", none, "cancel service-unavailable"),
        ("nobody@x.example", "headline", none, ""),
        ("nobody@x.example", "error", none, ""),
        ("x.example", "chat", none, "cancel service-unavailable"),
        ("far@away.example", "chat", none, "cancel remote-server-not-found"),
        ("far@away.example", "error", none, ""),
        ("@@", "chat", none, "modify jid-malformed"),
    ] {
        let world = world();
        let mut john = world.bind("john", "j");
        let mut clients = Vec::new();
        for (name, resource, presence) in [
            ("marie", "high", "<presence><priority>5</priority></presence>"),
            ("marie", "low", "<presence/>"),
            ("marie", "negative", "<presence><priority>-1</priority></presence>"),
            ("marie", "silent", ""),
            ("lone", "alone", "<presence><priority>-1</priority></presence>"),
        ] {
            let client = world.bind(name, resource);
            if !presence.is_empty() {
                client.send(presence).await;
            }
            clients.push((resource, client));
        }
        for (_, client) in &mut clients {
            client.drain();
        }
        let kind_attribute = if kind.is_empty() { String::new() } else { format!(" type='{kind}'") };
        john.send(&format!("<message to='{to}' id='1'{kind_attribute}><body>x</body></message>")).await;
        let mut got = Vec::new();
        for (resource, client) in &mut clients {
            match client.drain().len() {
                0 => {}
                1 => got.push(*resource),
                more => panic!("{more} copies"),
            }
        }
        assert_eq!(got, reached, "{to} {kind:?}");
        let answers = john.drain();
        assert_eq!(answers.iter().map(condition).collect::<String>(), error, "{to} {kind:?}");
        for answer in answers {
            let addresses = (answer.attr("from"), answer.attr("to"), answer.attr("id"));
            assert_eq!(addresses, (Some(to), Some("john@x.example/j"), Some("1")));
        }
    }
}

#[tokio::test]
async fn a_message_to_nobody_is_one_to_oneself() {
    let world = world();
    let mut john = world.arrive("john", "j").await;
    john.send("<message><body>note</body></message>").await;
    let expected = "<message from='john@x.example/j' to='john@x.example'><body>note</body></message>";
    assert_eq!(john.next().await, element(expected));
}

#[tokio::test]
async fn a_session_that_does_not_read_holds_up_nobody() {
    let world = world();
    let slow = world.bind_with_queue("slow", "s", 3);
    slow.send("<presence/>").await;
    let mut other = world.arrive("slow", "other").await;
    let john = world.bind("john", "j");
    for _ in 0..10 {
        john.send("<message to='slow@x.example'><body>x</body></message>").await;
    }
    slow.outgoing.overflow().await;
    assert_eq!(other.drain().len(), 10);
}
