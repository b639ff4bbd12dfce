//! XMPP over WebSocket (RFC 7395), and how clients find it (XEP-0156).

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::server::{LONG, config, until};
use crate::support::{Client, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
const CLOSE: &str = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";

struct Web(WebSocketStream<TcpStream>);

impl Web {
    async fn connect(address: SocketAddr, protocol: Option<&str>) -> Result<Self, Box<Error>> {
        let mut request = format!("ws://{address}/xmpp-websocket").into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        Ok(Self(client_async(request, stream).await.map_err(Box::new)?.0))
    }

    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message; none at the end.
    async fn next(&mut self) -> Option<String> {
        match timeout(LONG, self.0.next()).await.expect("an answer")? {
            Ok(Message::Text(text)) => Some(text.to_string()),
            Ok(Message::Close(_)) | Err(_) => None,
            Ok(other) => panic!("{other:?}"),
        }
    }

    async fn rest(&mut self) -> String {
        let mut all = String::new();
        while let Some(message) = self.next().await {
            all += &message;
        }
        all
    }

    async fn log_in(&mut self) {
        self.send(OPEN).await;
        assert!(self.next().await.unwrap().starts_with("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' "));
        let features = self.next().await.unwrap();
        assert!(
            features.starts_with("<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms "),
            "{features}"
        );
        assert!(!features.contains("starttls"), "{features}");
        let secret = STANDARD.encode("\0john\0john's secret");
        self.send(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")).await;
        assert_eq!(self.next().await.unwrap(), "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        self.send(OPEN).await;
        assert!(self.next().await.unwrap().starts_with("<open "));
        assert!(self.next().await.unwrap().contains("<bind "));
        self.send("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
            .await;
        assert!(self.next().await.unwrap().starts_with("<iq xmlns='jabber:client' "));
    }
}

#[tokio::test]
async fn a_client_logs_in_gets_its_roster_and_closes_the_stream() {
    let server = Server::start().await;
    let mut john = Web::connect(server.web_encrypted, Some("xmpp")).await.unwrap();
    john.log_in().await;
    john.send("<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await;
    let roster = john.next().await.unwrap();
    assert!(roster.starts_with("<iq xmlns='jabber:client' ") && roster.contains("jid='marie@example.com'"), "{roster}");
    assert_eq!(server.counters.sessions.get(), 1);
    john.send(CLOSE).await;
    assert_eq!(john.rest().await, CLOSE);
    server.is_empty().await;
}

#[tokio::test]
async fn the_listener_says_whether_passwords_may_cross_it() {
    let mut config = config();
    config.require_encryption = true;
    let server = Server::with(config).await;
    let mut john = Web::connect(server.web, Some("xmpp")).await.unwrap();
    john.send(OPEN).await;
    john.next().await.unwrap();
    let features = john.next().await.unwrap();
    assert_eq!(features, "<stream:features xmlns:stream='http://etherx.jabber.org/streams'></stream:features>");
    john.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>").await;
    assert!(john.next().await.unwrap().contains("<encryption-required/>"));
    drop(john);
    server.is_empty().await;
}

#[tokio::test]
async fn the_subprotocol_is_xmpp() {
    let server = Server::start().await;
    for protocol in [None, Some("chat")] {
        match Web::connect(server.web, protocol).await.map(|_| ()).map_err(|error| *error) {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{other:?}"),
        }
    }
    assert!(Web::connect(server.web, Some("chat, xmpp")).await.is_ok());
    until("the last is gone", || server.counters.connections.get() == 0).await;
}

#[tokio::test]
async fn what_breaks_the_framing_ends_the_stream_by_its_condition() {
    let server = Server::start().await;
    let long = format!("<message xmlns='jabber:client'>{}</message>", "x".repeat(11_000));
    let cases: &[(&str, &str)] = &[
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.com' version='1.0'></stream:stream>",
            "bad-format",
        ),
        (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.com' version='1.0'>",
            "not-well-formed",
        ),
        ("<presence xmlns='jabber:client'>", "not-well-formed"),
        ("<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", "not-well-formed"),
        ("<presence xmlns='jabber:client'/>x", "not-well-formed"),
        ("<presence xmlns='jabber:client'/>", "not-authorized"),
        ("<presence/>", "not-authorized"),
        (OPEN, "bad-format"),
        ("<!-- x -->", "restricted-xml"),
        ("x", "not-well-formed"),
        (&long, "policy-violation"),
    ];
    for (text, condition) in cases {
        let mut john = Web::connect(server.web_encrypted, Some("xmpp")).await.unwrap();
        john.send(OPEN).await;
        john.next().await.unwrap();
        john.next().await.unwrap();
        john.send(text).await;
        let rest = john.rest().await;
        assert!(rest.starts_with("<stream:error xmlns:stream='http://etherx.jabber.org/streams'>"), "{text}: {rest}");
        assert!(rest.contains(&format!("<{condition} ")) && rest.ends_with(CLOSE), "{text}: {rest}");
    }
    let mut john = Web::connect(server.web_encrypted, Some("xmpp")).await.unwrap();
    john.0.send(Message::binary(OPEN)).await.unwrap();
    assert!(john.rest().await.contains("<bad-format "));
    // Pings of the transport are answered by it, and white space is tolerated.
    let mut john = Web::connect(server.web_encrypted, Some("xmpp")).await.unwrap();
    john.log_in().await;
    john.send(" ").await;
    john.0.send(Message::Ping("x".into())).await.unwrap();
    assert!(matches!(timeout(LONG, john.0.next()).await.unwrap().unwrap().unwrap(), Message::Pong(_)));
    drop(john);
    server.is_empty().await;
}

#[tokio::test]
async fn silence_in_either_direction_is_broken_before_a_proxy_cuts_off() {
    let mut config = config();
    config.timeouts.idle_websocket = Duration::from_millis(200);
    let server = Server::with(config).await;
    let mut john = Web::connect(server.web_encrypted, Some("xmpp")).await.unwrap();
    john.log_in().await;
    for talks in [false, true, false] {
        // A client that says something, and gets no answer, is not the one that a proxy has not heard.
        for _ in 0..if talks { 10 } else { 0 } {
            john.send("<presence xmlns='jabber:client' type='unavailable'/>").await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let ping = john.next().await.unwrap();
        assert!(ping.contains("<ping xmlns='urn:xmpp:ping'/>"), "{ping}");
        john.send("<iq xmlns='jabber:client' type='result' id='idle-ping' to='example.com'/>").await;
    }
    // Over TCP nobody is in between.
    let mut quiet = Client::log_in(&server, "marie", "tablet").await;
    assert!(timeout(Duration::from_millis(500), quiet.more()).await.is_err(), "{}", quiet.read);
    assert!(roster_xmpp::config::Timeouts::default().idle_websocket < Duration::from_secs(60));
}

#[tokio::test]
async fn clients_find_the_url_of_the_domain_and_nothing_that_somebody_sent() {
    let server = Server::start().await;
    // The listeners are told that their ports are 5280 and 5281.
    for (host, plain, secure) in [
        ("example.com", "ws://example.com/xmpp-websocket", "wss://example.com/xmpp-websocket"),
        ("EXAMPLE.com.:5280", "ws://example.com:5280/xmpp-websocket", "wss://example.com/xmpp-websocket"),
        ("example.com:5281", "ws://example.com/xmpp-websocket", "wss://example.com:5281/xmpp-websocket"),
        ("evil.example:5280", "ws://example.com:5280/xmpp-websocket", "wss://example.com/xmpp-websocket"),
        ("evil.example:6666", "ws://example.com/xmpp-websocket", "wss://example.com/xmpp-websocket"),
        ("192.0.2.1", "ws://example.com/xmpp-websocket", "wss://example.com/xmpp-websocket"),
    ] {
        for (address, url) in [(server.web, plain), (server.web_encrypted, secure)] {
            for (path, kind, wanted) in [
                ("/.well-known/host-meta", "application/xrd+xml", format!("href='{url}'")),
                (
                    "/.well-known/host-meta.json",
                    "application/json",
                    format!(r#"{{"links":[{{"rel":"urn:xmpp:alt-connections:websocket","href":"{url}"}}]}}"#),
                ),
            ] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let request = format!(
                    "GET {path} HTTP/1.1\r\nhost: {host}\r\nx-forwarded-host: evil.example\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
                assert!(answer.contains(&wanted) && answer.contains(kind), "{host}: {answer}");
                assert!(answer.contains("access-control-allow-origin: *") && !answer.contains("evil"), "{answer}");
            }
        }
    }
}
