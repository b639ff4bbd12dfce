//! What a plugin of the world `roster-plugin-with-http` may do with `wasi:http`.

use std::time::Duration;

use roster_tests::host::{TestHost, config, hostile_config};
use roster_tests::web_app::{Reply, WebApp};

async fn host() -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    app.set("plain", Reply::Json("{\"plain\":1}".into()));
    for slow in ["slow-1", "slow-2"] {
        app.set(slow, Reply::Late(Duration::from_millis(300), Box::new(Reply::Json("{}".into()))));
    }
    let host = TestHost::with(hostile_config(&app)).await;
    (app, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_allowed_way_to_ask_gets_its_answer() {
    let (_app, host) = host().await;
    for way in [
        "ask",
        "ask-two-at-once",
        "ask-and-poll",
        "ask-and-peek",
        "ask-and-forget",
        "ask-with-body",
        "ask-with-wrong-length",
    ] {
        let response = host.try_connect(way).await;
        assert_eq!(response.status, 200, "{way}: {}", response.text());
    }
    // The same instance all the way: none of them has left a handle behind.
    host.connect("counter").await;
    assert_eq!(host.jids("counter").await, ["call-8@localhost"]);
    // Of a request with options wasmtime-wasi-http leaves those behind, so the instance goes.
    host.connect("ask-with-deadline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_sent_together_run_together() {
    let (app, host) = host().await;
    host.connect("ask-two-at-once").await;
    assert_eq!(app.most_at_once(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_on_its_way_before_anybody_waits_for_it() {
    let (app, host) = host().await;
    host.connect("ask-and-look-away").await;
    assert_eq!(app.seen("looked-away").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_chunks_of_a_byte_is_no_computing_of_the_plugins() {
    let app = WebApp::start().await;
    let mut config = roster_tests::host::config(&app);
    let host = &mut config.hosts[0];
    host.limits.cpu_time = Duration::from_secs(1);
    (host.client.first_byte_timeout, host.client.total_timeout) = (Duration::from_secs(20), Duration::from_secs(20));
    host.limits.call_timeout = Duration::from_secs(30);
    let host = TestHost::with(config).await;
    let contacts: Vec<String> = (0..10_000).map(|n| format!("\"contact-{n}@example.com\":{{}}")).collect();
    let body = format!("{{{}}}", contacts.join(","));
    let chunks: String = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    app.set("john", Reply::Raw(format!("{head}{chunks}0\r\n\r\n").into_bytes()));
    host.connect("john").await;
    assert_eq!(host.jids("john").await.len(), 10_000);
}

/// The example `token-roster`.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_one_endpoint_gets_the_roster_from_another() {
    let (app, auth) = (WebApp::start().await, WebApp::start().await);
    let start = async |allowed: bool, requests: u32| {
        let mut config = config(&app);
        let host = &mut config.hosts[0];
        host.plugin = Some(std::path::PathBuf::from(test_guests::TOKEN_ROSTER).into());
        host.settings.insert("token_url".into(), format!("http://{}/contacts/token", auth.address()));
        host.settings.insert("roster_url".into(), app.roster_url());
        host.limits.max_requests_per_call = requests;
        if allowed {
            host.client.allow_origins.push(format!("http://{}", auth.address()).parse().unwrap());
        }
        TestHost::with(config).await
    };
    auth.set("token", Reply::Json("abc.def".into()));
    app.set("john", Reply::Json(r#"["marie@example.com", "Aaron@Example.com"]"#.into()));
    let host = start(true, 2).await;
    host.connect("john").await;
    assert_eq!(host.jids("john").await, ["marie@example.com", "aaron@example.com"]);
    assert_eq!(app.seen("john")[0].headers.get("authorization").map(String::as_str), Some("Bearer abc.def"));
    // The response that gave the roster is known, and the token is asked for all the same.
    assert_eq!(host.post(r#"["john"]"#).await.text(), "1 updated, 0 errors\n");
    assert_eq!((auth.all_seen().len(), app.all_seen().len()), (2, 2));
    auth.set("token", Reply::Status(403));
    host.post(r#"["john"]"#).await;
    assert_eq!((auth.all_seen().len(), app.all_seen().len()), (3, 2));
    assert_eq!(host.jids("john").await.len(), 2);

    // Both are requests for one roster, and both may go to listed origins only.
    auth.set("token", Reply::Json("abc.def".into()));
    for (allowed, requests, says, asked) in
        [(true, 1, "more than 1 requests", 1), (false, 2, "client.allow_origins", 0)]
    {
        let before = auth.all_seen().len();
        let response = start(allowed, requests).await.try_connect("john").await;
        assert!(response.status == 502 && response.text().contains(says), "{}", response.text());
        assert_eq!((auth.all_seen().len() - before, app.all_seen().len()), (asked, 2));
    }
}
