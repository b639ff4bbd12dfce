//! What the host does by itself: it asks again where a roster is missing or known to be old.

use std::time::Duration;

use roster_host::config::Config;
use roster_tests::client;
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;

async fn host_with(app: &WebApp, change: impl FnOnce(&mut Config)) -> TestHost {
    let mut config = config(app);
    config.hosts[0].limits.retry_first = Duration::from_millis(50);
    config.hosts[0].limits.retry_longest = Duration::from_millis(200);
    change(&mut config);
    TestHost::with(config).await
}

fn names(host: &TestHost, user: &str) -> Vec<String> {
    host.events.of(user).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_connect_after_the_grace_time_the_application_is_asked() {
    for stale_if_error in [Duration::ZERO, Duration::from_millis(60), Duration::from_secs(3600)] {
        let app = WebApp::start().await;
        let host = host_with(&app, |config| {
            config.hosts[0].store.grace = Duration::from_millis(20);
            config.hosts[0].store.stale_if_error = stale_if_error;
        })
        .await;
        for cycle in 1..=30 {
            let jid = format!("friend{cycle}@x");
            app.set("john", Reply::contacts(&[&jid]));
            host.connect("john").await;
            assert_eq!(host.jids("john").await, [jid], "login {cycle}, stale_if_error {stale_if_error:?}");
            assert_eq!(app.seen("john").len(), cycle, "login {cycle}, stale_if_error {stale_if_error:?}");
            host.disconnect("john").await;
            tokio::time::sleep(Duration::from_millis(if cycle % 3 == 0 { 90 } else { 30 })).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_its_roster_gets_it_when_the_application_is_well_again() {
    let app = WebApp::start().await;
    let host = host_with(&app, |_| {}).await;
    for (user, failure) in [
        ("john", Reply::Status(503)),
        ("marie", Reply::Status(404)),
        ("aaron", Reply::Reset),
        ("michael", Reply::Json("[1]".into())),
    ] {
        app.set(user, failure);
        assert_eq!(host.try_connect(user).await.status, 502);
        let before = app.seen(user).len();
        until("the application was asked again, and again", || async { app.seen(user).len() >= before + 2 }).await;
        app.set(user, Reply::contacts(&["a@x"]));
        until("the roster is there", || async { host.cached(user).await.is_some() }).await;
        assert_eq!(names(&host, user), ["loaded"]);
        let settled = app.seen(user).len();
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(app.seen(user).len(), settled, "nobody is asked for without a reason");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_failed_is_made_again_until_it_works() {
    let app = WebApp::start().await;
    let host = host_with(&app, |_| {}).await;
    app.set("john", Reply::contacts(&["a@x"]));
    host.connect("john").await;
    app.set("john", Reply::Status(500));
    let failed = host.post(r#"["john"]"#).await;
    assert_eq!((failed.status, &failed.json()["errors"]), (500, &json!(1)));
    assert_eq!(host.jids("john").await, ["a@x"]);
    app.set("john", Reply::contacts(&["b@x"]));
    until("the change arrives", || async { host.jids("john").await == ["b@x"] }).await;
    assert_eq!(names(&host, "john"), ["loaded", "changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_served_an_old_roster_is_told_of_the_new_one() {
    let app = WebApp::start().await;
    let host = host_with(&app, |config| config.hosts[0].store.grace = Duration::ZERO).await;
    app.set("john", Reply::contacts(&["a@x"]));
    host.connect("john").await;
    host.disconnect("john").await;
    app.set("john", Reply::Status(500));
    let stale = host.try_connect("john").await;
    assert_eq!((stale.status, &stale.json()["contacts"][0]["jid"]), (200, &json!("a@x")));
    app.set("john", Reply::contacts(&["b@x"]));
    until("the change arrives", || async { host.jids("john").await == ["b@x"] }).await;
    assert_eq!(names(&host, "john"), ["loaded", "changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_hangs_is_asked_again_for_few_at_once_and_for_nobody_who_left() {
    let app = WebApp::start().await;
    let host = host_with(&app, |config| config.hosts[0].limits.max_retries = 2).await;
    let users: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
    app.set_otherwise(Reply::Status(503));
    for user in &users {
        assert_eq!(host.try_connect(user).await.status, 502);
    }
    until("the first attempts are over", || async { app.all_seen().len() >= 24 }).await;
    app.set_otherwise(Reply::Late(Duration::from_millis(30), Box::new(Reply::Status(503))));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(app.most_at_once() <= 2 + 1, "{} at once", app.most_at_once());
    assert_eq!(host.rosters.awaiting_retry(), 12);
    for user in &users {
        host.disconnect(user).await;
    }
    assert_eq!(host.rosters.awaiting_retry(), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = app.all_seen().len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.all_seen().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_of_somebody_here_is_asked_for_again_at_its_greatest_age() {
    let app = WebApp::start().await;
    let host = host_with(&app, |config| config.hosts[0].store.max_age = Some(Duration::from_millis(300))).await;
    app.set("john", Reply::contacts(&["a@x"]));
    host.connect("john").await;
    app.set("john", Reply::contacts(&["b@x"]));
    assert_eq!(host.jids("john").await, ["a@x"], "nobody has said that it has changed");
    until("the change is found", || async { host.jids("john").await == ["b@x"] }).await;
    let asked = app.seen("john").len();
    until("it is asked for again and again", || async { app.seen("john").len() > asked + 1 }).await;
    host.disconnect("john").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let asked = app.seen("john").len();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.seen("john").len(), asked, "but not for who has left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_can_have_all_rosters_refreshed_those_of_a_domain_or_one() {
    let app = WebApp::start().await;
    let host = host_with(&app, |config| {
        let other = roster_host::config::HostConfig { domain: "other.example".into(), ..config.hosts[0].clone() };
        config.hosts.push(other);
    })
    .await;
    for user in ["john", "marie"] {
        host.connect(user).await;
    }
    let path = "/sessions/aaron?domain=other.example";
    assert_eq!(client::request(host.admin, "PUT", path, &[], &[]).await.status, 200);
    for (query, asked, localhost, other) in [
        ("", vec!["john", "marie", "aaron"], Some(2), Some(1)),
        ("?domain=localhost", vec!["john", "marie"], Some(2), None),
        ("?domain=other.example", vec!["aaron"], None, Some(1)),
        ("?user=john", vec!["john"], Some(1), Some(0)),
        ("?user=JOHN&domain=localhost", vec!["john"], Some(1), None),
        ("?user=nobody", vec![], Some(0), Some(0)),
    ] {
        let before: Vec<_> = ["john", "marie", "aaron"].map(|user| (user, app.seen(user).len())).into();
        let answer = client::request(host.admin, "POST", &format!("/rosters/refresh{query}"), &[], &[]).await;
        let done = |domain, users: Option<usize>| users.map(|n| json!({"domain": domain, "updated": n, "errors": 0}));
        let hosts: Vec<_> =
            [done("localhost", localhost), done("other.example", other)].into_iter().flatten().collect();
        assert_eq!((answer.status, answer.json()), (200, json!({ "hosts": hosts })), "{query}");
        for (user, before) in before {
            assert_eq!(app.seen(user).len() - before, usize::from(asked.contains(&user)), "{query}: {user}");
        }
    }
    for (query, status) in [("?domain=nowhere.example", 404), ("?user=john@localhost", 400)] {
        let answer = client::request(host.admin, "POST", &format!("/rosters/refresh{query}"), &[], &[]).await;
        assert_eq!(answer.status, status, "{query}");
    }
    assert_eq!(host.cached("refresh").await, None, "a user of this name can be looked at all the same");
    host.connect("refresh").await;
    assert!(host.cached("refresh").await.is_some());
    app.set("john", Reply::Status(500));
    let answer = client::request(host.admin, "POST", "/rosters/refresh?user=john", &[], &[]).await;
    assert_eq!(answer.json()["hosts"][0], json!({"domain": "localhost", "updated": 0, "errors": 1}));
}
