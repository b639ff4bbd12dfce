//! Too long, too slow, too many.

use std::time::{Duration, Instant};

use crate::http::tests::client::{Client, call, get, post, request};
use crate::http::tests::{HANGS, Host, ROUTE, secret};

const HUGE: usize = 20 << 20;

fn head(headers: &str) -> String {
    format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n")
}

#[tokio::test]
async fn a_body_of_the_allowed_length_is_taken_and_one_byte_more_is_not() {
    let host = Host::with(|setup| setup.http.max_body = 1000).await;
    for (length, status) in [(1000, 200), (1001, 413)] {
        let body = format!("[]{}", " ".repeat(length - 2));
        assert_eq!(post(host.http(), &body).await.status, status, "{length}");
        let mut client = Client::open(host.http()).await;
        client.send(head("Transfer-Encoding: chunked")).await;
        client.send(format!("{length:x}\r\n{body}\r\n0\r\n\r\n")).await;
        assert_eq!(client.reply().await.status, status, "{length}, chunked");
    }
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_the_body_comes() {
    let host = Host::start().await;
    for more in ["", "\r\nExpect: 100-continue"] {
        let mut client = Client::open(host.http()).await;
        client.send(head(&format!("Content-Length: {HUGE}{more}"))).await;
        let reply = client.until("\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 413"), "no 100 Continue comes first: {reply}");
        assert!(reply.contains("connection: close"), "{reply}");
    }
}

#[tokio::test]
async fn a_client_that_writes_first_and_reads_later_sees_the_413() {
    let host = Host::start().await;
    let body = vec![b' '; HUGE];
    for chunked in [false, true] {
        let mut client = Client::open(host.http()).await;
        if chunked {
            client.send(head("Transfer-Encoding: chunked")).await;
            client.send(format!("{HUGE:x}\r\n")).await;
        } else {
            client.send(head(&format!("Content-Length: {HUGE}"))).await;
        }
        client.send(&body).await;
        client.send(if chunked { "\r\n0\r\n\r\n" } else { "" }).await;
        client.reply().await.refuses(413, "http.max_body");
        assert_eq!(client.closed().await, "");
    }
}

#[tokio::test]
async fn a_connection_survives_a_body_that_nobody_reads() {
    let host = Host::with(|setup| setup.http.token = secret("s3cret")).await;
    let mut client = Client::open(host.http()).await;
    let body = " ".repeat(3 << 20);
    client.call("POST", ROUTE, &[], &body).await.refuses(401, "http.token");
    client.call("POST", "/elsewhere", &[("Authorization", "Bearer s3cret")], &body).await.refuses(404, "");
    assert_eq!(client.call("POST", ROUTE, &[("Authorization", "Bearer s3cret")], "[]").await.status, 200);
}

#[tokio::test]
async fn slow_and_silent_clients_are_cut_off() {
    let host = Host::with(|setup| {
        setup.http.header_timeout = Duration::from_millis(400);
        setup.http.request_timeout = Duration::from_secs(2);
    })
    .await;
    let get = request("GET", "/roster_admin/refresh/x", &[], "");
    for (what, sent, answered) in [
        ("nothing", "", false),
        ("half a head", "POST /roster_admin/refresh HTTP/1.1\r\nHo", false),
        ("half the preface of HTTP/2", "PRI * HTTP/2.0\r\n", false),
        ("the preface of HTTP/2 and no more", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        ("one request and then nothing", &get, true),
        ("one request and then half a head", &format!("{get}GET /"), true),
    ] {
        let began = Instant::now();
        let mut client = Client::open(host.http()).await;
        client.send(sent).await;
        let said = client.closed().await;
        assert_eq!(said.starts_with("HTTP/1.1 200"), answered, "{what}: {said}");
        assert!(began.elapsed() < HANGS / 2, "{what}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_in_time() {
    let host = Host::with(|setup| setup.http.header_timeout = Duration::from_millis(500)).await;
    let began = Instant::now();
    let mut client = Client::open(host.http()).await;
    client.send("GET / HTTP/1.1\r\n").await;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if tokio::io::AsyncWriteExt::write_all(&mut client.stream, b"X: y\r\n").await.is_err() {
            break;
        }
        assert!(began.elapsed() < HANGS, "still open");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let host = Host::with(|setup| setup.http.header_timeout = Duration::from_millis(300)).await;
    for sent in [head("Content-Length: 10") + "[", head("Transfer-Encoding: chunked") + "1\r\n[\r\n"] {
        let mut client = Client::open(host.http()).await;
        client.send(sent).await;
        let reply = client.reply().await;
        reply.refuses(408, "http.header_timeout");
        assert_eq!(reply.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_broken_body_is_a_400() {
    let host = Host::start().await;
    let mut client = Client::open(host.http()).await;
    client.send(head("Transfer-Encoding: chunked") + "nonsense\r\n").await;
    client.reply().await.refuses(400, "broke off");
}

#[tokio::test]
async fn too_long_a_head_is_a_431() {
    let host = Host::start().await;
    for headers in [format!("X: {}", "x".repeat(70 << 10)), vec!["X: y"; 120].join("\r\n")] {
        let mut client = Client::open(host.http()).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, head(&headers).as_bytes()).await;
        client.reply().await.refuses(431, "65536 bytes or 100 headers");
    }
    let fits = "x".repeat(30 << 10);
    assert_eq!(call(host.http(), "POST", ROUTE, &[("X", &fits)], "[]").await.status, 200);
}

#[tokio::test]
async fn one_request_more_than_allowed_is_a_503() {
    let host = Host::with(|setup| setup.http.max_requests = 1).await;
    host.connect("hanging").await;
    let mut busy = Client::open(host.http()).await;
    busy.send(request("GET", "/roster_admin/refresh/hanging", &[], "")).await;
    host.plugin.asked_for(2).await;
    for reply in [post(host.http(), "[]").await, get(host.http(), "/roster_admin/refresh/john").await] {
        reply.refuses(503, "http.max_requests");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    host.plugin.release();
    assert_eq!(busy.reply().await.status, 200);
    assert_eq!(post(host.http(), "[]").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let host = Host::with(|setup| {
        setup.http.max_requests = 1;
        setup.http.request_timeout = Duration::from_millis(1500);
    })
    .await;
    let mut gone = Client::open(host.http()).await;
    gone.send(request("POST", ROUTE, &[], "!hang")).await;
    while post(host.http(), "[]").await.status != 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(gone);
    let began = Instant::now();
    while post(host.http(), "[]").await.status != 200 {
        assert!(began.elapsed() < HANGS);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
