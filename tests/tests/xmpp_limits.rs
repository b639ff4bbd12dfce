//! What an operator sets for XMPP clients, and what `/metrics` says of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use roster_host::config::{AccountsConfig, Secret, XmppConfig};
use roster_host::model::Username;
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::WebApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);
const OPEN: &str = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams'>";
/// `\0john\0secret` and `\0john\0other`.
const RIGHT: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGpvaG4Ac2VjcmV0</auth>";
const WRONG: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGpvaG4Ab3RoZXI=</auth>";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";

async fn start(app: &WebApp, change: impl FnOnce(&mut XmppConfig)) -> TestHost {
    let mut config = config(app);
    let mut xmpp = XmppConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        tls_listen: None,
        require_encryption: false,
        allow_unencrypted_plain_auth: true,
        ..XmppConfig::default()
    };
    xmpp.timeouts.close = Duration::from_millis(300);
    change(&mut xmpp);
    config.xmpp = Some(xmpp);
    let john = (Username::new("john").unwrap(), Secret::new("secret"));
    config.hosts[0].accounts = Some(AccountsConfig::Fixed(vec![john]));
    TestHost::with(config).await
}

async fn connect(host: &TestHost) -> TcpStream {
    TcpStream::connect(host.xmpp.unwrap()).await.unwrap()
}

/// Sends `text` and reads until `what` has come, or until the end if that is empty.
async fn ask(stream: &mut TcpStream, text: &str, what: &str) -> String {
    // The server may have closed already.
    let _ = stream.write_all(text.as_bytes()).await;
    let (mut all, mut buffer) = (String::new(), [0; 4096]);
    while what.is_empty() || !all.contains(what) {
        let read = timeout(LONG, stream.read(&mut buffer)).await.unwrap_or_else(|_| panic!("no {what} in {all}"));
        match read {
            Ok(read) if read > 0 => all.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
            end => {
                assert!(what.is_empty(), "{end:?} before {what}: {all}");
                break;
            }
        }
    }
    all
}

async fn log_in(host: &TestHost) -> TcpStream {
    let mut stream = connect(host).await;
    for (text, what) in
        [(OPEN, "</stream:features>"), (RIGHT, "<success"), (OPEN, "</stream:features>"), (BIND, "</jid>")]
    {
        ask(&mut stream, text, what).await;
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_deadlines_are_those_of_the_configuration() {
    let app = WebApp::start().await;
    let long = format!("<message to='john@localhost'><body>{}</body></message>", "x".repeat(20_000));

    let host = start(&app, |xmpp| xmpp.limits.stanza.bytes = 10_000).await;
    assert!(ask(&mut log_in(&host).await, &long, "</stream:stream>").await.contains("<policy-violation "));

    let host = start(&app, |xmpp| xmpp.limits.connections_per_address = 1).await;
    let first = log_in(&host).await;
    assert_eq!(ask(&mut connect(&host).await, OPEN, "").await, "", "one is all there may be");
    assert_eq!(host.metric("roster_host_xmpp_connections_refused_total").await, Some(1.0));
    drop(first);

    let host = start(&app, |xmpp| xmpp.timeouts.login = Duration::from_millis(300)).await;
    assert!(ask(&mut connect(&host).await, OPEN, "</stream:stream>").await.contains("<connection-timeout "));

    let resume = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
    for (window, resumable) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
        let host = start(&app, |xmpp| xmpp.resumption.window = window).await;
        let enabled = ask(&mut log_in(&host).await, resume, "/>").await;
        assert_eq!(enabled.contains("resume='true'"), resumable, "{enabled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_of_connections_sessions_logins_and_stanzas() {
    let app = WebApp::start().await;
    let host = start(&app, |xmpp| {
        xmpp.login.failures_per_account = 1;
        xmpp.login.attempts_per_stream = 10;
    })
    .await;
    let john = log_in(&host).await;
    let mut wrong = connect(&host).await;
    ask(&mut wrong, OPEN, "</stream:features>").await;
    ask(&mut wrong, WRONG, "</failure>").await;
    assert!(!ask(&mut wrong, WRONG, "</failure>").await.contains("<not-authorized/>"), "turned away unseen");
    for (name, expected) in [
        ("connections_open", 2.0),
        ("connections_total", 2.0),
        ("connections_refused_total", 0.0),
        ("sessions_open", 1.0),
        ("sessions_total", 1.0),
        ("sessions_hibernating", 0.0),
        ("sessions_resumed_total", 0.0),
        ("logins_total{outcome=\"ok\"}", 1.0),
        ("logins_total{outcome=\"failed\"}", 1.0),
        ("logins_total{outcome=\"throttled\"}", 1.0),
        ("overflows_total", 0.0),
        ("stream_errors_total", 0.0),
    ] {
        assert_eq!(host.metric(&format!("roster_host_xmpp_{name}")).await, Some(expected), "{name}");
    }
    for direction in ["in", "out"] {
        let stanzas = host.metric(&format!("roster_host_xmpp_stanzas_total{{direction=\"{direction}\"}}")).await;
        assert!(stanzas.is_some(), "{direction}");
    }
    drop((john, wrong));
    until("nobody is connected", || async { host.metric("roster_host_xmpp_connections_open").await == Some(0.0) })
        .await;
}
