//! The token, and pages in browsers.

use super::client::call;
use super::{Host, ROUTE, secret};

const USER: &str = "/roster_admin/refresh/john";

#[tokio::test]
async fn a_configured_token_is_asked_for_on_every_path() {
    let host = Host::with(|setup| setup.http.token = secret("s3cret")).await;
    for (method, path) in [("POST", ROUTE), ("GET", USER), ("GET", ROUTE), ("POST", "/elsewhere")] {
        for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "Basic s3cret")]] {
            let reply = call(host.http(), method, path, headers, "[]").await;
            reply.refuses(401, "http.token");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert!(!reply.body.contains("s3cret"));
        }
        let passed = call(host.http(), method, path, &[("Authorization", "Bearer s3cret")], "[]").await;
        assert_ne!(passed.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_browser() {
    let host = Host::with(|setup| {
        setup.http.cors_origins =
            vec!["https://app.example.org".parse().unwrap(), "http://localhost:3000".parse().unwrap()];
        setup.http.token = secret("s3cret");
    })
    .await;
    host.connect("john").await;
    let token = ("Authorization", "Bearer s3cret");
    for (origin, listed) in [
        (Some("https://app.example.org"), true),
        (Some("http://localhost:3000"), true),
        (Some("https://app.example.org.evil.example"), false),
        (Some("http://app.example.org"), false),
        (Some("null"), false),
        (Some("*"), false),
        (None, false),
    ] {
        let headers: Vec<_> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
        let allowed = listed.then_some(origin).flatten();
        for (path, method) in [(ROUTE, "POST"), (USER, "GET")] {
            let asked = [headers.clone(), vec![("Access-Control-Request-Method", method)]].concat();
            let preflight = call(host.http(), "OPTIONS", path, &asked, "").await;
            assert_eq!(preflight.status, if listed { 204 } else { 405 }, "{origin:?}");
            assert_eq!(preflight.header("access-control-allow-origin"), allowed);
            assert_eq!(preflight.header("access-control-allow-methods"), listed.then_some(method));
            assert_eq!(
                preflight.header("access-control-allow-headers"),
                listed.then_some("Authorization, Content-Type")
            );
            assert_eq!(preflight.header("access-control-max-age").is_some(), listed);
            assert_eq!(preflight.header("vary"), Some("Origin"));

            // Where there is an origin it has to be listed: what a browser sends is done, whether it shows the answer or not.
            let with_token = if listed || origin.is_none() { 200 } else { 403 };
            for (headers, status) in [([headers.clone(), vec![token]].concat(), with_token), (headers.clone(), 401)] {
                let before = host.plugin.asked().len();
                let reply = call(host.http(), method, path, &headers, r#"["john"]"#).await;
                assert_eq!(reply.status, status, "{origin:?}");
                assert_eq!(host.plugin.asked().len() > before, status == 200, "{origin:?}: nothing runs");
                assert_eq!(reply.header("access-control-allow-origin"), allowed);
                assert_eq!(reply.header("vary"), Some("Origin"));
            }
        }
    }
}

#[tokio::test]
async fn without_listed_origins_there_is_no_trace_of_cors_and_no_page_may_call() {
    let host = Host::start().await;
    host.connect("john").await;
    for origin in ["https://app.example.org", "null", "", "http://localhost:5280"] {
        for (method, path, status) in [("OPTIONS", ROUTE, 405), ("POST", ROUTE, 403), ("GET", USER, 403)] {
            let reply = call(host.http(), method, path, &[("Origin", origin)], r#"["john"]"#).await;
            reply.refuses(status, if status == 403 { "http.cors_origins" } else { "" });
            assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), (None, None));
        }
    }
    assert_eq!(host.plugin.asked(), ["john"], "nothing but the first fetch");
}
