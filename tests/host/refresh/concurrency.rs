//! Many at once: racing refreshes, slow answers, large batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_tests::client;
use roster_tests::host::{TestHost, config, until};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;

fn late(millis: u64, reply: Reply) -> Reply {
    Reply::Late(Duration::from_millis(millis), Box::new(reply))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_old_answer_never_overwrites_a_newer_one() {
    let app = WebApp::start().await;
    let host = Arc::new(TestHost::start(&app).await);
    app.set("john", Reply::contacts(&["first@x"]));
    host.connect("john").await;
    app.set("john", late(300, Reply::contacts(&["old@x"])));
    let slow = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.refresh(&["john"]).await }
    });
    until("the slow request is there", || async { app.seen("john").len() == 2 }).await;
    app.set("john", Reply::contacts(&["new@x"]));
    host.refresh(&["john"]).await;
    assert_eq!(host.jids("john").await, ["new@x"]);
    slow.await.unwrap();
    assert_eq!(host.jids("john").await, ["new@x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_is_answered_by_a_fetch_that_began_after_it_asked() {
    let app = WebApp::start().await;
    let host = Arc::new(TestHost::start(&app).await);
    app.set("john", late(200, Reply::contacts(&["a@x"])));
    host.connect("john").await;
    let refresh = |host: &Arc<TestHost>| {
        let host = Arc::clone(host);
        tokio::spawn(async move {
            let asked = Instant::now();
            host.refresh(&["john"]).await;
            asked
        })
    };
    let first = refresh(&host);
    until("the first request is there", || async { app.seen("john").len() == 2 }).await;
    let others: Vec<_> = (0..50).map(|_| refresh(&host)).collect();
    let mut latest = first.await.unwrap();
    for other in others {
        latest = latest.max(other.await.unwrap());
    }
    let seen = app.seen("john");
    assert_eq!(seen.len(), 3, "51 refreshes cost two requests");
    assert!(seen[2].at >= latest - Duration::from_millis(150), "the last request came after they asked");
    assert_eq!(app.most_at_once(), 1, "never two requests for one user at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_first_connections_share_one_fetch() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    app.set("john", late(200, Reply::contacts(&["a@x"])));
    let put =
        |resource: &'static str| async move { client::request(host.admin, "PUT", resource, &[], &[]).await.status };
    let both = tokio::join!(put("/sessions/john?resource=phone"), put("/sessions/john?resource=desk"));
    assert_eq!(both, (200, 200));
    assert_eq!(app.seen("john").len(), 1);
    assert_eq!(put("/sessions/john?resource=third").await, 200);
    assert_eq!(app.seen("john").len(), 1, "the third finds the roster in memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_refreshes_leave_the_last_state() {
    let app = Arc::new(WebApp::start().await);
    let host = Arc::new(TestHost::start(&app).await);
    app.set("john", Reply::contacts(&["c0@x"]));
    host.connect("john").await;
    let mut racers = Vec::new();
    for n in 1..=100 {
        app.set("john", late(n % 7, Reply::contacts(&[&format!("c{n}@x")])));
        let host = Arc::clone(&host);
        racers.push(tokio::spawn(async move { host.refresh(&["john"]).await.status }));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for racer in racers {
        assert_eq!(racer.await.unwrap(), 200);
    }
    assert_eq!(host.jids("john").await, ["c100@x"]);
    let events = host.events.of("john");
    let versions: Vec<u64> = events.iter().map(|event| event["version"].as_u64().unwrap()).collect();
    assert!(versions.windows(2).all(|two| two[0] < two[1]), "sinks see versions in order: {versions:?}");
    // Each delta applies to the one before it: a contact is removed only after it was put.
    let mut roster = vec!["c0@x".to_owned()];
    for change in host.events.changes_of("john") {
        match change["remove"].as_str() {
            Some(jid) => {
                let before = roster.len();
                roster.retain(|one| one != jid);
                assert_eq!(roster.len() + 1, before, "{jid} was not there");
            }
            None => roster.push(change["put"]["jid"].as_str().unwrap().to_owned()),
        }
    }
    assert_eq!(roster, ["c100@x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_users_in_one_batch() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].limits.max_concurrent_calls = 16;
    let host = TestHost::with(config).await;
    app.set_otherwise(Reply::contacts(&["a@x"]));
    let names: Vec<String> = (0..1000).map(|n| format!("user{n}")).collect();
    for name in &names {
        host.connect(name).await;
    }
    app.set_otherwise(late(1, Reply::contacts(&["a@x", "b@x"])));
    let response = host.post(json!(names).to_string()).await;
    assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1000)), "{}", response.text());
    for name in ["user0", "user500", "user999"] {
        assert_eq!(host.jids(name).await, ["a@x", "b@x"]);
    }
    assert!(app.most_at_once() <= 16, "{} at once, 16 are allowed", app.most_at_once());
    assert!(app.most_at_once() >= 4, "{} at once: they do not run side by side", app.most_at_once());
    assert!(app.connections() < 100, "{} connections for 2,000 requests", app.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hanging_user_holds_up_nobody() {
    let app = WebApp::start().await;
    let host = Arc::new(TestHost::start(&app).await);
    app.set_otherwise(Reply::contacts(&["a@x"]));
    let names: Vec<String> = (0..200).map(|n| format!("user{n}")).collect();
    for name in &names {
        host.connect(name).await;
    }
    app.set_otherwise(Reply::contacts(&["b@x"]));
    app.set("user100", Reply::Hang);
    let batch = tokio::spawn({
        let (host, body) = (Arc::clone(&host), json!(names).to_string());
        async move { host.post(body).await }
    });
    until("everybody else is refreshed", || async { host.jids("user199").await == ["b@x"] }).await;
    let other = Instant::now();
    host.refresh(&["user0"]).await;
    assert!(other.elapsed() < Duration::from_millis(500), "{:?}", other.elapsed());
    let response = batch.await.unwrap();
    let expected = json!({"status": "ok", "message": "roster update complete", "updated": 199, "errors": 1});
    assert_eq!((response.status, response.json()), (200, expected));
    assert_eq!(host.jids("user100").await, ["a@x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_hangs_does_not_keep_the_route_from_answering() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].limits.max_concurrent_calls = 2;
    let host = Arc::new(TestHost::with(config).await);
    for n in 0..8 {
        host.connect(&format!("user{n}")).await;
    }
    app.set_otherwise(Reply::Hang);
    let stuck: Vec<_> = (0..8)
        .map(|n| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { host.post(json!([format!("user{n}")]).to_string()).await.status })
        })
        .collect();
    until("both turns are taken", || async { app.all_seen().len() >= 10 }).await;
    let began = Instant::now();
    assert_eq!(host.post("[]").await.status, 200);
    assert_eq!(host.post(r#"["nobody"]"#).await.status, 200);
    assert_eq!(host.post("nonsense").await.status, 400);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    for one in stuck {
        assert_eq!(one.await.unwrap(), 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_within_its_deadline_whatever_the_application_does() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].limits.max_concurrent_calls = 1;
    config.http.request_timeout = Duration::from_millis(1500);
    let host = TestHost::with(config).await;
    let names: Vec<String> = (0..10).map(|n| format!("user{n}")).collect();
    for name in &names {
        host.connect(name).await;
    }
    app.set_otherwise(Reply::Hang);
    let began = Instant::now();
    let response = host.post(json!(names).to_string()).await;
    assert_eq!((response.status, &response.json()["errors"]), (500, &json!(10)), "{}", response.text());
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_later_is_not_tied_to_a_request_that_hangs() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    let host = &mut config.hosts[0];
    host.limits.overdue_after = Duration::from_millis(300);
    for timeout in [&mut host.client.first_byte_timeout, &mut host.client.total_timeout, &mut host.limits.call_timeout]
    {
        *timeout = Duration::from_secs(20);
    }
    let host = Arc::new(TestHost::with(config).await);
    let later = |user: &'static str, refresh: bool| {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let answer = if refresh { host.post(format!("[{user:?}]")).await } else { host.try_connect(user).await };
            (answer.status, host.jids(user).await)
        })
    };

    app.set("john", Reply::Hang);
    let first = later("john", false);
    until("the first request is there", || async { app.seen("john").len() == 1 }).await;
    app.set("john", Reply::contacts(&["a@x"]));
    let asked = Instant::now();
    assert_eq!(later("john", false).await.unwrap(), (200, vec!["a@x".to_owned()]), "another get");
    assert_eq!(first.await.unwrap().0, 200, "who asked first is helped too");

    app.set("john", Reply::Hang);
    let first = later("john", true);
    until("the first request is there", || async { app.seen("john").len() == 3 }).await;
    app.set("john", Reply::contacts(&["b@x"]));
    assert_eq!(later("john", true).await.unwrap(), (200, vec!["b@x".to_owned()]), "another refresh");
    assert_eq!(first.await.unwrap().0, 200);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(app.seen("john").len(), 4);
    let versions: Vec<_> = host.events.of("john").iter().map(|event| event["version"].as_u64().unwrap()).collect();
    assert!(versions.is_sorted() && versions.len() == 2, "{versions:?}");
}
