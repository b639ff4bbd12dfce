//! Message carbons (XEP-0280).

use crate::support::{Client, element, world};

const ENABLE: &str = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>";
const DISABLE: &str = "<iq type='set' id='c'><disable xmlns='urn:xmpp:carbons:2'/></iq>";

async fn with_carbons(mut client: Client) -> Client {
    client.send(ENABLE).await;
    assert_eq!(client.next().await.attr("type"), Some("result"));
    client
}

fn copies(client: &mut Client, name: &str) -> usize {
    client.drain().iter().filter(|message| message.has_child(name, "urn:xmpp:carbons:2")).count()
}

#[tokio::test]
async fn both_sides_of_a_chat_are_copied() {
    let world = world();
    let john = world.arrive("john", "1").await;
    let mut johns = with_carbons(world.arrive("john", "2").await).await;
    let mut without = world.arrive("john", "3").await;
    let mut marie = world.arrive("marie", "1").await;
    let mut maries = with_carbons(world.arrive("marie", "2").await).await;
    without.drain();
    johns.drain();
    marie.drain();
    maries.drain();
    john.send("<message to='marie@x.example/1' type='chat' id='m'><body>x</body></message>").await;
    let original = "<message xmlns='jabber:client' from='john@x.example/1' to='marie@x.example/1' type='chat' id='m'>\
                    <body>x</body></message>";
    let copy = |name: &str, from: &str, to: &str| {
        element(&format!(
            "<message from='{from}' to='{to}' type='chat'><{name} xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'>{original}</forwarded></{name}></message>"
        ))
    };
    assert_eq!(johns.drain(), [copy("sent", "john@x.example", "john@x.example/2")]);
    assert_eq!(marie.drain(), [element(original)]);
    assert_eq!(maries.drain(), [copy("received", "marie@x.example", "marie@x.example/2")]);
    assert!(without.drain().is_empty());
    johns.send(DISABLE).await;
    johns.drain();
    john.send("<message to='marie@x.example/1' type='chat'><body>x</body></message>").await;
    assert!(johns.drain().is_empty());
}

#[tokio::test]
async fn only_conversations_are_copied() {
    for (message, copied) in [
        ("type='chat'><body>x</body>", true),
        ("type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/>", true),
        ("type='normal'><body>x</body>", true),
        ("><body>x</body>", true),
        ("><x xmlns='y'/>", false),
        ("type='headline'><body>x</body>", false),
        ("type='groupchat'><body>x</body>", false),
        ("type='error'><body>x</body>", false),
        ("type='chat'><body>x</body><private xmlns='urn:xmpp:carbons:2'/>", false),
        ("type='chat'><body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false),
        ("type='chat'><received xmlns='urn:xmpp:carbons:2'/>", false),
    ] {
        let world = world();
        let john = world.bind("john", "1");
        let mut johns = with_carbons(world.bind("john", "2")).await;
        let mut marie = world.bind("marie", "1");
        let mut maries = with_carbons(world.bind("marie", "2")).await;
        john.send(&format!("<message to='marie@x.example/1' {message}</message>")).await;
        let got = (copies(&mut johns, "sent"), copies(&mut maries, "received"));
        assert_eq!(got, if copied { (1, 1) } else { (0, 0) }, "{message}");
        let arrived = marie.next().await;
        assert!(!arrived.has_child("private", "urn:xmpp:carbons:2"), "{arrived:?}");
    }
}

#[tokio::test]
async fn nobody_gets_a_message_twice() {
    let world = world();
    let mut john = with_carbons(world.arrive("john", "1").await).await;
    let mut second = with_carbons(world.arrive("john", "2").await).await;
    let mut silent = with_carbons(world.bind("john", "silent")).await;
    john.drain();
    second.drain();
    john.send("<message to='john@x.example' type='chat'><body>x</body></message>").await;
    assert_eq!(john.drain().len(), 1);
    assert_eq!(second.drain().len(), 1);
    assert_eq!(copies(&mut silent, "sent"), 1);
}
