//! Sessions: binding, addresses, ends.

use std::time::Duration;

use crate::support::client::HEADER;
use crate::support::server::{config, until};
use crate::support::{Client, Server};
use roster_model::Username;
use roster_xmpp::accounts::file::remove;

#[tokio::test]
async fn a_second_session_with_a_resource_ends_the_first() {
    let server = Server::start().await;
    let mut first = Client::log_in(&server, "john", "phone").await;
    let mut second = Client::log_in(&server, "john", "phone").await;
    let rest = first.rest().await;
    assert!(rest.contains("<conflict ") && rest.ends_with("</stream:stream>"), "{rest}");
    second.ping("p").await;
    second.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn who_loses_the_account_does_not_stay_and_does_not_come_back() {
    let server = Server::start().await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    let mut away = Client::log_in(&server, "john", "phone").await;
    away.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    away.expect("<enabled ").await;
    away.lose(&server).await;
    let mut here = Client::log_in(&server, "john", "desk").await;

    remove(&server.accounts, &Username::new("john").unwrap()).unwrap();
    let rest = here.rest().await;
    assert!(rest.contains("<not-authorized ") && rest.ends_with("</stream:stream>"), "{rest}");
    until("only marie is left", || {
        server.counters.sessions.get() == 1 && server.counters.sessions_hibernating.get() == 0
    })
    .await;
    marie.ping("p").await;
    marie.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn from_is_checked_and_stamped_and_the_streams_language_goes_with_it() {
    let server = Server::start().await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    let mut john = Client::connect_tls(server.tls, &server.trust).await;
    john.open().await;
    let secret = "AGpvaG4Aam9obidzIHNlY3JldA==";
    john.send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")).await;
    john.send(&HEADER.replace(" to=", " xml:lang='de' to=")).await;
    john.expect("</stream:features>").await;
    john.bind("phone").await;
    for (attributes, lang) in [
        ("", "de"),
        (" from='john@example.com'", "de"),
        (" from='john@example.com/phone'", "de"),
        (" from='JOHN@example.com/phone' xml:lang='fr'", "fr"),
    ] {
        let to = "to='marie@example.com/tablet' type='chat'";
        john.send(&format!("<message {to}{attributes}><body>x</body></message>")).await;
        let message = marie.expect("</message>").await;
        assert!(message.contains("from='john@example.com/phone'"), "{message}");
        assert!(message.contains(&format!("xml:lang='{lang}'")), "{message}");
    }
    john.send("<message to='marie@example.com' from='marie@example.com'><body>x</body></message>").await;
    assert!(john.rest().await.contains("<invalid-from "));
    marie.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn whoever_stops_the_server_tells_everybody() {
    let mut server = Server::start().await;
    let mut bound = Client::log_in(&server, "john", "phone").await;
    let mut resumable = Client::log_in(&server, "marie", "tablet").await;
    resumable.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    resumable.expect("<enabled ").await;
    let mut new = Client::connect(server.plain).await;
    new.open().await;
    server.stop().await;
    for client in [&mut bound, &mut resumable, &mut new] {
        let rest = client.rest().await;
        assert!(rest.contains("<system-shutdown ") && rest.ends_with("</stream:stream>"), "{rest}");
    }
    server.is_empty().await;
}

#[tokio::test]
async fn a_silent_client_is_asked_and_let_go_when_it_does_not_answer() {
    let mut config = config();
    config.timeouts.idle = Duration::from_millis(200);
    config.timeouts.ping = Duration::from_millis(400);
    let server = Server::with(config).await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    for _ in 0..2 {
        john.expect("<ping xmlns='urn:xmpp:ping'/></iq>").await;
        john.send("<iq type='result' id='idle-ping' to='example.com'/>").await;
    }
    john.expect("<ping xmlns='urn:xmpp:ping'/></iq>").await;
    john.rest().await;
    server.is_empty().await;
}

#[tokio::test]
async fn a_slow_client_has_as_long_for_a_large_roster_as_its_size_takes() {
    let mut config = config();
    config.timeouts.write = Duration::from_millis(700);
    let server = Server::with(config).await;
    server.friends.absent.store(120_000, std::sync::atomic::Ordering::Relaxed);
    let mut john = Client::log_in(&server, "john", "phone").await;
    john.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await;
    john.expect("<query ").await;
    let mut read = 0;
    while !john.read.contains("</query></iq>") {
        assert!(john.more().await, "cut off after {read} bytes");
        read += john.read.len();
        if john.read.len() > 400_000 {
            john.read.clear();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    john.ping("p").await;
    john.log_out().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_and_holds_up_nobody() {
    let mut config = config();
    config.limits.outbound_queue = 16;
    let server = Server::with(config).await;
    let mut deaf = Client::log_in(&server, "john", "phone").await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    let body = "x".repeat(200_000);
    let mut sent = 0;
    while server.counters.overflows.get() == 0 {
        marie.send(&format!("<message to='john@example.com/phone' type='chat'><body>{body}</body></message>")).await;
        // She reads what comes back: she is not the deaf one.
        marie.ping(&format!("p{sent}")).await;
        sent += 1;
        assert!(sent < 1000, "the queue has an end");
    }
    marie.ping("p").await;
    until("the deaf one is gone", || server.counters.sessions.get() == 1).await;
    deaf.rest().await;
    marie.log_out().await;
    server.is_empty().await;
}

#[tokio::test]
async fn a_client_that_sends_too_much_is_slowed_down_and_loses_nothing() {
    let mut config = config();
    config.limits.stanzas_per_second = 100;
    config.limits.stanzas_burst = 10;
    let server = Server::with(config).await;
    let mut john = Client::log_in(&server, "john", "phone").await;
    let start = std::time::Instant::now();
    let pings: String =
        (0..60).map(|n| format!("<iq type='get' id='p{n}'><ping xmlns='urn:xmpp:ping'/></iq>")).collect();
    john.send(&pings).await;
    john.expect("id='p59'").await;
    assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    john.log_out().await;
}

#[tokio::test]
async fn what_goes_through_all_contacts_costs_as_much_as_several_stanzas() {
    let toggle = "<presence/><presence type='unavailable'/>".repeat(3);
    let get = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>".repeat(6);
    for (name, contacts, stanzas, slow) in [
        ("presence of few", 10, &toggle, false),
        ("presence of many", 1000, &toggle, true),
        ("gets of a short roster", 10, &get, false),
        ("gets of a long roster", 1000, &get, true),
    ] {
        let mut config = config();
        config.limits.stanzas_per_second = 100;
        config.limits.stanzas_burst = 40;
        let server = Server::with(config).await;
        server.friends.absent.store(contacts, std::sync::atomic::Ordering::Relaxed);
        let mut john = Client::log_in(&server, "john", "phone").await;
        john.send("<iq type='get' id='first'><query xmlns='jabber:iq:roster'/></iq>").await;
        john.expect("id='first'").await;
        let start = std::time::Instant::now();
        john.send(stanzas).await;
        john.ping("after").await;
        // Six of them cost 20 stanzas more each, of which 40 are free.
        assert_eq!(start.elapsed() > Duration::from_millis(700), slow, "{name}: {:?}", start.elapsed());
        john.log_out().await;
        server.is_empty().await;
    }
}

#[tokio::test]
async fn connections_are_bounded_by_address() {
    let mut config = config();
    config.limits.connections_per_address = 2;
    let server = Server::with(config).await;
    let mut first = Client::connect(server.plain).await;
    first.open().await;
    let mut second = Client::connect(server.plain).await;
    second.open().await;
    let mut third = Client::connect(server.plain).await;
    assert_eq!(third.rest().await, "");
    assert_eq!(server.counters.connections_refused.get(), 1);
    drop(first);
    until("there is room", || server.counters.connections.get() == 1).await;
    let mut fourth = Client::connect(server.plain).await;
    fourth.open().await;
}
