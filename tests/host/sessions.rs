//! Users connect and leave: what is fetched, kept and dropped.

use std::time::Duration;

use roster_tests::client;
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;

async fn with_grace(grace: Duration) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].store.grace = grace;
    config.hosts[0].store.stale_if_error = Duration::ZERO;
    app.set("john", Reply::contacts(&["a@x"]));
    (app, TestHost::with(config).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_is_fetched_when_the_user_first_connects_and_then_kept() {
    let (app, host) = with_grace(Duration::from_secs(60)).await;
    assert_eq!(host.cached("john").await, None);
    host.connect("john").await;
    let cached = host.cached("john").await.unwrap();
    assert_eq!((&cached["user"], &cached["domain"]), (&json!("john"), &json!("localhost")));
    host.connect("john").await;
    host.disconnect("john").await;
    host.connect("john").await;
    assert_eq!(app.seen("john").len(), 1);
    assert_eq!(host.events.of("john").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_goes_when_the_last_session_has_been_gone_for_the_grace_time() {
    let (app, host) = with_grace(Duration::from_millis(200)).await;
    for resource in ["phone", "desk"] {
        let path = format!("/sessions/john?resource={resource}");
        assert_eq!(client::request(host.admin, "PUT", &path, &[], &[]).await.status, 200);
    }
    let leave = |resource: &'static str| {
        let admin = host.admin;
        async move {
            client::request(admin, "DELETE", &format!("/sessions/john?resource={resource}"), &[], &[]).await.status
        }
    };
    assert_eq!(leave("phone").await, 204);
    assert_eq!(leave("phone").await, 404);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(host.cached("john").await.is_some(), "one session is left");
    assert_eq!(leave("desk").await, 204);
    assert!(host.cached("john").await.is_some(), "the grace time has begun");
    until("the roster is dropped", || async { host.cached("john").await.is_none() }).await;
    let dropped = host.events.of("john").pop().unwrap();
    assert_eq!(dropped["event"], json!("dropped"));
    let before = host.events.of("john")[0]["version"].as_u64().unwrap();
    host.connect("john").await;
    assert_eq!(app.seen("john").len(), 2);
    assert!(host.version("john").await > before, "versions only grow");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_for_the_roster_of_somebody_who_has_left() {
    let (app, host) = with_grace(Duration::from_secs(60)).await;
    host.connect("john").await;
    host.disconnect("john").await;
    app.set("john", Reply::contacts(&["b@x"]));
    let response = host.refresh(&["john"]).await;
    assert_eq!(response.json()["updated"], json!(1));
    assert_eq!(app.seen("john").len(), 1);
    host.connect("john").await;
    assert_eq!(host.jids("john").await, ["b@x"], "what was kept is not served: the application said it is out of date");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_leaves_during_the_fetch_holds_up_nobody() {
    let (app, host) = with_grace(Duration::from_millis(50)).await;
    host.connect("john").await;
    app.set("john", Reply::Late(Duration::from_millis(300), Box::new(Reply::contacts(&["b@x"]))));
    let response = tokio::join!(host.post(r#"["john"]"#), async {
        until("the request is there", || async { app.seen("john").len() == 2 }).await;
        host.disconnect("john").await;
    });
    assert_eq!((response.0.status, &response.0.json()["errors"]), (200, &json!(0)));
    until("nothing is kept", || async { host.cached("john").await.is_none() }).await;
    assert_eq!(host.rosters.usage().users, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_first_fetch_failed_gets_its_roster_with_the_next_refresh() {
    let (app, host) = with_grace(Duration::from_secs(60)).await;
    app.set("john", Reply::Status(500));
    let response = host.try_connect("john").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("500"), "{}", response.text());
    app.set("john", Reply::contacts(&["a@x"]));
    host.refresh(&["john"]).await;
    assert_eq!(host.jids("john").await, ["a@x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_lets_go_of_those_who_left_first() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].store.max_users = 2;
    let host = TestHost::with(config).await;
    for user in ["john", "marie"] {
        host.connect(user).await;
    }
    let full = host.try_connect("aaron").await;
    assert_eq!(full.status, 507);
    assert!(full.text().contains("store.max_users"), "{}", full.text());
    host.disconnect("john").await;
    host.refresh(&["aaron"]).await;
    assert!(host.cached("aaron").await.is_some() && host.cached("marie").await.is_some());
    assert_eq!(host.cached("john").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_hosts_have_rosters_of_their_own() {
    let (one, two) = (WebApp::start().await, WebApp::start().await);
    let mut config = config(&one);
    let mut second = config.hosts[0].clone();
    second.domain = "two.example".into();
    second.settings.insert("http_roster_url".into(), two.roster_url());
    second.client.allow_origins = vec![format!("http://{}", two.address()).parse().unwrap()];
    config.hosts.push(second);
    one.set("john", Reply::contacts(&["one@x"]));
    two.set("john", Reply::contacts(&["two@x"]));
    let host = TestHost::with(config).await;
    for (domain, jid) in [("localhost", "one@x"), ("two.example", "two@x")] {
        let connected = client::request(host.admin, "PUT", &format!("/sessions/john?domain={domain}"), &[], &[]).await;
        assert_eq!((connected.status, &connected.json()["contacts"][0]["jid"]), (200, &json!(jid)));
    }
    for (name, asked) in [("two.example:5280", &two), ("localhost", &one), ("unheard.of", &one)] {
        let before = asked.all_seen().len();
        let response =
            client::request(host.http, "POST", "/roster_admin/refresh", &[("host", name)], br#"["john"]"#).await;
        assert_eq!(response.status, 200);
        assert_eq!(asked.all_seen().len(), before + 1, "Host: {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_leaves_during_a_refresh_and_returns_sees_the_new_roster() {
    let (app, host) = with_grace(Duration::from_secs(60)).await;
    host.connect("john").await;
    app.set("john", Reply::Late(Duration::from_millis(300), Box::new(Reply::contacts(&["b@x"]))));
    let (refresh, ()) = tokio::join!(host.post(r#"["john"]"#), async {
        until("the request is there", || async { app.seen("john").len() == 2 }).await;
        host.disconnect("john").await;
    });
    assert_eq!((refresh.status, &refresh.json()["updated"]), (200, &json!(1)));
    app.set("john", Reply::contacts(&["b@x"]));
    host.connect("john").await;
    assert_eq!(host.jids("john").await, ["b@x"], "the application was told that the roster is up to date");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_dropped_while_it_is_being_compared_is_fetched_anew() {
    let (app, host) = with_grace(Duration::from_secs(60)).await;
    host.connect("john").await;
    app.set("john", Reply::Late(Duration::from_millis(400), Box::new(Reply::contacts(&["old@x"]))));
    let (first, (second, third)) = tokio::join!(host.post(r#"["john"]"#), async {
        until("the first request is there", || async { app.seen("john").len() == 2 }).await;
        host.disconnect("john").await;
        app.set("john", Reply::contacts(&["new@x"]));
        let second = host.post(r#"["john"]"#).await;
        (second, host.try_connect("john").await)
    });
    for response in [first, second] {
        assert_eq!((response.status, &response.json()["errors"]), (200, &json!(0)), "{}", response.text());
    }
    assert_eq!(third.status, 200, "{}", third.text());
    assert_eq!(host.jids("john").await, ["new@x"]);
    let names: Vec<_> = host.events.of("john").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["loaded", "dropped", "loaded"], "in turn, whoever told of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_again_does_not_make_the_grace_time_longer() {
    let (_app, host) = with_grace(Duration::from_millis(2000)).await;
    host.connect("john").await;
    host.disconnect("john").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    host.connect("john").await;
    host.disconnect("john").await;
    let left = std::time::Instant::now();
    until("the roster is dropped", || async { host.cached("john").await.is_none() }).await;
    assert!((1800..3400).contains(&left.elapsed().as_millis()), "{:?}", left.elapsed());
}

async fn with_stale(limit: Duration) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].store.grace = Duration::from_millis(50);
    config.hosts[0].store.stale_if_error = limit;
    app.set("john", Reply::contacts(&["a@x"]));
    let host = TestHost::with(config).await;
    host.connect("john").await;
    host.disconnect("john").await;
    (app, host)
}

/// Waits until a connect asks the application: the grace time is over.
async fn connect_asks(app: &WebApp, host: &TestHost) -> client::Response {
    let before = app.seen("john").len();
    loop {
        let answer = host.try_connect("john").await;
        if app.seen("john").len() > before {
            return answer;
        }
        host.disconnect("john").await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_grace_time_the_application_is_asked_and_an_old_roster_is_better_than_none() {
    let (app, host) = with_stale(Duration::from_secs(3600)).await;
    app.set("john", Reply::Status(500));
    let answer = connect_asks(&app, &host).await;
    assert_eq!((answer.status, &answer.json()["contacts"][0]["jid"]), (200, &json!("a@x")), "{}", answer.text());
    app.set("john", Reply::contacts(&["b@x"]));
    assert_eq!(
        host.try_connect("john").await.json()["contacts"][0]["jid"],
        json!("b@x"),
        "the next session asks again"
    );
    let asked = app.seen("john").len();
    host.connect("john").await;
    assert_eq!(app.seen("john").len(), asked, "what the application has said is served from memory");
    let names: Vec<_> = host.events.of("john").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["loaded", "changed"], "the roster was kept all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_older_than_the_operator_allows_is_not_served() {
    let (app, host) = with_stale(Duration::from_millis(300)).await;
    app.set("john", Reply::Status(500));
    until("the roster is dropped", || async { host.cached("john").await.is_none() }).await;
    assert_eq!(host.try_connect("john").await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_of_somebody_who_left_leaves_the_old_roster_for_an_emergency() {
    let (app, host) = with_stale(Duration::from_secs(3600)).await;
    assert_eq!(host.refresh(&["john"]).await.json()["updated"], json!(1));
    app.set("john", Reply::Status(500));
    let asked = app.seen("john").len();
    assert_eq!(host.try_connect("john").await.json()["contacts"][0]["jid"], json!("a@x"));
    assert_eq!(app.seen("john").len(), asked + 1, "the application is asked first");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_user_left_before_its_turn_has_not_heard_the_application() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].limits.max_concurrent_calls = 1;
    config.hosts[0].store.stale_if_error = Duration::from_secs(3600);
    app.set("john", Reply::contacts(&["a@x"]));
    let host = TestHost::with(config).await;
    host.connect("john").await;
    host.disconnect("john").await;
    assert_eq!(host.refresh(&["john"]).await.json()["updated"], json!(1), "john is to be asked for");

    app.set("john", Reply::contacts(&["b@x"]));
    app.set("marie", Reply::Late(Duration::from_millis(500), Box::new(Reply::contacts(&[]))));
    let asked = app.seen("john").len();
    tokio::join!(host.connect("marie"), async {
        until("marie has the only turn", || async { app.seen("marie").len() == 1 }).await;
        tokio::join!(host.try_connect("john"), async {
            let here = || async { host.cached("john").await.unwrap()["sessions"] != json!([]) };
            until("john is connected", here).await;
            host.disconnect("john").await;
        });
    });
    assert_eq!(app.seen("john").len(), asked, "john left before his turn");
    assert_eq!(host.try_connect("john").await.json()["contacts"][0]["jid"], json!("b@x"));
}
