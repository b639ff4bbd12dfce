//! REFERENCE: what the refresh route answers, request by request.

use std::time::{Duration, Instant};

use roster_tests::client;
use roster_tests::host::TestHost;
use roster_tests::web_app::{Reply, WebApp};
use serde_json::json;

const ROUTE: &str = "/roster_admin/refresh";

async fn online(users: &[&str]) -> (WebApp, TestHost) {
    let app = WebApp::start().await;
    let host = TestHost::start(&app).await;
    for user in users {
        app.set(user, Reply::contacts(&["marie@localhost"]));
        host.connect(user).await;
    }
    (app, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_sense_are_counted() {
    let (app, host) = online(&["john", "aaron"]).await;
    for (what, body, updated, errors, fetches) in [
        ("an unknown user", r#"["nobody"]"#, 1, 0, 0),
        ("a user online", r#"["john"]"#, 1, 0, 1),
        ("two users online", r#"["john","aaron"]"#, 2, 0, 2),
        ("online and unknown", r#"["john","nobody"]"#, 2, 0, 1),
        ("the same user twice", r#"["john","john"]"#, 1, 0, 1),
        ("the same user in two spellings", r#"["john","JOHN"]"#, 1, 0, 1),
        ("an unknown user twice", r#"["nobody","nobody"]"#, 1, 0, 0),
        ("an address in the place of a username", r#"["john@localhost"]"#, 0, 1, 0),
        ("what is no username", r#"["a@b","a@b","",""," john"]"#, 0, 3, 0),
        ("one that can be and one that cannot", r#"["john",""]"#, 1, 1, 1),
        ("nobody", "[]", 0, 0, 0),
        ("white space", " [ \"john\" ] \n", 1, 0, 1),
        ("escapes", r#"["\u006aohn"]"#, 1, 0, 1),
    ] {
        let before = app.all_seen().len();
        let response = host.post(body).await;
        let expected =
            json!({"status": "ok", "message": "roster update complete", "updated": updated, "errors": errors});
        assert_eq!((response.status, response.json()), (200, expected), "{what}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
        assert_eq!(app.all_seen().len() - before, fetches, "{what}: requests to the application");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_refused_with_a_reason() {
    let (app, host) = online(&["john"]).await;
    let before = app.all_seen().len();
    let deep = "[".repeat(100_000);
    for (what, body, says) in [
        ("an object", br#"{"john":true}"#.as_slice(), "object"),
        ("a string", br#""john""#, "string"),
        ("a number", b"5", "number"),
        ("null", b"null", "null"),
        ("a boolean", b"true", "boolean"),
        ("no JSON", b"john", "array"),
        ("an array that does not end", br#"["john""#, "array"),
        ("something after it", br#"["john"] x"#, "trailing"),
        ("no body", b"", "empty"),
        ("nesting without end", deep.as_bytes(), "array"),
        ("a number in it", br#"["john",7]"#, "element 1"),
        ("null in it", br#"[null]"#, "element 0"),
        ("an array in it", br#"["john","aaron",["x"]]"#, "element 2"),
        ("invalid UTF-8", b"[\"jo\xffhn\"]", "UTF-8"),
    ] {
        let response = host.post(body).await;
        let answer = response.json();
        assert_eq!(response.status, 400, "{what}: {answer}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{what}");
        assert_eq!(
            (&answer["status"], &answer["updated"], &answer["errors"]),
            (&json!("error"), &json!(0), &json!(0)),
            "{what}"
        );
        let message = answer["message"].as_str().unwrap().to_owned();
        assert!(message.to_lowercase().contains(&says.to_lowercase()), "{what}: {message:?} does not say {says:?}");
    }
    assert_eq!(app.all_seen().len(), before, "none of them reached the application");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_by_get() {
    let (app, host) = online(&["john", "a%23b"]).await;
    for (path, fetched) in
        [("/john", "john"), ("/john?x=1", "john"), ("/%6Aohn", "john"), ("/JOHN", "john"), ("/a%23b", "a%23b")]
    {
        let before = app.seen(fetched).len();
        let response = client::get(host.http, &format!("{ROUTE}{path}")).await;
        let expected = json!({"message": "roster update complete", "status": "ok"});
        assert_eq!((response.status, response.json()), (200, expected), "{path}");
        assert_eq!(app.seen(fetched).len(), before + 1, "{path}");
    }
    let unknown = client::get(host.http, &format!("{ROUTE}/nobody")).await;
    assert_eq!((unknown.status, &unknown.json()["status"]), (200, &json!("ok")));
    app.set("john", Reply::Status(500));
    let failed = client::get(host.http, &format!("{ROUTE}/john")).await;
    assert_eq!(failed.json()["status"], json!("error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_content_type_and_a_query_are_fine() {
    let (_app, host) = online(&["john"]).await;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "nonsense")],
        &[("host", "localhost:5280")],
        &[("host", "example.net")],
    ] {
        let response = client::request(host.http, "POST", "/roster_admin/refresh?a=b", headers, br#"["john"]"#).await;
        assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1)), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_works() {
    let (app, host) = online(&["john"]).await;
    let request = "POST /roster_admin/refresh HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                   transfer-encoding: chunked\r\n\r\n3\r\n[\"j\r\n5\r\nohn\"]\r\n0\r\n\r\n";
    let before = app.seen("john").len();
    let response = client::raw(host.http, request.as_bytes()).await;
    assert_eq!((response.status, &response.json()["updated"]), (200, &json!(1)), "{}", response.text());
    assert_eq!(app.seen("john").len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_name_the_right_ones_and_run_nothing() {
    let (app, host) = online(&["john"]).await;
    let before = app.all_seen().len();
    for (method, path, allow) in [
        ("GET", ROUTE, "POST"),
        ("PUT", ROUTE, "POST"),
        ("DELETE", ROUTE, "POST"),
        ("OPTIONS", ROUTE, "POST"),
        ("POST", "/roster_admin/refresh/john", "GET"),
        ("HEAD", "/roster_admin/refresh/john", "GET"),
    ] {
        let foreign = client::request(host.http, method, path, &[("origin", "http://evil.example")], b"").await;
        let refused = if method == "OPTIONS" { 405 } else { 403 };
        assert_eq!(foreign.status, refused, "{method} {path}");
        assert_eq!(foreign.header("access-control-allow-origin"), None, "{method} {path}");
        let response = client::request(host.http, method, path, &[], b"").await;
        assert_eq!(response.status, 405, "{method} {path}");
        let allowed = response.header("allow").unwrap_or_default();
        assert!(allowed.split(", ").any(|one| one == allow), "{method} {path}: Allow is {allowed:?}");
        assert_eq!(response.header("access-control-allow-origin"), None, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(response.json()["status"], json!("error"), "{method} {path}");
        }
    }
    assert_eq!(app.all_seen().len(), before);
    let elsewhere = client::get(host.http, "/elsewhere").await;
    assert_eq!((elsewhere.status, &elsewhere.json()["status"]), (404, &json!("error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413() {
    let app = WebApp::start().await;
    let mut config = roster_tests::host::config(&app);
    config.http.max_body = 1000;
    let host = TestHost::with(config).await;
    for size in [1001, 5_000_000] {
        let response = host.post(vec![b' '; size]).await;
        assert_eq!((response.status, &response.json()["status"]), (413, &json!("error")), "{size} bytes");
    }
    let fits = format!("[{}]", " ".repeat(998));
    assert_eq!(host.post(fits).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_unknown_users_are_no_work() {
    let (app, host) = online(&["john"]).await;
    let names: Vec<String> = (0..100_000).map(|n| format!("user{n}")).collect();
    let before = app.all_seen().len();
    let began = Instant::now();
    let response = host.post(json!(names).to_string()).await;
    assert_eq!((response.status, &response.json()["updated"]), (200, &json!(100_000)));
    assert_eq!(app.all_seen().len(), before);
    // The bench suite measures it; here it must only not be quadratic.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_too_many_users_is_413_and_says_how_many_and_which_key() {
    let app = WebApp::start().await;
    for (count, name, memory, says) in [
        (100_001, "u", 128 << 20, "names 100001 users"),
        (600_000, "user-00000", 128 << 20, "names 600000 users"),
        // Their number is not even counted.
        (1_500_000, "user-00000", 128 << 20, "more users than can be counted"),
        // They use up the plugin's memory, which is no fault of the plugin's.
        (200_000, "user-00000", 4 << 20, "more than the plugin can read within its limits"),
    ] {
        let mut config = roster_tests::host::config(&app);
        config.http.max_body = 32 << 20;
        config.hosts[0].limits.max_memory = memory;
        config.hosts[0].limits.cpu_time = Duration::from_secs(10);
        config.hosts[0].limits.call_timeout = Duration::from_secs(30);
        let host = TestHost::with(config).await;
        let body = format!("[\"{name}\"{}]", format!(",\"{name}\"").repeat(count - 1));
        let response = host.post(body).await;
        assert_eq!(response.status, 413, "{count}: {}", response.text());
        let message = response.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says) && message.contains("limits."), "{count}: {message}");
        host.refresh(&["john"]).await;
    }
}
