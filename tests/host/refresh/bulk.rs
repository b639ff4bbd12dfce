//! Many users in one request to the application: `http_roster_bulk_url`.

use std::time::Duration;

use roster_host::config::Config;
use roster_tests::client;
use roster_tests::host::TestHost;
use roster_tests::web_app::{Many, Reply, WebApp};
use serde_json::{Value, json};

fn config(app: &WebApp) -> Config {
    let mut config = roster_tests::host::config(app);
    let host = &mut config.hosts[0];
    host.settings.insert("http_roster_bulk_url".into(), app.bulk_url());
    host.limits.call_timeout = Duration::from_secs(2);
    host.client.total_timeout = Duration::from_millis(1500);
    config
}

/// An application in which nobody has contacts, and which thinks for 10 ms.
async fn start() -> WebApp {
    let app = WebApp::start().await;
    app.set_otherwise(after_thinking(Reply::Json("{}".into())));
    app
}

fn after_thinking(reply: Reply) -> Reply {
    Reply::Late(Duration::from_millis(10), Box::new(reply))
}

/// Each has this one contact from now on, which is the validator too, if there are any.
fn set(app: &WebApp, names: &[String], contact: &str, validators: bool) {
    let roster = json!({ contact: {} }).to_string();
    let reply = if validators { Reply::Tagged(roster, format!("\"{contact}\"")) } else { Reply::Json(roster) };
    for name in names {
        app.set(name, after_thinking(reply.clone()));
    }
}

fn names(users: usize) -> Vec<String> {
    (0..users).map(|user| format!("user{user}")).collect()
}

async fn connect_all(host: &TestHost, names: &[String]) {
    futures::future::join_all(names.iter().map(|name| host.connect(name))).await;
}

async fn refresh(host: &TestHost, names: &[String]) -> Value {
    host.post(json!(names).to_string()).await.json()
}

async fn has(host: &TestHost, names: &[String], contact: &str) {
    for name in names {
        assert_eq!(host.jids(name).await, [contact], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_a_request_is_under_way_is_asked_for_together_with_others() {
    for (answer, validators) in [(Many::Validators, true), (Many::Plain, false)] {
        let app = start().await;
        app.set_many(answer.clone());
        let names = names(60);
        set(&app, &names, "first@x", validators);
        let host = TestHost::with(config(&app)).await;
        connect_all(&host, &names).await;
        has(&host, &names, "first@x").await;
        let (alone, together) = app.asked();
        assert!(alone.len() < 20 && !together.is_empty(), "{answer:?}: {alone:?} {}", together.len());

        // Nothing has changed: nobody is told, and the validators are sent back.
        assert_eq!(refresh(&host, &names).await["updated"], 60);
        let (_, together) = app.asked();
        let held: Vec<_> = together.iter().flat_map(|users| users.values()).collect();
        assert!(
            held.iter().all(|held| **held == if validators { json!("\"first@x\"") } else { Value::Null }),
            "{held:?}"
        );

        // Everybody's has.
        set(&app, &names, "second@x", validators);
        assert_eq!(refresh(&host, &names).await["updated"], 60);
        has(&host, &names, "second@x").await;
        for name in &names {
            let events: Vec<_> = host.events.of(name).iter().map(|event| event["event"].clone()).collect();
            assert_eq!(events, ["loaded", "changed"], "{name}");
        }
        let asked = app.asked();
        assert!(asked.0.len() + asked.1.len() < 25, "{answer:?}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_alone_is_asked_for_at_once_and_alone() {
    let app = start().await;
    let host = TestHost::with(config(&app)).await;
    host.connect("john").await;
    host.refresh(&["john"]).await;
    assert_eq!(app.asked(), (vec!["john".to_owned(), "john".to_owned()], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_user_is_that_users_fault() {
    let app = start().await;
    app.set_many(Many::Plain);
    let names = names(40);
    set(&app, &names, "first@x", false);
    let host = TestHost::with(config(&app)).await;
    connect_all(&host, &names).await;
    set(&app, &names, "second@x", false);
    let others = [
        ("user30", Some(json!("no roster"))),
        ("user31", Some(json!(500))),
        ("user32", Some(json!({ "a@x": "not an object", "b@x": {} }))),
        // Not to be understood, or left out although no validator was sent: asked for alone.
        ("user33", Some(json!([1, 2, 3]))),
        ("user34", Some(Value::Null)),
        ("user35", None),
    ];
    app.set_many(Many::But(others.into_iter().map(|(user, value)| (user.to_owned(), value)).collect()));
    app.asked();
    let answer = refresh(&host, &names).await;
    let (alone, together) = app.asked();
    let asked_together = |user: &str| together.iter().any(|users| users.contains_key(user));
    assert!((30..36).all(|user| asked_together(&format!("user{user}"))), "{alone:?}");
    for user in ["user33", "user34", "user35"] {
        assert!(alone.iter().any(|asked| asked == user), "{user}: {alone:?}");
        assert_eq!(host.jids(user).await, ["second@x"]);
    }
    assert_eq!((&answer["updated"], &answer["errors"]), (&json!(38), &json!(2)), "{answer}");
    for user in ["user30", "user31"] {
        assert_eq!(host.jids(user).await, ["first@x"], "a failed fetch changes nothing");
    }
    has(&host, &names[..30], "second@x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_request_for_many_fails_everybody_is_asked_for_alone() {
    for answer in [
        Reply::Status(500),
        Reply::Status(404),
        Reply::Json("<html>".into()),
        Reply::Json("{\"user3\":{".into()),
        Reply::Hang,
    ] {
        let app = start().await;
        let names = names(30);
        set(&app, &names, "first@x", false);
        let host = TestHost::with(config(&app)).await;
        connect_all(&host, &names).await;
        app.asked();
        app.set_many(Many::Instead(answer.clone()));
        set(&app, &names, "second@x", false);
        assert_eq!(refresh(&host, &names).await["updated"], 30, "{answer:?}");
        has(&host, &names, "second@x").await;
        let (alone, together) = app.asked();
        assert!(!together.is_empty() && alone.len() >= 30, "{answer:?}: {} {}", alone.len(), together.len());
        // For a while it is not tried again.
        refresh(&host, &names).await;
        assert_eq!(app.asked().1.len(), 0, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_makes_the_next_requests_smaller() {
    let app = start().await;
    let mut config = config(&app);
    config.hosts[0].client.max_response = 2000;
    let names = names(64);
    // 100 bytes each.
    let contact = format!("{}@x", "c".repeat(80));
    set(&app, &names, &contact, false);
    app.set_many(Many::Plain);
    let host = TestHost::with(config).await;
    connect_all(&host, &names).await;
    has(&host, &names, &contact).await;
    for _ in 0..4 {
        assert_eq!(refresh(&host, &names).await["updated"], 64);
    }
    let largest = app.asked().1.into_iter().last().map(|users| users.len()).unwrap();
    assert!(largest <= 18, "{largest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_says_how_many_go_together() {
    for (bulk_users, most) in [(10, 10), (1, 0), (0, 0)] {
        let app = start().await;
        let mut config = config(&app);
        config.hosts[0].limits.bulk_users = bulk_users;
        let host = TestHost::with(config).await;
        let names = names(60);
        connect_all(&host, &names).await;
        let largest = app.asked().1.iter().map(serde_json::Map::len).max().unwrap_or(0);
        assert_eq!(largest, most);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_work_is_the_operators_mistake() {
    let app = start().await;
    let mut config = config(&app);
    config.hosts[0].settings.insert("http_roster_bulk_url".into(), "http://app/%s".into());
    let Err(error) = roster_host::Host::start(&config, vec![]).await else { panic!("it started") };
    let error = format!("{error:?}");
    assert!(error.contains("http_roster_bulk_url") && error.contains("has a %s in it"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_many_are_counted() {
    let app = start().await;
    let host = TestHost::with(config(&app)).await;
    connect_all(&host, &names(40)).await;
    let text = client::get(host.admin, "/metrics").await.text();
    let line = text.lines().find(|line| line.contains("plugin_calls_total{") && line.contains("hook=\"bulk\""));
    assert!(line.is_some_and(|line| line.contains("outcome=\"ok\"")), "{text}");
}
