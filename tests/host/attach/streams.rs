//! Event streams of attached servers that end, lag, come back or are taken over, and hosts that do.

use std::time::Duration;

use roster_host::config::AttachConfig;
use roster_tests::attach::{Node, with_nodes};
use roster_tests::host::{TestHost, until};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::{Value, json};

async fn start(change: impl FnOnce(&mut AttachConfig)) -> (WebApp, TestHost, Node) {
    let app = WebApp::start().await;
    let host = TestHost::with(with_nodes(&app, |_, attach| {
        attach.ack_timeout = Duration::from_millis(50);
        change(attach);
    }))
    .await;
    let node = Node::of(&host, "a");
    (app, host, node)
}

/// The application's roster of john is another, and the host knows.
async fn change(app: &WebApp, host: &TestHost, round: usize) {
    app.set("john", Reply::contacts(&["k@x", "l@x", &format!("r{round}@x")]));
    host.refresh(&["john"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_goes_on_where_it_was() {
    let (app, host, a) = start(|_| {}).await;
    app.set("john", Reply::contacts(&["k@x", "l@x"]));
    let mut events = a.follow(None).await;
    let mut version = a.arrive("john").await["version"].clone();
    for round in 1..=3 {
        change(&app, &host, round).await;
    }
    let first = events.expect("changes").await;
    assert_eq!((&first["seq"], &first["rosters"][0]["from"]), (&json!(1), &version));
    version.clone_from(&first["rosters"][0]["to"]);
    let last = format!("{}-1", events.epoch);
    drop(events);
    change(&app, &host, 4).await;
    let mut events = a.follow(Some(&last)).await;
    for seq in 2..=4 {
        let data = events.expect("changes").await;
        assert_eq!((&data["seq"], &data["rosters"][0]["from"]), (&json!(seq), &version));
        version.clone_from(&data["rosters"][0]["to"]);
    }
    assert!(events.is_silent().await);
    // Without an id, after events that nobody has acknowledged: what happened in between is not known.
    drop(events);
    let mut events = a.follow(None).await;
    assert_eq!(events.seq, 4);
    events.expect("resync").await;
    let lines = a.sync(&[("john", version.as_u64())]).await;
    assert_eq!((lines.len(), &lines[0]["same"], &lines[0]["seq"]), (1, &json!(1), &json!(4)), "{lines:?}");
    a.ack(&events.epoch, 4).await;
    drop(events);
    assert!(a.follow(None).await.is_silent().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_beyond_the_ring_is_told_to_sync() {
    let (app, host, a) = start(|attach| attach.ring_events = 2).await;
    app.set("john", Reply::contacts(&["k@x", "l@x"]));
    let events = a.follow(None).await;
    let (epoch, version) = (events.epoch.clone(), a.arrive("john").await["version"].clone());
    drop(events);
    for round in 1..=5 {
        change(&app, &host, round).await;
    }
    let mut events = a.follow(Some(&format!("{epoch}-0"))).await;
    let resync = events.expect("resync").await;
    assert!(resync["reason"].as_str().unwrap().contains("attach.ring_events"), "{resync}");
    let lines = a.sync(&[("john", version.as_u64())]).await;
    assert_eq!((lines.len(), &lines[0]["user"]), (2, &json!("john")), "{lines:?}");
    assert_eq!(lines[0]["contacts"].as_array().unwrap().len(), 3, "{lines:?}");
    // It goes on after that, and the next stream is not told again.
    change(&app, &host, 6).await;
    let data = events.expect("changes").await;
    assert_eq!(data["rosters"][0]["from"], lines[0]["version"]);
    drop(events);
    assert!(a.follow(Some(&format!("{epoch}-6"))).await.is_silent().await);
    assert_eq!(host.metric("roster_host_attach_resyncs_total{node=\"a\"}").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_host_the_epoch_is_another_and_what_is_equal_is_not_sent() {
    let (app, host, a) = start(|_| {}).await;
    for user in ["john", "marie", "zoe"] {
        app.set(user, Reply::contacts(&["one@x", user]));
    }
    let events = a.follow(None).await;
    let mut users = Vec::new();
    for user in ["john", "marie", "zoe"] {
        users.push((user, a.arrive(user).await["version"].as_u64()));
    }
    let (epoch, acked) = (events.epoch.clone(), a.ack(&events.epoch, 0).await.status);
    assert_eq!(acked, 204);
    drop(events);
    assert!(host.stop().await);
    app.set("zoe", Reply::contacts(&["two@x"]));
    // In another order: the content is the same.
    app.set("marie", Reply::contacts(&["marie", "one@x"]));
    let host = TestHost::with(with_nodes(&app, |_, _| {})).await;
    let a = Node::of(&host, "a");
    let mut events = a.follow(Some(&format!("{epoch}-0"))).await;
    assert_ne!(events.epoch, epoch);
    events.expect("resync").await;
    assert_eq!(a.ack(&epoch, 0).await.status, 409);
    let lines = a.sync(&users).await;
    assert_eq!((lines.len(), &lines[0]["user"]), (2, &json!("zoe")), "{lines:?}");
    assert_eq!((&lines[1]["same"], &lines[1]["sent"], &lines[1]["failed"]), (&json!(2), &json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_stream_loses_its_users_when_the_lease_is_over() {
    let (app, host, a) = start(|attach| attach.lease = Duration::from_millis(500)).await;
    app.set_otherwise(Reply::contacts(&["one@x"]));
    let events = a.follow(None).await;
    for n in 0..20 {
        a.arrive(&format!("u{n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(host.metric("roster_host_attach_users{node=\"a\"}").await, Some(20.0), "there is a stream");
    let epoch = events.epoch.clone();
    drop(events);
    let gone = async || host.metric("roster_host_online_users{domain=\"localhost\"}").await == Some(0.0);
    until("nobody is online", gone).await;
    assert_eq!(host.metric("roster_host_attach_users{node=\"a\"}").await, Some(0.0));
    assert_eq!(host.metric("roster_host_attach_leases_expired_total{node=\"a\"}").await, Some(1.0));
    // It comes back with an id that would be known.
    let mut events = a.follow(Some(&format!("{epoch}-0"))).await;
    assert!(events.expect("resync").await["reason"].as_str().unwrap().contains("lease"));
    a.sync(&[("u1", None)]).await;
    assert_eq!(host.cached("u1").await.unwrap()["sessions"], json!(["attach/a"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_of_the_same_node_ends_the_one_before() {
    let (_app, host, a) = start(|attach| attach.lease = Duration::from_millis(300)).await;
    let mut first = a.follow(None).await;
    a.arrive("john").await;
    let mut second = a.follow(None).await;
    assert_eq!(first.expect("replaced").await, json!({}));
    assert!(first.try_next().await.is_none(), "it ends");
    drop(first);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(host.cached("john").await.unwrap()["sessions"], json!(["attach/a"]), "that means nothing");
    assert!(second.is_silent().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_shows_that_it_lives_and_ends_with_the_host() {
    let (_app, host, a) = start(|attach| attach.keepalive = Duration::from_millis(50)).await;
    let mut events = a.follow(None).await;
    assert!(events.is_silent().await);
    assert!(events.comments > 1, "{}", events.comments);
    let (ended, stopped) = tokio::join!(events.try_next(), host.stop());
    assert!(ended.is_none() && stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_replaces_all_users_and_does_not_hold_up_those_who_log_in() {
    let (app, host, a) = start(|attach| attach.max_sync_fetches = 2).await;
    let slowly = Duration::from_millis(300);
    app.set_otherwise(Reply::Late(slowly, Box::new(Reply::contacts(&["one@x"]))));
    app.set("john", Reply::contacts(&["one@x"]));
    let _events = a.follow(None).await;
    a.arrive("gone").await;
    let names: Vec<_> = (0..12).map(|n| format!("u{n}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    let sync = async {
        let lines = a.sync(&users).await;
        (lines, std::time::Instant::now())
    };
    let login = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        a.arrive("john").await;
        std::time::Instant::now()
    };
    let ((lines, synced), logged_in) = tokio::join!(sync, login);
    assert!(logged_in < synced, "the login waits for the sync");
    assert!(app.most_at_once() <= 3, "{}", app.most_at_once());
    assert_eq!((lines.len(), &lines[12]["sent"]), (13, &json!(12)), "{:?}", lines[12]);
    assert_eq!(host.cached("gone").await.map(|cached| cached["sessions"].clone()), Some(json!([])));
    assert_eq!(host.cached("john").await.unwrap()["sessions"], json!(["attach/a"]), "who came meanwhile stays");
    let shown: Value = roster_tests::client::get(host.admin, "/attach").await.json();
    assert_eq!(shown["nodes"][0]["users"], json!(13), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_sync_cuts_the_one_before() {
    let (app, _host, a) = start(|attach| attach.max_sync_fetches = 1).await;
    app.set_otherwise(Reply::Late(Duration::from_millis(200), Box::new(Reply::contacts(&["one@x"]))));
    let names: Vec<_> = (0..20).map(|n| format!("u{n}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        a.sync(&users[..2]).await
    };
    let (first, second) = tokio::join!(a.sync(&users), second);
    assert!(first.iter().all(|line| line["done"].is_null()) && first.len() < 20, "{first:?}");
    assert_eq!(second.last().unwrap()["done"], true, "{second:?}");
}
