//! How a roster is asked for: request and response by two hooks, follow-ups, and what is left out or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_host::config::{Config, HostConfig};
use roster_host::model::Username;
use roster_host::plugin::PluginSource;
use roster_host::swap::Outcome;
use roster_tests::host::{TestHost, config, hostile_config, until};
use roster_tests::modules::{hostile, patched};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::{Value, json};

fn with_etag(etag: &str) -> Reply {
    let body = r#"{"d@x":{}}"#;
    let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\n\r\n", body.len());
    Reply::Raw((head + body).into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_the_application_means_what_the_protocol_says() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].client.max_response = 100_000;
    let host = TestHost::with(config).await;
    app.set("john", Reply::contacts(&["a@x", "b@x"]));
    host.connect("john").await;
    let john = Username::new("john").unwrap();
    for (reply, expected) in [
        (Reply::contacts(&["a@x", "b@x"]), Ok(&["a@x", "b@x"][..])),
        (Reply::contacts(&["a@x", "c@x"]), Ok(&["a@x", "c@x"])),
        (Reply::Status(404), Err("status 404")),
        (Reply::Status(500), Err("status 500")),
        (Reply::Json("{".into()), Err("malformed")),
        (Reply::contacts(&[&format!("{}@x", "a".repeat(100_000))]), Err("too large")),
        (Reply::Reset, Err("cannot be reached")),
        (Reply::Hang, Err("client.first_byte_timeout")),
        (with_etag("\"v1\""), Ok(&["d@x"])),
        (with_etag("\"v2\""), Ok(&["d@x"])),
        (Reply::Tagged(r#"{"d@x":{}}"#.into(), "\"v2\"".into()), Ok(&["d@x"])),
        (Reply::Tagged(r#"{"d@x":{}}"#.into(), "\"v2\"".into()), Ok(&["d@x"])),
        (with_etag("\"v2\"\r\netag: \"v3\""), Ok(&["d@x"])),
        (Reply::contacts(&["a@x"]), Ok(&["a@x"])),
        (Reply::Raw(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()), Err("status 304")),
    ] {
        let what = format!("{reply:?}");
        let before = host.jids("john").await;
        app.set("john", reply);
        match (host.rosters.refresh(&john).await, expected) {
            (Ok(_), Ok(jids)) => assert_eq!(host.jids("john").await, jids, "{what}"),
            (Err(error), Err(says)) => {
                assert!(error.to_string().contains(says), "{what}: {error}");
                assert!(error.to_string().contains("/contacts/john: "), "{what}: {error}");
                assert_eq!(host.jids("john").await, before, "{what}");
            }
            (found, _) => panic!("{what}: {found:?}"),
        }
    }
    let conditions = app.seen("john").into_iter().filter_map(|seen| seen.headers.get("if-none-match").cloned());
    assert_eq!(conditions.collect::<Vec<_>>(), ["\"v1\"", "\"v2\"", "\"v2\"", "\"v2\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_hangs_holds_no_instance() {
    const USERS: usize = 40;
    let app = WebApp::start().await;
    app.set_otherwise(Reply::Hang);
    let mut config = config(&app);
    config.hosts[0].client.first_byte_timeout = Duration::from_secs(2);
    let host = Arc::new(TestHost::with(config).await);
    let names: Vec<String> = (0..USERS).map(|n| format!("user{n}")).collect();
    let made = "roster_host_plugin_instances_total{domain=\"localhost\",event=\"made\"}";
    let connecting = names.iter().cloned().map(|name| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { host.try_connect(&name).await.status })
    });
    let connecting: Vec<_> = connecting.collect();
    until("all have been asked for", || async { app.all_seen().len() >= USERS }).await;
    let first = host.metric(made).await.unwrap();
    for one in connecting {
        assert_eq!(one.await.unwrap(), 502);
    }
    app.set_otherwise(Reply::contacts(&["a@x"]));
    for name in &names {
        host.connect(name).await;
    }
    app.set_otherwise(Reply::Hang);
    let asked = app.all_seen().len();
    let batch = tokio::spawn({
        let (host, body) = (Arc::clone(&host), json!(names).to_string());
        async move { host.post(body).await }
    });
    until("all have been asked for", || async { app.all_seen().len() >= asked + USERS }).await;
    let again = host.metric(made).await.unwrap();
    assert_eq!(batch.await.unwrap().json()["errors"], USERS);
    assert!(
        first <= 12.0 && again <= 12.0,
        "{first}, {again}: no more than run at once, and what a busy machine interrupts"
    );
}

async fn misbehaving(change: impl FnOnce(&mut HostConfig)) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config: Config = hostile_config(&app);
    change(&mut config.hosts[0]);
    (app, TestHost::with(config).await)
}

/// The roster of `grower` grows each time that a response is read.
#[tokio::test(flavor = "multi_thread")]
async fn the_response_that_gave_the_roster_is_not_read_again() {
    let (app, host) = misbehaving(|host| drop(host.settings.insert("deaf".into(), String::new()))).await;
    app.set("grower", Reply::Json("1".into()));
    host.connect("grower").await;
    let grown = async || {
        assert_eq!(host.post("grower").await.text(), "1 0");
        host.jids("grower").await.len()
    };
    assert_eq!((grown().await, grown().await), (1, 1), "the same response");
    app.set("grower", Reply::Json("2".into()));
    assert_eq!((grown().await, grown().await), (2, 2), "another body, once");
    app.set("grower", Reply::Tagged("2".into(), "\"v\"".into()));
    assert_eq!(grown().await, 2, "a header that the plugin does not read");
    app.set("grower", Reply::Chunked("2".into()));
    assert_eq!(grown().await, 2, "the same in chunks");
    app.set("grower", Reply::Status(500));
    assert_eq!(grown().await, 3, "another status");
    assert_eq!(app.seen("grower").len(), 8, "it is asked for each time");

    // What the plugin asks by itself while it reads is not compared.
    app.set("plain", Reply::Json("{\"plain\":1}".into()));
    host.connect("asking-grower").await;
    for expected in [2, 3] {
        assert_eq!(host.post("asking-grower").await.text(), "1 0");
        assert_eq!(host.jids("asking-grower").await.len(), expected);
    }

    // Where the response has a number that the plugin reads.
    let (_app, host) = misbehaving(|_| {}).await;
    host.connect("grower").await;
    for expected in [2, 3, 4] {
        host.post("grower").await;
        assert_eq!(host.jids("grower").await.len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_module_has_read_another_reads_again() {
    let (app, host) = misbehaving(|host| {
        host.settings.insert("deaf".into(), String::new());
        host.swap.watch = false;
    })
    .await;
    app.set("grower", Reply::Json("1".into()));
    host.connect("grower").await;
    let grown = async || {
        assert_eq!(host.post("grower").await.text(), "1 0");
        host.jids("grower").await.len()
    };
    assert_eq!(grown().await, 1);
    let other = patched(hostile(), "hostile-mark:a", "hostile-mark:b");
    let receipt = host.swapper.swap("test", PluginSource::Bytes { name: "other".into(), bytes: other.into() }).await;
    assert_eq!(receipt.outcome, Outcome::Swapped, "{:?}", receipt.reason);
    assert_eq!((grown().await, grown().await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_read_to_its_end_and_never_taken_for_read() {
    let (app, host) = misbehaving(|host| drop(host.settings.insert("deaf".into(), String::new()))).await;
    host.connect("pager").await;
    assert_eq!(host.jids("pager").await, ["aaa@localhost"]);
    for refreshes in 1..3 {
        assert_eq!(host.post("pager").await.text(), "1 0");
        let asked: Vec<_> = ["pager", "page-1", "page-2"].iter().map(|page| app.seen(page).len()).collect();
        assert_eq!(asked, [refreshes + 1; 3]);
    }
    assert_eq!(host.events.changes_of("pager"), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_stays_with_the_module_that_began_it() {
    let (app, host) = misbehaving(|host| {
        host.swap.watch = false;
        host.client.first_byte_timeout = Duration::from_secs(10);
        host.client.total_timeout = Duration::from_secs(10);
        host.limits.call_timeout = Duration::from_secs(20);
    })
    .await;
    for page in ["page-1", "page-2"] {
        app.set(page, Reply::Late(Duration::from_millis(1500), Box::new(Reply::Json("{}".into()))));
    }
    let host = Arc::new(host);
    let connecting = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.connect("pager").await }
    });
    until("the second page is asked for", || async { !app.seen("page-1").is_empty() }).await;
    let other = patched(hostile(), "hostile-mark:a", "hostile-mark:b");
    let receipt = host.swapper.swap("test", PluginSource::Bytes { name: "other".into(), bytes: other.into() }).await;
    assert_eq!(receipt.outcome, Outcome::Swapped, "{:?}", receipt.reason);
    connecting.await.unwrap();
    assert_eq!(host.jids("pager").await, ["aaa@localhost"]);
    assert_eq!(host.post("pager").await.text(), "1 0");
    assert_eq!(host.jids("pager").await, ["bbb@localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_bounded_in_number_in_bytes_and_in_time() {
    let (app, host) = misbehaving(|host| host.limits.call_timeout = Duration::from_secs(2)).await;
    for (user, says, asked) in [("endless", "limits.max_requests_per_call", 16), ("bloated", "limits.max_state", 1)] {
        let response = host.try_connect(user).await;
        assert_eq!(response.status, 502, "{user}");
        assert!(response.text().contains(says), "{user}: {}", response.text());
        assert_eq!(app.seen(user).len(), asked, "{user}");
    }
    app.set("endless", Reply::Late(Duration::from_millis(300), Box::new(Reply::Json("{}".into()))));
    let began = Instant::now();
    let response = host.try_connect("endless").await;
    for says in ["did not answer in time", "limits.call_timeout"] {
        assert!(response.text().contains(says), "{}", response.text());
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());

    // All responses together.
    let (app, host) = misbehaving(|host| host.client.max_response = 10_000).await;
    app.set("endless", Reply::Json("x".repeat(3_000)));
    let response = host.try_connect("endless").await;
    assert!(response.text().contains("client.max_response"), "{}", response.text());
    assert_eq!(app.seen("endless").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_or_result_that_no_plugin_may_make_is_refused_and_named() {
    let (app, host) = misbehaving(|_| {}).await;
    for (user, says) in [
        ("asks-nowhere", "make-request: it makes a request for what is no URL"),
        ("asks-as-another", "the header \"host\""),
        ("asks-at-length", "a body of more than"),
        ("asks-to-trace", "TRACE"),
        ("asks-elsewhere", "client.allow_origins"),
        ("asks-trap", "trapped in make-request"),
        ("asks-loop", "make-request (limits.cpu_time)"),
        ("early-unchanged", "read-response: it compares with a roster, and the host holds none"),
        ("early-changed", "the host holds none"),
    ] {
        let response = host.try_connect(user).await;
        assert_eq!(response.status, 502, "{user}: {}", response.text());
        let text = response.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(text.contains(says), "{user}: {:?}", response.text());
        let asked = usize::from(user.starts_with("early"));
        assert_eq!(app.seen(user).len(), asked, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_whole_roster_the_host_works_out_what_has_changed() {
    let (app, host) = misbehaving(|_| {}).await;
    host.connect("whole").await;
    app.set("whole", Reply::Json("One".into()));
    assert_eq!(host.post("whole").await.text(), "1 0");
    let contacts = host.contacts("whole").await;
    assert_eq!((contacts[0]["name"].as_str(), contacts[1]["jid"].as_str()), (Some("One"), Some("new@localhost")));
    let (version, changes) = (host.version("whole").await, host.events.changes_of("whole"));
    assert_eq!(host.post("whole").await.text(), "1 0");
    assert_eq!((host.version("whole").await, host.events.changes_of("whole")), (version, changes));
}
