//! The calls of the attach API: each as `docs/attach.md` and `docs/attach.schema.json` have it, and what is refused.

use std::time::Duration;

use boon::{Compiler, SchemaIndex, Schemas};
use roster_tests::attach::{Node, with_nodes};
use roster_tests::client::{self, Response};
use roster_tests::host::{TestHost, config};
use roster_tests::web_app::{Reply, WebApp};
use roster_tests::xmpp::{certificate, tls};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SCHEMA: &str = include_str!("../../../docs/attach.schema.json");

/// The published schema.
struct Contract {
    schemas: Schemas,
    compiler: Compiler,
}

impl Contract {
    fn new() -> Self {
        let mut compiler = Compiler::new();
        compiler.add_resource("urn:roster-host:attach:v1", serde_json::from_str(SCHEMA).unwrap()).unwrap();
        Self { schemas: Schemas::new(), compiler }
    }

    /// Panics unless `value` is what is called `name` there.
    fn hold(&mut self, name: &str, value: &Value) {
        let at = format!("urn:roster-host:attach:v1#/$defs/{name}");
        let index: SchemaIndex = self.compiler.compile(&at, &mut self.schemas).unwrap();
        if let Err(error) = self.schemas.validate(value, index) {
            panic!("{name}: {error}: {value}");
        }
    }

    /// An error of this status, in the form that is promised.
    fn refused(&mut self, response: &Response, status: u16, part: &str) {
        assert_eq!(response.status, status, "{}", response.text());
        let body = response.json();
        self.hold("error", &body);
        assert!(body["message"].as_str().unwrap().contains(part), "{part:?} is not in {body}");
    }
}

fn rich() -> Reply {
    let roster = json!({
        "marie@x": {"name": "Marie", "groups": ["Work", "A"]},
        "aaron@x": {"name": "", "subscription": "to"},
        "zoe@x": {"subscription": "none", "ask": "subscribe"},
    });
    Reply::Json(roster.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_answers_what_the_schema_says() {
    let (app, mut contract) = (WebApp::start().await, Contract::new());
    let host = TestHost::with(with_nodes(&app, |_, attach| attach.ack_timeout = Duration::from_millis(50))).await;
    let a = Node::of(&host, "a");
    app.set("john", rich());
    app.set("bad", Reply::Status(500));

    let hello = a.ask("GET", "", &[], "").await.json();
    contract.hold("node", &hello);
    assert_eq!(
        (&hello["node"], &hello["domain"], &hello["lease_seconds"], &hello["max_users"]),
        (&json!("a"), &json!("localhost"), &json!(30), &json!(100_000))
    );

    let mut events = a.follow(None).await;
    contract.hold("hello", &json!({ "epoch": events.epoch, "seq": events.seq }));
    assert_eq!(hello["epoch"], json!(events.epoch));

    let put = a.put("john").await;
    let roster = put.json();
    contract.hold("roster", &roster);
    let version = roster["version"].as_u64().unwrap();
    assert_eq!(put.header("etag"), Some(&*format!("\"{version}\"")));
    assert_eq!((put.header("roster-seq"), &roster["seq"]), (Some("0"), &json!(0)));
    let mut contacts = roster["contacts"].as_array().unwrap().clone();
    contacts.sort_by_key(|contact| contact["jid"].to_string());
    assert_eq!(
        contacts,
        [
            json!({"jid": "aaron@x", "name": "", "subscription": "to", "groups": []}),
            json!({"jid": "marie@x", "name": "Marie", "subscription": "both", "groups": ["Work", "A"]}),
            json!({"jid": "zoe@x", "subscription": "none", "ask": true, "groups": []}),
        ]
    );
    for (given, status) in [
        (format!("\"{version}\""), 304),
        (format!("\"1\", W/\"{version}\""), 304),
        (format!("\"{}\"", version + 1), 200),
        (version.to_string(), 200),
    ] {
        let response = a.ask("PUT", "/users/john", &[("if-none-match", &given)], "").await;
        assert_eq!((response.status, response.body.is_empty()), (status, status == 304), "{given}");
        assert_eq!(
            (response.header("roster-seq"), response.header("etag")),
            (Some("0"), put.header("etag")),
            "{given}"
        );
    }

    app.set("john", Reply::contacts(&["marie@x", "aaron@x", "zoe@x", "new@x"]));
    host.refresh(&["john"]).await;
    let changes = events.expect("changes").await;
    contract.hold("changes", &changes);
    assert_eq!(changes["rosters"][0]["from"], json!(version));
    let ack = json!({ "epoch": events.epoch, "seq": 1, "more": "is ignored" });
    contract.hold("ack", &ack);
    assert_eq!(a.ask("POST", "/ack", &[], ack.to_string()).await.status, 204);

    let request = json!([{"user": "john", "version": version}, {"user": "bad"}, {"user": "a b", "version": null}]);
    contract.hold("sync_request", &request);
    let answer = a.ask("POST", "/sync", &[], request.to_string()).await.text();
    let lines: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{answer}");
    lines.iter().for_each(|line| contract.hold("sync_line", line));
    contract.hold("sync_done", &lines[3]);
    assert_eq!((&lines[3]["sent"], &lines[3]["failed"]), (&json!(1), &json!(2)));
    let failed = |user: &str| lines.iter().find(|line| line["user"] == user).unwrap()["retry"].clone();
    assert_eq!((failed("bad"), failed("a b")), (json!(true), json!(false)));

    // A roster without a session: only from memory, or from the application.
    app.set("zoe", rich());
    contract.refused(&a.ask("GET", "/rosters/zoe", &[], "").await, 404, "?fetch=1");
    let fetched = a.ask("GET", "/rosters/zoe?fetch=1", &[], "").await.json();
    contract.hold("roster", &fetched);
    assert_eq!((&fetched["version"], &fetched["seq"]), (&json!(version), &Value::Null), "equal content, equal version");
    assert_eq!(host.cached("zoe").await.unwrap()["sessions"], json!([]));
    assert_eq!(a.ask("GET", "/rosters/zoe", &[], "").await.json(), fetched);

    a.leave("john").await;
    a.leave("nobody").await;
    assert!(host.cached("john").await.unwrap()["sessions"].as_array().unwrap().is_empty());
    let mut newer = a.follow(Some("nonsense")).await;
    contract.hold("resync", &newer.expect("resync").await);
    contract.hold("replaced", &events.expect("replaced").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_says_why_in_json() {
    let (app, mut contract) = (WebApp::start().await, Contract::new());
    let host = TestHost::with(with_nodes(&app, |_, attach| {
        attach.max_users = 3;
        attach.max_body = 1024;
    }))
    .await;
    let a = Node::of(&host, "a");
    app.set("bad", Reply::Status(404));
    let list =
        |users: usize| json!((0..users).map(|n| json!({"user": format!("u{n}")})).collect::<Vec<_>>()).to_string();
    for (method, what, body, status, part) in [
        ("POST", "/sync", "{}".to_owned(), 400, "the body is no list"),
        ("POST", "/sync", "[{}]".to_owned(), 400, "missing field `user`"),
        ("POST", "/sync", String::new(), 400, "the body is no list"),
        ("POST", "/sync", list(4), 413, "attach.max_users"),
        ("POST", "/sync", " ".repeat(1025), 413, "attach.max_body"),
        ("POST", "/ack", "1".to_owned(), 400, "the body is no"),
        ("POST", "/ack", r#"{"epoch":"0","seq":0}"#.to_owned(), 409, "sync"),
        ("POST", "/ack", " ".repeat(5000), 413, "longer than 4096 bytes"),
        ("PUT", "/users/a%20b", String::new(), 400, "is not a username"),
        ("PUT", "/users/%ff", String::new(), 400, "not UTF-8"),
        ("PUT", "/users/bad", String::new(), 502, "status 404"),
        ("GET", "/users/john", String::new(), 405, "does not take this method"),
        ("GET", "/sync", String::new(), 405, "does not take this method"),
        ("GET", "/nothing", String::new(), 404, "nothing is at this path"),
        ("GET", "/rosters/john", String::new(), 404, "?fetch=1"),
    ] {
        let response = a.ask(method, what, &[], body).await;
        contract.refused(&response, status, part);
    }
    let epoch = a.ask("GET", "", &[], "").await.json()["epoch"].as_str().unwrap().to_owned();
    contract.refused(&a.ack(&epoch, 1).await, 400, "event 1 does not exist yet");
    // "bad" stays, and two more fit.
    for (user, status) in [("a", 200), ("b", 200), ("c", 429), ("a", 200)] {
        assert_eq!(a.put(user).await.status, status, "{user}");
    }
    let refused = a.put("c").await;
    contract.refused(&refused, 429, "attach.max_users");
    assert!(refused.header("retry-after").is_some());
    a.leave("b").await;
    assert_eq!(a.put("c").await.status, 200);
    let token = [("authorization", "Bearer token-a")];
    for (path, headers, status, part) in [
        (a.path("/users/x"), &[][..], 401, "Authorization: Bearer"),
        (a.path(""), &[("authorization", "Bearer token-b")], 401, "Authorization: Bearer"),
        (a.path("/nothing"), &[], 401, "Authorization: Bearer"),
        ("/attach/v1/c".to_owned(), &token, 404, "there is no node \"c\""),
        ("/attach/v2/a".to_owned(), &token, 404, "version 1"),
        ("/attach".to_owned(), &token, 404, "nothing is at this path"),
        ("/roster_admin/refresh".to_owned(), &token, 404, "nothing is at this path"),
        ("/metrics".to_owned(), &token, 404, "nothing is at this path"),
    ] {
        let response = client::request(a.at, "GET", &path, headers, &[]).await;
        contract.refused(&response, status, part);
        assert_eq!(response.header("www-authenticate"), (status == 401).then_some("Bearer"), "{path}");
    }
    // Nothing of it is on the other listeners.
    for at in [host.http, host.admin] {
        assert_eq!(client::request(at, "GET", &a.path(""), &token, &[]).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_nodes_says_that_there_are_none() {
    let app = WebApp::start().await;
    let host = TestHost::with(config(&app)).await;
    assert_eq!(host.attach, None);
    assert_eq!(client::get(host.admin, "/attach").await.json(), json!({ "nodes": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_roster_says_so() {
    let app = WebApp::start().await;
    let host = TestHost::with(with_nodes(&app, |config, _| config.hosts[0].store.grace = Duration::ZERO)).await;
    let a = Node::of(&host, "a");
    app.set("john", Reply::contacts(&["one@x"]));
    let before = a.arrive("john").await;
    assert_eq!(before["stale"], Value::Null);
    a.leave("john").await;
    app.set("john", Reply::Status(500));
    let after = a.arrive("john").await;
    Contract::new().hold("roster", &after);
    assert!(after["stale"].is_u64() && after["contacts"] == before["contacts"], "{after}");
    let lines = a.sync(&[("john", after["version"].as_u64())]).await;
    assert!(lines[0]["stale"].is_u64() && lines.len() == 2, "it is said, although it is the same: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_served_over_tls_where_there_is_a_certificate() {
    let app = WebApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path(), "attach");
    let host = TestHost::with(with_nodes(&app, |_, attach| attach.tls = Some((files.certificate, files.key)))).await;
    let a = Node::of(&host, "a");
    let mut stream = tls(TcpStream::connect(a.at).await.unwrap(), &pem).await.unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token-a\r\nconnection: close\r\n\r\n",
        a.path("")
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The end of the connection is not what is looked at.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"api\":1"), "{answer}");
    Contract::new().refused(&a.put("john").await, 400, "use https://");
}
