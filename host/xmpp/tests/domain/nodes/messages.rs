//! Messages between users at different nodes (RFC 6121 section 8.5).

use super::support::nodes;
use crate::support::{condition, element};

#[tokio::test]
async fn a_message_arrives_at_another_node_as_it_was_sent() {
    let all = nodes(2).await;
    let john = all.node(0).bind("john", "j");
    let mut marie = all.node(1).bind("marie", "m");
    marie.send("<presence/>").await;
    all.settle().await;
    marie.drain();
    let payload = "<body>hé &lt; \"\n\u{1F600}</body><x xmlns='any:thing' xmlns:p='q' p:a='1'><y/>t<z xmlns='jabber:client'/></x>";
    for to in ["marie@x.example", "marie@x.example/m"] {
        john.send(&format!("<message to='{to}' from='faked@x' type='chat' xml:lang='de' id='7'>{payload}</message>"))
            .await;
        all.settle().await;
        let expected =
            format!("<message from='john@x.example/j' to='{to}' type='chat' xml:lang='de' id='7'>{payload}</message>");
        assert_eq!(marie.drain(), [element(&expected)]);
    }
}

/// The same table as for one node, with marie's resources spread over all.
#[tokio::test(start_paused = true)]
async fn messages_are_delivered_or_refused_wherever_the_resources_are() {
    let all_reached = &["high", "low"][..];
    let none = &[][..];
    for (to, kind, reached, error) in [
        ("marie@x.example", "", all_reached, ""),
        ("marie@x.example", "normal", all_reached, ""),
        ("marie@x.example", "chat", all_reached, ""),
        ("marie@x.example", "headline", all_reached, ""),
        ("marie@x.example", "groupchat", none, "cancel service-unavailable"),
        ("marie@x.example", "error", none, ""),
        ("marie@x.example/high", "chat", &["high"], ""),
        ("marie@x.example/high", "groupchat", &["high"], ""),
        ("marie@x.example/high", "error", &["high"], ""),
        ("marie@x.example/negative", "normal", &["negative"], ""),
        ("marie@x.example/silent", "normal", &["silent"], ""),
        ("marie@x.example/other", "chat", all_reached, ""),
        ("marie@x.example/other", "normal", none, "cancel service-unavailable"),
        ("marie@x.example/other", "headline", none, ""),
        ("lone@x.example", "chat", none, "cancel service-unavailable"),
        ("lone@x.example", "headline", none, ""),
        ("nobody@x.example", "chat", none, "cancel service-unavailable"),
        ("nobody@x.example/a", "chat", none, "cancel service-unavailable"),
    ] {
        for shift in 0..3 {
            let all = nodes(3).await;
            let mut john = all.node(0).bind("john", "j");
            let mut clients = Vec::new();
            for (place, (name, resource, presence)) in [
                ("marie", "high", "<presence><priority>5</priority></presence>"),
                ("marie", "low", "<presence/>"),
                ("marie", "negative", "<presence><priority>-1</priority></presence>"),
                ("marie", "silent", ""),
                ("lone", "alone", "<presence><priority>-1</priority></presence>"),
            ]
            .into_iter()
            .enumerate()
            {
                let client = all.node((place + shift) % 3).bind(name, resource);
                if !presence.is_empty() {
                    client.send(presence).await;
                }
                clients.push((resource, client));
            }
            all.settle().await;
            for (_, client) in &mut clients {
                client.drain();
            }
            let kind_attribute = if kind.is_empty() { String::new() } else { format!(" type='{kind}'") };
            john.send(&format!("<message to='{to}' id='1'{kind_attribute}><body>x</body></message>")).await;
            all.settle().await;
            let mut got = Vec::new();
            for (resource, client) in &mut clients {
                match client.drain().len() {
                    0 => {}
                    1 => got.push(*resource),
                    more => panic!("{more} copies"),
                }
            }
            let errors: Vec<String> = john.drain().iter().map(condition).collect();
            assert_eq!((got.as_slice(), errors.join(",").as_str()), (reached, error), "{kind} to {to}, {shift}");
        }
    }
}
