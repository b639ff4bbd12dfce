//! REFERENCE: what the application may answer, and what becomes of the roster.

use std::time::{Duration, Instant};

use roster_tests::host::{TestHost, config};
use roster_tests::web_app::{Reply, WebApp};
use serde_json::{Value, json};

fn marie() -> Value {
    json!({"jid": "marie@localhost", "name": "Marie", "subscription": "both", "groups": []})
}

const MARIE: &str = r#"{"marie@localhost":{"name":"Marie"}}"#;

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_is_the_one_the_protocol_says() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    for (user, path) in [
        ("john", "/contacts/john"),
        ("JOHN2", "/contacts/john2"),
        ("a%23b", "/contacts/a%23b"),
        ("a%3Fb", "/contacts/a%3Fb"),
        ("a%25b", "/contacts/a%25b"),
        ("%C3%A9l%C3%A8ve", "/contacts/%C3%A9l%C3%A8ve"),
        ("a+b", "/contacts/a%2Bb"),
    ] {
        host.connect(user).await;
        let seen = app.all_seen().pop().unwrap();
        assert_eq!(seen.path, path, "{user}");
        assert_eq!(seen.headers["accept"], "application/json, text/plain, */*");
        assert!(seen.headers["user-agent"].starts_with("http-roster-admin/"), "{:?}", seen.headers);
        assert_eq!(seen.headers["host"], app.address().to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_read_as_the_contract_says() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    let contact = |fields: Value| {
        let mut contact = json!({"jid": "c@localhost", "subscription": "both", "groups": []});
        contact.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Some(contact)
    };
    let plain = || contact(json!({}));
    let cases: Vec<(&str, &str, Option<Value>)> = vec![
        ("c@localhost", "{}", plain()),
        ("c@localhost", r#"{"name":"Cé"}"#, contact(json!({"name": "Cé"}))),
        ("c@localhost", r#"{"name":""}"#, contact(json!({"name": ""}))),
        ("c@localhost", r#"{"name":null}"#, plain()),
        ("c@localhost", r#"{"groups":{"Work":true,"Home":0}}"#, contact(json!({"groups": ["Work", "Home"]}))),
        ("c@localhost", r#"{"groups":["Work","Home","Work"]}"#, contact(json!({"groups": ["Work", "Home"]}))),
        ("c@localhost", r#"{"groups":[]}"#, plain()),
        ("c@localhost", r#"{"groups":{}}"#, plain()),
        ("c@localhost", r#"{"subscription":"none"}"#, contact(json!({"subscription": "none"}))),
        ("c@localhost", r#"{"subscription":"to"}"#, contact(json!({"subscription": "to"}))),
        ("c@localhost", r#"{"subscription":"from"}"#, contact(json!({"subscription": "from"}))),
        ("c@localhost", r#"{"subscription":"both"}"#, plain()),
        ("c@localhost", r#"{"subscription":null}"#, plain()),
        ("c@localhost", r#"{"subscription":"odd"}"#, contact(json!({"subscription": "none"}))),
        ("c@localhost", r#"{"subscription":"NONE"}"#, contact(json!({"subscription": "none"}))),
        ("c@localhost", r#"{"subscription":7}"#, contact(json!({"subscription": "none"}))),
        ("c@localhost", r#"{"ask":"subscribe"}"#, contact(json!({"ask": true}))),
        ("c@localhost", r#"{"ask":"odd"}"#, plain()),
        ("c@localhost", r#"{"age":7,"tags":[{"a":[1,2]}]}"#, plain()),
        ("C@LocalHost", "{}", plain()),
        ("c@localhost/phone", "{}", plain()),
        ("example.org", "{}", contact(json!({"jid": "example.org"}))),
        ("@@bad", "{}", None),
        ("", "{}", None),
        ("a b@localhost", "{}", None),
        ("c@", "{}", None),
        ("c@localhost", "null", plain()),
        ("c@localhost", "[]", plain()),
        ("c@localhost", r#"["Work"]"#, contact(json!({"subscription": "none"}))),
        ("c@localhost", "true", None),
        ("c@localhost", "7", None),
        ("c@localhost", "false", None),
        ("c@localhost", r#""C""#, None),
        ("c@localhost", r#"{"name":7}"#, plain()),
        ("c@localhost", r#"{"name":1e999}"#, plain()),
        ("c@localhost", r#"{"name":"a\u0007b"}"#, contact(json!({"name": "a b"}))),
        ("c@localhost", r#"{"name":"a\ud83d"}"#, contact(json!({"name": "a\u{FFFD}"}))),
        ("c@localhost", r#"{"bio":["\ud83d",1e999],"name":"a"}"#, contact(json!({"name": "a"}))),
        ("c@localhost", r#"{"groups":null}"#, plain()),
        ("c@localhost", r#"{"groups":"Work"}"#, plain()),
        ("c@localhost", r#"{"groups":["Work",7,"a\tb"]}"#, contact(json!({"groups": ["Work", "a b"]}))),
        ("c@localhost", r#"{"groups":{"1":"Work"}}"#, contact(json!({"groups": ["1"]}))),
    ];
    for (index, (jid, body, expected)) in cases.into_iter().enumerate() {
        // Marie stands before and after: whatever becomes of the contact, the rest of the roster stands.
        let all = format!(r#"{{"marie@localhost":{{"name":"Marie"}},"{jid}":{body},"zoe@localhost":{{}}}}"#);
        let user = format!("user{index}");
        app.set(&user, Reply::Json(all.clone()));
        host.connect(&user).await;
        let zoe = json!({"jid": "zoe@localhost", "subscription": "both", "groups": []});
        let expected: Vec<Value> = [Some(marie()), expected, Some(zoe)].into_iter().flatten().collect();
        assert_eq!(host.contacts(&user).await, expected, "{all}");
    }
    app.set("self", Reply::contacts(&["self@localhost", "SELF@localhost/x", "marie@localhost"]));
    host.connect("self").await;
    assert_eq!(host.jids("self").await, ["marie@localhost"], "nobody is a contact of himself");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_framing_works() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    let bom = format!("\u{feff}{MARIE}");
    for (index, reply) in [
        Reply::Json(MARIE.into()),
        Reply::Chunked(MARIE.into()),
        Reply::CloseDelimited(MARIE.into()),
        Reply::Raw(http(MARIE)),
        Reply::Late(Duration::from_millis(200), Box::new(Reply::Json(MARIE.into()))),
        Reply::Json(bom),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user{index}");
        app.set(&user, reply.clone());
        host.connect(&user).await;
        assert_eq!(host.contacts(&user).await, [marie()], "{reply:?}");
    }
}

/// Every way an application can fail.
fn faults() -> Vec<(&'static str, Reply)> {
    let json = |body: &str| Reply::Json(body.to_owned());
    let mut faults = vec![
        ("a reset", Reply::Reset),
        ("no answer", Reply::Hang),
        ("no answer in the body", Reply::HangInBody),
        ("a body without end", Reply::Endless),
        ("a truncated body", Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec())),
        ("no HTTP", Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())),
        ("a closed connection", Reply::Raw(Vec::new())),
        ("an empty body", json("")),
        ("invalid JSON", json("{\"a@x\":")),
        ("HTML", json("<html></html>")),
        ("null", json("null")),
        ("a string", json("\"a\"")),
        ("a number", json("7")),
        ("an array of something", json("[\"marie@localhost\"]")),
        ("something after it", json("{} {}")),
        (
            "invalid UTF-8",
            Reply::Raw([http("")[..15].to_vec(), b"\r\ncontent-length: 3\r\n\r\n{\xff}".to_vec()].concat()),
        ),
        ("nesting without end", json(&"[".repeat(200_000))),
        ("nesting without end in a contact", json(&format!(r#"{{"a@x":{{"b":{}"#, "[".repeat(200_000)))),
    ];
    faults.extend([201, 204, 301, 304, 400, 401, 403, 404, 500, 503].map(|status| ("a status", Reply::Status(status))));
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_fetch_is_one_error_and_never_touches_the_roster() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    app.set("john", Reply::Json(MARIE.into()));
    host.connect("john").await;
    app.set("aaron", Reply::Json(MARIE.into()));
    host.connect("aaron").await;
    let version = host.version("john").await;
    for (what, reply) in faults() {
        app.set("john", reply.clone());
        let began = Instant::now();
        let response = host.post(r#"["john","aaron"]"#).await;
        let expected = json!({"status": "ok", "message": "roster update complete", "updated": 1, "errors": 1});
        assert_eq!((response.status, response.json()), (200, expected), "{what} {reply:?}");
        assert!(began.elapsed() < Duration::from_secs(3), "{what}: {:?}", began.elapsed());
        let alone = host.post(r#"["john"]"#).await;
        assert_eq!((alone.status, &alone.json()["status"]), (500, &json!("error")), "{what}");
        assert_eq!((&alone.json()["updated"], &alone.json()["errors"]), (&json!(0), &json!(1)), "{what}");
        assert_eq!((host.contacts("john").await, host.version("john").await), (vec![marie()], version), "{what}");
    }
    assert_eq!(host.events.changes_of("john"), Vec::<Value>::new());
    app.set("john", Reply::contacts(&["zoe@localhost"]));
    host.refresh(&["john"]).await;
    assert_eq!(host.jids("john").await, ["zoe@localhost"], "the application is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_there() {
    let app = WebApp::start().await;
    let config = config(&app);
    drop(app);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let host = TestHost::with(config).await;
    let response = host.try_connect("john").await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(response.text().contains("refused"), "{}", response.text());
    let refresh = host.post(r#"["john"]"#).await;
    assert_eq!((refresh.status, &refresh.json()["errors"]), (500, &json!(1)));
    assert_eq!(host.cached("john").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_objects_and_empty_arrays_are_empty_rosters() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    for (user, body) in [("john", "{}"), ("aaron", "[]"), ("marie", " [ ] ")] {
        app.set(user, Reply::contacts(&["x@localhost"]));
        host.connect(user).await;
        app.set(user, Reply::Json(body.into()));
        host.refresh(&[user]).await;
        assert_eq!(host.jids(user).await, Vec::<String>::new(), "{body}");
        assert_eq!(host.events.changes_of(user), [json!({"remove": "x@localhost"})], "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_the_limit_is_an_error() {
    let app = WebApp::start().await;
    let mut config = config(&app);
    config.hosts[0].client.max_response = 1000;
    let host = TestHost::with(config).await;
    let body = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    for (user, reply, fits) in [
        ("john", Reply::Json(body(1000)), true),
        ("marie", Reply::Json(body(1001)), false),
        ("aaron", Reply::Chunked(body(1001)), false),
        ("zoe", Reply::CloseDelimited(body(1001)), false),
    ] {
        app.set(user, reply);
        assert_eq!(host.try_connect(user).await.status, if fits { 200 } else { 502 }, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_saves_the_body() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    app.set("john", Reply::Tagged(MARIE.into(), "\"v1\"".into()));
    host.connect("john").await;
    let version = host.version("john").await;
    host.refresh(&["john"]).await;
    assert_eq!(app.seen("john").pop().unwrap().headers.get("if-none-match").map(String::as_str), Some("\"v1\""));
    assert_eq!(host.version("john").await, version);

    app.set("john", Reply::Tagged(MARIE.into(), "\"v2\"".into()));
    host.refresh(&["john"]).await;
    assert_eq!(host.version("john").await, version, "another tag with the same roster is no change");
    host.refresh(&["john"]).await;
    assert_eq!(app.seen("john").pop().unwrap().headers.get("if-none-match").map(String::as_str), Some("\"v2\""));

    app.set("john", Reply::Tagged("{}".into(), "\"v3\"".into()));
    host.refresh(&["john"]).await;
    assert_eq!(host.jids("john").await, Vec::<String>::new());
    assert_eq!(host.events.changes_of("john"), [json!({"remove": "marie@localhost"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_told_and_nothing_else() {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    app.set("john", Reply::Json(r#"{"a@x":{"name":"A"},"b@x":{},"c@x":{"groups":["G"]},"d@x":{}}"#.into()));
    host.connect("john").await;
    let before = host.version("john").await;
    app.set(
        "john",
        Reply::Json(
            r#"{"e@x":{"name":"E"},"c@x":{"groups":["H"]},"a@x":{"name":"Ä"},"d@x":{"subscription":"both"}}"#.into(),
        ),
    );
    host.refresh(&["john"]).await;
    let mut changes = host.events.changes_of("john");
    changes.sort_by_key(ToString::to_string);
    let put = |jid: &str, name: Option<&str>, groups: &[&str]| {
        let mut contact = json!({"jid": jid, "subscription": "both", "groups": groups});
        if let Some(name) = name {
            contact["name"] = json!(name);
        }
        json!({"put": contact})
    };
    let mut expected = vec![
        put("a@x", Some("Ä"), &[]),
        put("c@x", None, &["H"]),
        put("e@x", Some("E"), &[]),
        json!({"remove": "b@x"}),
    ];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(changes, expected);
    assert!(host.version("john").await > before);
    host.refresh(&["john"]).await;
    assert_eq!(host.events.changes_of("john").len(), 4, "nothing new, nothing told");
}
