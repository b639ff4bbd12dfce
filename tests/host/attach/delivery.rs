//! What changes reaches attached servers before the application hears that it is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roster_host::config::{Config, Secret};
use roster_host::plugin::BUILT_IN;
use roster_tests::attach::{Node, with_nodes};
use roster_tests::client;
use roster_tests::host::{TestHost, until};
use roster_tests::modules::{PluginFile, stamped};
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{JOHN, OPEN, ask, auth, open_to_all, with_xmpp};
use serde_json::{Value, json};
use tokio::net::TcpStream;

fn contact(jid: &str) -> Value {
    json!({ "jid": jid, "name": format!("N {jid}"), "subscription": "both", "groups": [] })
}

async fn start(change: impl FnOnce(&mut Config, &mut roster_host::config::AttachConfig)) -> (WebApp, Arc<TestHost>) {
    let app = WebApp::start().await;
    let host = TestHost::with(with_nodes(&app, change)).await;
    (app, Arc::new(host))
}

/// A refresh that runs while the test goes on.
fn refresh(host: &Arc<TestHost>, users: &'static [&'static str]) -> tokio::task::JoinHandle<Value> {
    let host = Arc::clone(host);
    tokio::spawn(async move { host.refresh(users).await.json() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_answered_when_every_node_that_is_there_has_acknowledged_all_of_it() {
    let (app, host) = start(|_, _| {}).await;
    let users = ["john", "marie", "zoe"];
    users.iter().for_each(|user| app.set(user, Reply::contacts(&["one@x"])));
    let (a, b) = (Node::of(&host, "a"), Node::of(&host, "b"));
    // b has nobody listening, so nobody waits for it.
    let mut events = a.follow(None).await;
    let mut versions = Vec::new();
    for user in users {
        versions.push(a.arrive(user).await["version"].clone());
        b.arrive(user).await;
    }
    for round in 1..=5 {
        let jid = format!("r{round}@x");
        users.iter().for_each(|user| app.set(user, Reply::contacts(&["one@x", &jid])));
        let running = refresh(&host, &["john", "marie", "zoe"]);
        let data = events.expect("changes").await;
        assert_eq!(data["seq"], json!(round));
        let rosters = data["rosters"].as_array().unwrap();
        assert_eq!(rosters.len(), 3, "one event has all that was found: {data}");
        for (user, version) in users.iter().zip(&mut versions) {
            let own = rosters.iter().find(|roster| roster["user"] == *user).unwrap();
            assert_eq!(&own["from"], version, "{data}");
            assert!(own["changes"].as_array().unwrap().contains(&json!({ "put": contact(&jid) })), "{data}");
            version.clone_from(&own["to"]);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!running.is_finished(), "it was not acknowledged");
        assert_eq!(a.ack(&events.epoch, round).await.status, 204);
        assert_eq!(running.await.unwrap()["unconfirmed"], Value::Null);
    }
    // What has not changed is told to nobody, and nobody is waited for.
    assert_eq!(host.refresh(&users).await.json()["unconfirmed"], Value::Null);
    assert!(events.is_silent().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_acknowledge_is_named_in_the_answer() {
    let (app, host) = start(|_, attach| attach.ack_timeout = Duration::from_millis(200)).await;
    let a = Node::of(&host, "a");
    let b = Node::of(&host, "b");
    let (mut events, mut others) = (a.follow(None).await, b.follow(None).await);
    a.arrive("john").await;
    b.arrive("john").await;
    for (round, (acks, expected)) in
        [(false, json!(["a"])), (true, Value::Null), (false, json!(["a"]))].into_iter().enumerate()
    {
        app.set("john", Reply::contacts(&[&format!("r{round}@x")]));
        let (path, began) = (if round == 2 { "/john" } else { "" }, Instant::now());
        let running = match path {
            "" => refresh(&host, &["john"]),
            _ => {
                let host = Arc::clone(&host);
                tokio::spawn(async move { client::get(host.http, "/roster_admin/refresh/john").await.json() })
            }
        };
        let seq = others.expect("changes").await["seq"].as_u64().unwrap();
        b.ack(&others.epoch, seq).await;
        let seq = events.expect("changes").await["seq"].as_u64().unwrap();
        if acks {
            a.ack(&events.epoch, seq).await;
        }
        let answer = running.await.unwrap();
        assert_eq!(answer["unconfirmed"], expected, "{answer}");
        assert_eq!(answer["status"], "ok", "{answer}");
        assert!(acks || began.elapsed() >= Duration::from_millis(200), "it was waited for");
    }
    assert_eq!(host.metric("roster_host_attach_unconfirmed_refreshes_total{node=\"a\"}").await, Some(2.0));
    assert_eq!(host.metric("roster_host_attach_unconfirmed_refreshes_total{node=\"b\"}").await, Some(0.0));
    let shown = client::get(host.admin, "/attach").await.json();
    let node = &shown["nodes"][0];
    assert_eq!(
        (&node["node"], &node["live"], &node["lag"], &node["unconfirmed"]),
        (&json!("a"), &json!(true), &json!(1), &json!(2))
    );
    assert_eq!(node["stream"]["user_agent"], "Scripted/1.0");
    assert_eq!((&node["users"], &node["seq"], &node["ack"]), (&json!(1), &json!(3), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_that_hangs_does_not_hold_up_what_was_found_of_the_others() {
    let (app, host) = start(|config, _| {
        config.hosts[0].client.first_byte_timeout = Duration::from_secs(8);
        config.hosts[0].client.total_timeout = Duration::from_secs(8);
        config.hosts[0].limits.call_timeout = Duration::from_secs(8);
    })
    .await;
    let a = Node::of(&host, "a");
    let mut events = a.follow(None).await;
    a.arrive("john").await;
    a.arrive("marie").await;
    app.set("john", Reply::contacts(&["one@x"]));
    app.set("marie", Reply::Hang);
    let began = Instant::now();
    let running = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.post(json!(["john", "marie"]).to_string()).await.json() }
    });
    let data = events.expect("changes").await;
    assert_eq!(data["rosters"][0]["user"], "john");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    a.ack(&events.epoch, 1).await;
    let answer = running.await.unwrap();
    assert_eq!((&answer["updated"], &answer["errors"], &answer["unconfirmed"]), (&json!(1), &json!(1), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_overtakes_the_answer_to_a_put_says_what_it_builds_on() {
    let (app, host) = start(|_, _| {}).await;
    let a = Node::of(&host, "a");
    let two = json!([contact("k@x"), contact("l@x"), contact("two@x")]);
    let mut events = a.follow(None).await;
    app.set("john", Reply::Late(Duration::from_millis(300), Box::new(Reply::contacts(&["k@x", "l@x", "one@x"]))));
    let put = tokio::spawn({
        let a = a.clone();
        async move { a.arrive("john").await }
    });
    until("the application is asked", async || !app.seen("john").is_empty()).await;
    app.set("john", Reply::contacts(&["k@x", "l@x", "two@x"]));
    let running = refresh(&host, &["john"]);
    let answer = put.await.unwrap();
    // Either the answer has all, or the event says what is to be done with it.
    if answer["contacts"] != two {
        let data = events.expect("changes").await;
        let change = &data["rosters"][0];
        assert!(data["seq"].as_u64() > answer["seq"].as_u64(), "{answer} {data}");
        assert_eq!(change["from"], answer["version"], "{change}");
        a.ack(&events.epoch, 1).await;
    } else {
        // It may have been found twice; then the event leads to what is there.
        let next = tokio::time::timeout(Duration::from_millis(500), events.try_next()).await;
        if let Ok(Some(next)) = next {
            assert_eq!(next.data["rosters"][0]["to"], answer["version"], "{answer}");
            a.ack(&events.epoch, next.data["seq"].as_u64().unwrap()).await;
        }
    }
    assert_eq!(running.await.unwrap()["unconfirmed"], Value::Null);
    assert_eq!(a.arrive("john").await["contacts"], two);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_that_could_not_be_had_comes_as_an_event_when_it_can() {
    let (app, host) = start(|config, _| config.hosts[0].limits.retry_first = Duration::from_millis(100)).await;
    let a = Node::of(&host, "a");
    let mut events = a.follow(None).await;
    app.set("john", Reply::Status(500));
    assert_eq!(a.put("john").await.status, 502);
    app.set("marie", Reply::Status(500));
    let lines = a.sync(&[("john", None), ("marie", Some(7))]).await;
    assert_eq!((lines.len(), &lines[2]["failed"]), (3, &json!(2)), "{lines:?}");
    assert!(lines[..2].iter().all(|line| line["retry"] == true && line["error"].is_string()), "{lines:?}");
    for user in ["john", "marie"] {
        app.set(user, Reply::contacts(&["one@x"]));
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        let data = events.expect("changes").await;
        for roster in data["rosters"].as_array().unwrap() {
            assert_eq!(roster["contacts"], json!([contact("one@x")]), "{data}");
            told.push(roster["user"].as_str().unwrap().to_owned());
        }
    }
    told.sort();
    assert_eq!(told, ["john", "marie"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_the_same_user_are_both_told_and_one_may_let_go() {
    let (app, host) = start(|_, _| {}).await;
    app.set("john", Reply::contacts(&["one@x"]));
    let (a, b) = (Node::of(&host, "a"), Node::of(&host, "b"));
    let (mut to_a, mut to_b) = (a.follow(None).await, b.follow(None).await);
    assert_eq!(a.arrive("john").await["version"], b.arrive("john").await["version"]);
    app.set("john", Reply::contacts(&["two@x"]));
    let running = refresh(&host, &["john"]);
    let (one, two) = (to_a.expect("changes").await, to_b.expect("changes").await);
    assert_eq!(one["rosters"], two["rosters"]);
    a.ack(&to_a.epoch, 1).await;
    assert!(!running.is_finished());
    b.ack(&to_b.epoch, 1).await;
    running.await.unwrap();
    a.leave("john").await;
    a.leave("john").await;
    assert_eq!(host.cached("john").await.unwrap()["sessions"], json!(["attach/b"]));
    app.set("john", Reply::contacts(&[]));
    let running = refresh(&host, &["john"]);
    to_b.expect("changes").await;
    b.ack(&to_b.epoch, 2).await;
    running.await.unwrap();
    assert!(to_a.is_silent().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_endpoint_and_a_node_serve_one_domain() {
    let app = WebApp::start().await;
    app.set("john", Reply::contacts(&["one@localhost"]));
    let mut config = with_nodes(&app, |_, _| {});
    let xmpp = with_xmpp(&app, open_to_all());
    config.xmpp = xmpp.xmpp;
    config.hosts[0].accounts.clone_from(&xmpp.hosts[0].accounts);
    let host = Arc::new(TestHost::with(config).await);
    let mut client = TcpStream::connect(host.xmpp.unwrap()).await.unwrap();
    ask(&mut client, OPEN, "</stream:features>").await;
    ask(&mut client, &auth(JOHN), "<success").await;
    ask(&mut client, OPEN, "</stream:features>").await;
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    ask(&mut client, bind, "</iq>").await;
    let get = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";
    let roster = ask(&mut client, get, "</iq>").await;
    assert!(roster.contains("one@localhost"), "{roster}");
    let a = Node::of(&host, "a");
    let mut events = a.follow(None).await;
    a.arrive("john").await;
    app.set("john", Reply::contacts(&["two@localhost"]));
    let running = refresh(&host, &["john"]);
    events.expect("changes").await;
    let push = ask(&mut client, "", "two@localhost").await;
    assert!(push.contains("type='set'") || push.contains("type=\"set\""), "{push}");
    assert!(!running.is_finished());
    a.ack(&events.epoch, 1).await;
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_the_plugin_while_users_are_attached_loses_nothing() {
    let file = PluginFile::new("attached");
    let (app, host) = start(|config, _| {
        config.hosts[0].plugin = Some(file.path().into());
        config.hosts[0].swap.watch = false;
        config.admin.token = Some(Secret::new("t"));
    })
    .await;
    app.set_otherwise(Reply::contacts(&["k@x", "l@x", "r0@x"]));
    let a = Node::of(&host, "a");
    let mut events = a.follow(None).await;
    let mut versions = std::collections::HashMap::new();
    for n in 0..50 {
        let roster = a.arrive(&format!("u{n}")).await;
        versions.insert(format!("u{n}"), roster["version"].clone());
    }
    let users: Vec<_> = (0..50).map(|n| format!("u{n}")).collect();
    for round in 1..=6 {
        app.set_otherwise(Reply::contacts(&["k@x", "l@x", &format!("r{round}@x")]));
        let swap = tokio::spawn({
            let (host, module) = (Arc::clone(&host), stamped(BUILT_IN, round));
            async move {
                let headers = [("authorization", "Bearer t")];
                client::request(host.admin, "PUT", "/plugin", &headers, &module).await.json()
            }
        });
        let running = tokio::spawn({
            let (host, users) = (Arc::clone(&host), users.clone());
            async move { host.post(json!(users).to_string()).await.json() }
        });
        let mut open = users.len();
        while open > 0 {
            let data = events.expect("changes").await;
            for roster in data["rosters"].as_array().unwrap() {
                let version = versions.get_mut(roster["user"].as_str().unwrap()).unwrap();
                assert_eq!(&roster["from"], version, "nothing lost, doubled or reordered: {roster}");
                version.clone_from(&roster["to"]);
                open -= 1;
            }
            a.ack(&events.epoch, data["seq"].as_u64().unwrap()).await;
        }
        let answer = running.await.unwrap();
        assert_eq!((&answer["updated"], &answer["unconfirmed"]), (&json!(50), &Value::Null), "{answer}");
        assert_eq!(swap.await.unwrap()["outcome"], "swapped");
    }
}
