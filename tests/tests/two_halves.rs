//! `xmpp:roster/exchange`: a refresh in two halves and one in one piece come to the same, and a wait holds no instance.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use roster_host::config::HostConfig;
use roster_host::model::Username;
use roster_host::plugin::BUILT_IN;
use roster_tests::host::{TestHost, config, until};
use roster_tests::modules::{PluginFile, patched};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::{Value, json};

/// The built-in plugin, with an interface `exchange` that no host knows.
fn in_one_piece() -> Vec<u8> {
    patched(BUILT_IN.to_vec(), "xmpp:roster/exchange@", "xmpp:roster/exchangy@")
}

async fn host(app: &WebApp, plugin: &[u8], change: impl FnOnce(&mut HostConfig)) -> TestHost {
    let file = PluginFile::new("halves");
    file.write(plugin);
    let mut config = config(app);
    config.hosts[0].plugin = Some(file.path());
    change(&mut config.hosts[0]);
    TestHost::with(config).await
}

/// What the application was asked, and what came of it.
#[derive(Debug, PartialEq)]
struct Course {
    results: Vec<Result<(), String>>,
    events: Vec<Value>,
    requests: Vec<(String, Option<String>, Vec<String>)>,
}

fn with_etag(etag: &str) -> Reply {
    let body = r#"{"d@x":{}}"#;
    let head = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\n\r\n", body.len());
    Reply::Raw((head + body).into_bytes())
}

async fn course_with(plugin: Vec<u8>) -> Course {
    let app = WebApp::start().await;
    let host = host(&app, &plugin, |host| host.client.max_response = 100_000).await;
    app.set("john", Reply::contacts(&["a@x", "b@x"]));
    host.connect("john").await;
    let john = Username::new("john").unwrap();
    let mut results = Vec::new();
    for reply in [
        Reply::contacts(&["a@x", "b@x"]),
        Reply::contacts(&["a@x", "c@x"]),
        Reply::Status(404),
        Reply::Status(500),
        Reply::Json("{".into()),
        Reply::contacts(&[&format!("{}@x", "a".repeat(100_000))]),
        Reply::Reset,
        Reply::Hang,
        with_etag("\"v1\""),
        with_etag("\"v2\""),
        Reply::Tagged(r#"{"d@x":{}}"#.into(), "\"v2\"".into()),
        with_etag("\"v2\"\r\netag: \"v3\""),
        Reply::contacts(&["a@x"]),
        Reply::Raw(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()),
    ] {
        app.set("john", reply);
        let result = host.rosters.refresh(&john).await;
        results.push(result.map_err(|error| error.to_string().replace(&app.address().to_string(), "APP")));
    }
    let requests = app.seen("john").into_iter().map(|seen| {
        let mut names: Vec<String> = seen.headers.keys().cloned().collect();
        names.sort();
        (seen.path, seen.headers.get("if-none-match").cloned(), names)
    });
    Course { results, events: host.events.of("john"), requests: requests.collect() }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_come_to_the_same() {
    let (halves, whole) = tokio::join!(course_with(BUILT_IN.to_vec()), course_with(in_one_piece()));
    assert_eq!(halves, whole);
    let failed = |course: &Course| course.results.iter().filter(|result| result.is_err()).count();
    assert_eq!(failed(&halves), 7, "{:?}", halves.results);
    let conditional: Vec<&str> = halves.requests.iter().filter_map(|(_, condition, _)| condition.as_deref()).collect();
    assert_eq!(conditional, ["\"v1\"", "\"v2\"", "\"v2\""]);
}

/// Instances that have been made, after so many users wait for an application that hangs.
async fn made_for_waiting(plugin: Vec<u8>, users: usize) -> f64 {
    let app = WebApp::start().await;
    app.set_otherwise(Reply::contacts(&["a@x"]));
    let host = Arc::new(host(&app, &plugin, |_| {}).await);
    let names: Vec<String> = (0..users).map(|n| format!("user{n}")).collect();
    for name in &names {
        host.connect(name).await;
    }
    app.set_otherwise(Reply::Hang);
    let asked = app.all_seen().len();
    let batch = tokio::spawn({
        let (host, body) = (Arc::clone(&host), json!(names).to_string());
        async move { host.post(body).await }
    });
    until("all have been asked for", || async { app.all_seen().len() == asked + users }).await;
    let made = host.metric("roster_host_plugin_instances_total{domain=\"localhost\",event=\"made\"}").await.unwrap();
    assert_eq!(batch.await.unwrap().json()["errors"], users);
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_hangs_holds_no_instance() {
    const USERS: usize = 40;
    let halves = made_for_waiting(BUILT_IN.to_vec(), USERS).await;
    assert!(halves <= 12.0, "{halves}: no more than run at once, and what a busy machine interrupts");
    let whole = made_for_waiting(in_one_piece(), USERS).await;
    assert!(whole >= USERS as f64, "{whole}: each waits in one");
}
