//! What an operator sets for XMPP clients, and what `/metrics` says of them.

use std::time::Duration;

use roster_host::config::XmppConfig;
use roster_tests::host::{TestHost, until};
use roster_tests::web_app::WebApp;
use roster_tests::xmpp::{JOHN, OPEN, ask, ask_for_one, auth, open_to_all, with_xmpp};
use tokio::net::TcpStream;

/// `\0john\0other`.
const WRONG: &str = "AGpvaG4Ab3RoZXI=";
const BIND: &str = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";

async fn start(app: &WebApp, change: impl FnOnce(&mut XmppConfig)) -> TestHost {
    let mut xmpp = open_to_all();
    xmpp.timeouts.close = Duration::from_millis(300);
    change(&mut xmpp);
    TestHost::with(with_xmpp(app, xmpp)).await
}

async fn connect(host: &TestHost) -> TcpStream {
    TcpStream::connect(host.xmpp.unwrap()).await.unwrap()
}

async fn log_in(host: &TestHost) -> TcpStream {
    let mut stream = connect(host).await;
    for (text, what) in
        [(OPEN, "</stream:features>"), (&auth(JOHN), "<success"), (OPEN, "</stream:features>"), (BIND, "</jid>")]
    {
        ask(&mut stream, text, what).await;
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_deadlines_are_those_of_the_configuration() {
    let app = WebApp::start().await;
    let long = format!("<message to='john@localhost'><body>{}</body></message>", "x".repeat(20_000));

    let host = start(&app, |xmpp| xmpp.limits.max_stanza = 10_000).await;
    assert!(ask(&mut log_in(&host).await, &long, "</stream:stream>").await.contains("<policy-violation "));

    let host = start(&app, |xmpp| xmpp.limits.max_connections_per_address = 1).await;
    let first = log_in(&host).await;
    assert_eq!(ask_for_one(&mut connect(&host).await, OPEN, &[]).await, "", "one is all there may be");
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
    ask(&mut wrong, &auth(WRONG), "</failure>").await;
    assert!(!ask(&mut wrong, &auth(WRONG), "</failure>").await.contains("<not-authorized/>"), "turned away unseen");
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
