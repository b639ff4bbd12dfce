//! What the log says of clients: one line for each event, whoever it is and however it came.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

#[path = "wire/support/mod.rs"]
mod support;

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use support::server::{LONG, config, until};
use support::{Client, Server};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tracing::subscriber::{DefaultGuard, set_default};

/// The lines about clients that were written on this test's thread, where everything runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone());
        (log, set_default(lines.finish()))
    }

    /// Those of `roster_xmpp::clients`, without the target.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("secret") && !text.contains(&STANDARD.encode("secret")), "{text}");
        let about = |line: &str| line.contains(roster_xmpp::CLIENT_LOG_TARGET);
        text.lines().filter(|line| about(line)).map(|line| line.trim().replace("roster_xmpp::clients: ", "")).collect()
    }

    /// Waits for line number `n`, from 0.
    async fn line(&self, n: usize) -> String {
        until("a line of the log", || self.lines().len() > n).await;
        self.lines()[n].clone()
    }
}

fn plain(name: &str, password: &str) -> String {
    let data = STANDARD.encode(format!("\0{name}\0{password}"));
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{data}</auth>")
}

async fn refused(client: &mut Client, text: &str) {
    client.send(text).await;
    client.expect("</failure>").await;
}

#[tokio::test]
async fn every_login_is_one_line_however_it_ends_and_comes() {
    let (log, _guard) = Log::start();
    let server = Server::start().await;
    let mut expected: Vec<String> = Vec::new();
    let (warn, info) = ("WARN", "INFO");
    let mut line = |level: &str, what: &str, account: &str, rest: &str| {
        expected.push(format!("{level} login {what} address=127.0.0.1 account={account} domain=example.com {rest}"));
    };

    let mut client = Client::connect(server.plain).await;
    client.open().await;
    client.scram("SCRAM-SHA-256", "n,,", "john", "secret").await;
    line(warn, "failed", "john", "transport=tcp mechanism=SCRAM-SHA-256 reason=not-authorized");
    client.scram("SCRAM-SHA-1", "n,,", "John", "john's secret").await;
    line(info, "succeeded", "john", "transport=tcp mechanism=SCRAM-SHA-1");

    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    client.open().await;
    client.scram("SCRAM-SHA-256", "n,,", "ghost", "secret").await;
    line(warn, "failed", "ghost", "transport=tls mechanism=SCRAM-SHA-256 reason=not-authorized");
    refused(&mut client, &plain("marie", "secret")).await;
    line(warn, "failed", "marie", "transport=tls mechanism=PLAIN reason=not-authorized");
    client.plain("marie").await;
    line(info, "succeeded", "marie", "transport=tls mechanism=PLAIN");

    let mut client = Client::start_tls(&server).await;
    client.open().await;
    client.scram("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "john", "john's secret").await;
    line(info, "succeeded", "john", "transport=tls mechanism=SCRAM-SHA-256-PLUS");

    // What is not a name of anybody's, and what would forge lines and fields.
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    client.open().await;
    refused(&mut client, &plain("x\nWARN login failed address=192.0.2.7 \u{202e}\"", "secret")).await;
    let forged = "x\\u{a}WARN\\u{20}login\\u{20}failed\\u{20}address\\u{3d}192.0.2.7\\u{20}\\u{202e}\\u{22}";
    line(warn, "failed", forged, "transport=tls mechanism=PLAIN reason=not-authorized");
    client.scram("SCRAM-SHA-256", "n,a=marie@example.com,", "john", "john's secret").await;
    line(warn, "refused", "john", "transport=tls mechanism=SCRAM-SHA-256 reason=invalid-authzid");

    let mut request = format!("ws://{}/xmpp-websocket", server.web_encrypted).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "xmpp".parse().unwrap());
    let stream = TcpStream::connect(server.web_encrypted).await.unwrap();
    let mut web = client_async(request, stream).await.unwrap().0;
    let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
    for text in [open, &plain("john", "secret"), &plain("john", "john's secret")] {
        web.send(Message::text(text)).await.unwrap();
        while let Some(Ok(Message::Text(text))) = timeout(LONG, web.next()).await.unwrap() {
            if text.contains("features") || text.contains("failure") || text.contains("success") {
                break;
            }
        }
    }
    line(warn, "failed", "john", "transport=websocket mechanism=PLAIN reason=not-authorized");
    line(info, "succeeded", "john", "transport=websocket mechanism=PLAIN");

    let wait = expected.len() - 1;
    log.line(wait).await;
    assert_eq!(log.lines(), expected);
}

#[tokio::test]
async fn what_the_mechanism_does_not_allow_is_a_refusal_and_no_failure() {
    let (log, _guard) = Log::start();
    let server = Server::start().await;
    let auth = |mechanism: &str, data: &str| {
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
    };
    let cases = [
        (auth("SCRAM-SHA-512", "eA=="), " reason=invalid-mechanism"),
        (auth("PLAIN", "eA=="), " mechanism=PLAIN reason=encryption-required"),
        (auth("SCRAM-SHA-1", "?"), " mechanism=SCRAM-SHA-1 reason=incorrect-encoding"),
        (auth("SCRAM-SHA-1", "eA=="), " mechanism=SCRAM-SHA-1 reason=malformed-request"),
        ("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".to_owned(), " reason=aborted"),
    ];
    for (n, (text, rest)) in cases.into_iter().enumerate() {
        let mut client = Client::connect(server.plain).await;
        client.open().await;
        refused(&mut client, &text).await;
        let expected = format!("WARN login refused address=127.0.0.1 domain=example.com transport=tcp{rest}");
        assert_eq!(log.line(n).await, expected, "{text}");
    }
    assert_eq!(server.counters.login_failures.get(), 0);
}

#[tokio::test]
async fn what_is_too_much_is_a_line_that_names_the_limit() {
    let (log, _guard) = Log::start();
    let mut config = config();
    config.login.failures_per_address = 1;
    config.limits.connections_per_address = 2;
    let server = Server::with(config).await;
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    client.open().await;
    client.scram("SCRAM-SHA-256", "n,,", "john", "secret").await;
    client.scram("SCRAM-SHA-256", "n,,", "john", "john's secret").await;
    let expected = "WARN login throttled address=127.0.0.1 limit=failures_per_address account=john domain=example.com \
                    transport=tls mechanism=SCRAM-SHA-256";
    assert_eq!(log.line(1).await, expected);

    let mut other = Client::connect(server.plain).await;
    other.open().await;
    assert_eq!(Client::connect(server.plain).await.rest().await, "");
    let expected = "WARN connection refused address=127.0.0.1 limit=max_connections_per_address transport=tcp";
    assert_eq!(log.line(2).await, expected);

    other.send("<\u{202e}/>").await;
    other.rest().await;
    assert!(
        log.line(3).await.starts_with("INFO stream ended address=127.0.0.1 domain=example.com transport=tcp reason=")
    );
    assert_eq!(log.lines().len(), 4);
}

#[tokio::test]
async fn sessions_that_overflow_or_are_too_many_are_lines_with_the_account() {
    let (log, _guard) = Log::start();
    let mut config = config();
    config.limits.outbound_queue = 16;
    let server = Server::with(config).await;
    let mut away = Client::log_in(&server, "john", "away").await;
    away.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    away.expect("<enabled ").await;
    away.lose(&server).await;
    let deaf = Client::log_in(&server, "john", "deaf").await;
    let mut other = Client::log_in(&server, "john", "other").await;
    let mut marie = Client::log_in(&server, "marie", "tablet").await;
    let body = "x".repeat(200_000);
    // Nobody but its own user fills the queue of a session that is away.
    for (resource, sender) in [("away", &mut other), ("deaf", &mut marie)] {
        let before = server.counters.overflows.get();
        for sent in 0..1000 {
            if server.counters.overflows.get() > before {
                break;
            }
            let to = format!("to='john@example.com/{resource}'");
            sender.send(&format!("<message {to} type='chat'><body>{body}</body></message>")).await;
            sender.ping(&format!("{resource}{sent}")).await;
        }
    }
    for n in [4, 5] {
        let expected = "WARN stream ended address=127.0.0.1 account=john domain=example.com transport=tls \
                        reason=policy-violation text=too much is waiting to be read";
        assert_eq!(log.line(n).await, expected);
    }
    drop((deaf, other));
    // With the one she has, one too many; all of them are connected.
    let mut online = Vec::new();
    for n in 0..20 {
        let mut client = Client::connect_tls(server.tls, &server.trust).await;
        client.open().await;
        client.plain("marie").await;
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
        client.send(&format!("<iq type='set' id='b'>{bind}</iq>")).await;
        let answer = client.expect("</iq>").await;
        assert_eq!(answer.contains("<resource-constraint "), n == 19, "{n}: {answer}");
        online.push(client);
    }
    until("a session is refused", || log.lines().iter().any(|line| line.contains("session refused"))).await;
    let expected = "WARN session refused address=127.0.0.1 limit=max_sessions_per_user account=marie domain=example.com \
                    transport=tls";
    assert!(log.lines().contains(&expected.to_owned()), "{:#?}", log.lines());
}

#[tokio::test]
async fn a_flood_has_a_few_lines_and_the_number_of_the_others() {
    let (log, _guard) = Log::start();
    let mut config = config();
    config.login.failures_per_address = 1000;
    config.login.attempts_per_stream = 1000;
    config.limits.log_lines_per_address = 3;
    let mut server = Server::with(config).await;
    let mut client = Client::connect_tls(server.tls, &server.trust).await;
    client.open().await;
    for n in 0..50 {
        refused(&mut client, &plain(&format!("user{n}"), "secret")).await;
    }
    assert_eq!(log.lines().len(), 3);
    server.stop().await;
    assert_eq!(log.lines()[3], "WARN login failed address=127.0.0.1 more=47 within_seconds=60");
    assert_eq!(log.lines().len(), 4);
}
