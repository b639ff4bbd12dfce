//! The refresh route: what gets through to the plugin, and what the host says itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use super::client::{Client, call, get, post};
use super::{Host, ROUTE};
use crate::plugin::Reply;

#[tokio::test]
async fn users_in_the_body_are_refreshed_and_the_plugin_answers() {
    let host = Host::start().await;
    host.connect("john").await;
    for (body, status, answer) in [
        (r#"["john"]"#, 200, json!({ "status": "ok", "updated": 1, "errors": 0 })),
        (r#"["john","john","nobody"]"#, 200, json!({ "status": "ok", "updated": 2, "errors": 0 })),
        ("[]", 200, json!({ "status": "ok", "updated": 0, "errors": 0 })),
    ] {
        let reply = post(host.http(), body).await;
        assert_eq!((reply.status, reply.json()), (status, answer), "{body}");
    }
    assert_eq!(host.plugin.asked(), ["john"; 3], "one first fetch, one refresh for each request that names john");
    let reply = post(host.http(), "{}").await;
    assert_eq!((reply.status, &reply.json()["status"]), (400, &json!("error")), "what the plugin refuses");
    assert_eq!(post(host.http(), "").await.status, 400, "the plugin sees the empty body, too");
}

#[tokio::test]
async fn content_type_and_query_do_not_matter() {
    let host = Host::start().await;
    for (path, content_type) in [
        (ROUTE, "application/json"),
        (ROUTE, "text/plain; charset=utf-8"),
        (ROUTE, "application/x-www-form-urlencoded"),
        (ROUTE, "nonsense"),
        ("/roster_admin/refresh?x=%FF&john", "application/json"),
        ("http://anything.example:1/roster_admin/refresh", "application/json"),
    ] {
        let reply = call(host.http(), "POST", path, &[("Content-Type", content_type)], r#"["x"]"#).await;
        assert_eq!((reply.status, &reply.json()["updated"]), (200, &json!(1)), "{path} {content_type}");
    }
}

#[tokio::test]
async fn chunked_bodies_and_expectations_work() {
    let host = Host::start().await;
    let mut client = Client::open(host.http()).await;
    client.send(format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
    client.send("3\r\n[\"a\r\n4;ext=1\r\n\",\"b\r\n2\r\n\"]\r\n0\r\nTrailer: x\r\n\r\n").await;
    assert_eq!(client.reply().await.json()["updated"], 2);

    client.send(format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")).await;
    assert_eq!(client.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(r#"["c"]"#).await;
    assert_eq!(client.reply().await.json()["updated"], 1, "on the same connection");

    let mut client = Client::open(host.http()).await;
    client.send(format!("POST {ROUTE} HTTP/1.0\r\nContent-Length: 5\r\n\r\n[\"c\"]")).await;
    assert!(client.closed().await.starts_with("HTTP/1.0 200"), "HTTP/1.0 without Host");
}

#[tokio::test]
async fn a_client_may_close_its_sending_side() {
    let host = Host::start().await;
    host.connect("hanging").await;
    let mut client = Client::open(host.http()).await;
    client.send(super::client::request("POST", ROUTE, &[], r#"["hanging"]"#)).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    host.plugin.asked_for(2).await;
    host.plugin.release();
    assert_eq!(client.reply().await.json()["updated"], 1);
}

#[tokio::test]
async fn http_2_works_without_tls() {
    let host = Host::start().await;
    let stream = TcpStream::connect(host.http()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = |body: &'static str| {
        let uri = format!("http://localhost:5280{ROUTE}");
        Request::post(uri).body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
    };
    let answer = sender.send_request(request(r#"["a","b"]"#)).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    let body: serde_json::Value =
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["updated"], 2);
    assert_eq!(sender.send_request(request("{")).await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn the_user_in_the_path_is_percent_decoded_once() {
    let host = Host::start().await;
    for user in ["a#b", "a%23b", "ü", "a+b"] {
        host.connect(user).await;
    }
    host.plugin.asked.lock().clear();
    for (path, asked) in [
        ("a%23b", Some("a#b")),
        ("a%2523b", Some("a%23b")),
        ("%C3%BC", Some("ü")),
        ("A+B?query=1", Some("a+b")),
        ("nobody", None),
    ] {
        let reply = get(host.http(), &format!("{ROUTE}/{path}")).await;
        assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ok" })), "{path}");
        let found: Vec<_> = host.plugin.asked.lock().drain(..).collect();
        assert_eq!(found, Vec::from_iter(asked.map(str::to_owned)), "{path}");
    }
    for (path, reason) in [("%FF", "UTF-8"), ("a%20b", "not a username"), ("a%2Fb", "not a username")] {
        get(host.http(), &format!("{ROUTE}/{path}")).await.refuses(400, reason);
    }
}

#[tokio::test]
async fn a_user_that_fails_is_reported() {
    let host = Host::start().await;
    let failing = crate::model::Username::new("failing").unwrap();
    host.rosters[0].connect(&failing, crate::rosters::SessionId::new("x")).await.unwrap_err();
    host.connect("john").await;
    let reply = post(host.http(), r#"["failing","john"]"#).await;
    assert_eq!((&reply.json()["updated"], &reply.json()["errors"]), (&json!(1), &json!(1)));
    assert_eq!(get(host.http(), "/roster_admin/refresh/failing").await.status, 500);
}

#[tokio::test]
async fn unknown_paths_are_404_in_json() {
    let host = Host::start().await;
    for path in ["/", "/roster_admin", "/roster_admin/refresh/", "/roster_admin/refresh/a/b"] {
        for method in ["GET", "POST", "OPTIONS"] {
            call(host.http(), method, path, &[], "").await.refuses(404, "/roster_admin/refresh");
        }
    }
    call(host.http(), "OPTIONS", "*", &[], "").await.refuses(404, "/roster_admin/refresh");
}

#[tokio::test]
async fn wrong_methods_are_405_and_do_nothing() {
    let host = Host::start().await;
    host.connect("john").await;
    for (path, allowed, methods) in [
        (ROUTE, "POST", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]),
        ("/roster_admin/refresh/john", "GET", ["POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]),
    ] {
        for method in methods {
            let reply = call(host.http(), method, path, &[], "").await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
            assert_eq!(reply.header("access-control-allow-origin"), None);
            if method != "HEAD" {
                reply.refuses(405, allowed);
            }
        }
    }
    assert_eq!(host.plugin.asked(), ["john"], "nothing but the first fetch");
}

#[tokio::test]
async fn a_plugin_that_fails_is_reported_in_json() {
    let host = Host::start().await;
    for (body, status, retry) in [
        ("!trap", 500, None),
        ("!panic", 500, None),
        ("!timeout", 504, Some("5")),
        ("!cpu", 504, Some("5")),
        ("!busy", 503, Some("1")),
    ] {
        let reply = post(host.http(), body).await;
        reply.refuses(status, "");
        assert_eq!(reply.header("retry-after"), retry, "{body}");
    }
    let answer = |status, content_type: &str| Reply { status, content_type: content_type.into(), body: vec![] };
    for (impossible, hint) in [
        (answer(0, "text/plain"), "status 0"),
        (answer(101, "text/plain"), "status 101"),
        (answer(600, "text/plain"), "status 600"),
        (answer(1000, "text/plain"), "status 1000"),
        (answer(200, "text/plain\r\nX: y"), "Content-Type"),
        (answer(200, ""), "no media type"),
        (answer(200, "anything"), "no media type"),
        (answer(200, "*/*"), "no media type"),
        (answer(200, "text/html; <script>"), "no media type"),
        (answer(200, "téxt/plain"), "no media type"),
        (answer(200, &format!("text/plain; x={}", "y".repeat(300))), "a Content-Type of 314 bytes"),
        (answer(200, &format!("text/{}", "x".repeat(1 << 20))), "a Content-Type of 1048581 bytes"),
        (answer(204, "anything"), "no media type"),
    ] {
        *host.plugin.answer.lock() = Some(impossible);
        post(host.http(), "[]").await.refuses(500, hint);
    }
    *host.plugin.answer.lock() = Some(Reply { status: 299, content_type: "text/x".into(), body: b"hi".to_vec() });
    let reply = post(host.http(), "[]").await;
    assert_eq!((reply.status, reply.header("content-type"), &*reply.body), (299, Some("text/x"), "hi"));
}

#[tokio::test]
async fn an_answer_that_may_have_no_body_has_none_nor_the_length_of_one() {
    let host = Host::start().await;
    for (status, body, typed) in [(204, "", false), (204, "hi", false), (304, "", true), (304, "hi", true)] {
        *host.plugin.answer.lock() = Some(Reply { status, content_type: "text/x".into(), body: body.into() });
        let mut client = Client::open(host.http()).await;
        client.send(super::client::request("POST", ROUTE, &[("Connection", "close")], "[]")).await;
        let said = client.closed().await.to_lowercase();
        assert!(said.starts_with(&format!("http/1.1 {status}")) && said.ends_with("\r\n\r\n"), "{said}");
        assert!(!said.contains("content-length") && !said.contains("transfer-encoding"), "{said}");
        assert_eq!(said.contains("content-type"), typed, "{said}");
        // And on a connection that goes on.
        let mut client = Client::open(host.http()).await;
        for _ in 0..2 {
            client.send(super::client::request("POST", ROUTE, &[], "[]")).await;
            assert!(client.until("\r\n\r\n").await.starts_with(&format!("HTTP/1.1 {status}")));
        }
    }
}

#[tokio::test]
async fn every_request_is_answered_within_the_request_timeout() {
    let host = Host::with(|setup| setup.http.request_timeout = Duration::from_millis(600)).await;
    host.connect("hanging").await;
    host.connect("john").await;
    let began = Instant::now();
    let reply = post(host.http(), r#"["hanging","john"]"#).await;
    assert_eq!((&reply.json()["updated"], &reply.json()["errors"]), (&json!(1), &json!(1)));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let reply = post(host.http(), "!hang").await;
    reply.refuses(504, "http.request_timeout");
    assert_eq!(reply.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn the_host_header_chooses_the_virtual_host() {
    let host = Host::with(|setup| setup.domains = vec!["first.example", "second.example", "münchen.example"]).await;
    for rosters in &host.rosters {
        let john = crate::model::Username::new("john").unwrap();
        rosters.connect(&john, crate::rosters::SessionId::new("x")).await.unwrap();
    }
    let versions = || -> Vec<u64> {
        let john = crate::model::Username::new("john").unwrap();
        host.rosters.iter().map(|rosters| rosters.cached(&john).unwrap().snapshot.version()).collect()
    };
    for (named, expected) in [
        ("first.example", 0),
        ("second.example", 1),
        ("second.example:5280", 1),
        ("SECOND.Example.", 1),
        ("xn--mnchen-3ya.example:80", 2),
        ("localhost:5280", 0),
        ("127.0.0.1", 0),
        ("[::1]:5280", 0),
    ] {
        let before = versions();
        let reply = call(host.http(), "POST", ROUTE, &[("Host", named)], r#"["john"]"#).await;
        assert_eq!(reply.status, 200, "{named}");
        let changed: Vec<_> =
            versions().iter().zip(before).enumerate().filter(|(_, (a, b))| *a != b).map(|(at, _)| at).collect();
        assert_eq!(changed, [expected], "{named}");
    }
    let before = versions();
    let path = "http://second.example/roster_admin/refresh/john";
    assert_eq!(call(host.http(), "GET", path, &[("Host", "first.example")], "").await.status, 200);
    assert!(versions()[1] > before[1], "the request's target counts more than the header");
}
