//! What holds for every request: one spelling for each path, one host, a body as it is, and JSON whatever comes.

use std::time::{Duration, Instant};

use super::client::{Client, Reply, call, get, request};
use super::tls::{Files, connect as connect_tls, pair};
use super::{HANGS, Host, ROUTE, secret};

/// One answer to `bytes`; then the host closes the connection, and the client gets to see all of it.
async fn answer_to(client: &mut Client, bytes: impl AsRef<[u8]>) -> Reply {
    client.send(bytes).await;
    client.reply().await
}

#[tokio::test]
async fn a_path_written_otherwise_is_the_plain_path() {
    let host = Host::start().await;
    host.connect("john").await;
    for path in [
        "//roster_admin/refresh",
        "/roster_admin//refresh",
        "///roster_admin///refresh?a//b",
        "/roster_admin/%72efresh",
        "/%72oster%5Fadmin/refres%68",
        "/roster_admin/./refresh",
        "http://localhost//roster_admin/refresh",
    ] {
        let reply = call(host.http(), "POST", path, &[], r#"["john"]"#).await;
        assert_eq!((reply.status, &reply.json()["updated"]), (200, &1.into()), "{path}");
        call(host.http(), "GET", path, &[], "").await.refuses(405, "POST");
    }
    host.plugin.asked.lock().clear();
    for path in ["//roster_admin/refresh/john", "/roster_admin/refresh//john", "/roster_admin/refresh/%6Aoh%6e"] {
        assert_eq!(get(host.http(), path).await.status, 200, "{path}");
    }
    assert_eq!(host.plugin.asked(), ["john"; 3]);
}

#[tokio::test]
async fn no_spelling_of_a_path_reaches_another_route() {
    let host = Host::with(|setup| setup.admin.token = secret("s3cret")).await;
    host.connect("john").await;
    host.plugin.asked.lock().clear();
    for (path, status, hint) in [
        ("/roster_admin%2Frefresh", 404, "/roster_admin/refresh"),
        ("/roster_admin%2frefresh/john", 404, "/roster_admin/refresh"),
        ("/x/../roster_admin/refresh", 404, ".."),
        ("/x/%2e%2E/roster_admin/refresh/john", 404, ".."),
        ("/roster_admin/refresh/john/..", 404, ".."),
        ("/roster_admin/refresh/%2e.", 404, ".."),
        ("/roster_admin/%%37%32efresh", 400, "%"),
        ("/roster_admin/refresh/john%", 400, "%"),
    ] {
        for method in ["GET", "POST"] {
            call(host.http(), method, path, &[], "").await.refuses(status, hint);
        }
    }
    assert_eq!(host.plugin.asked(), [""; 0], "nobody was refreshed");
    // What is open to all opens nothing else, and the token is asked for however a path is written.
    let token = [("Authorization", "Bearer s3cret")];
    for (path, without, with) in [
        ("//healthz", 200, 200),
        ("/%68ealthz", 200, 200),
        ("//metrics", 401, 200),
        ("/%6Detrics", 401, 200),
        ("/./metrics", 401, 200),
        ("/rosters//john", 401, 200),
        ("/healthz%2F..%2Fmetrics", 401, 404),
        ("/healthz/../metrics", 404, 404),
        ("/healthz/%2E%2E/metrics", 404, 404),
        ("/healthz%00/metrics", 401, 404),
        ("/healthz/", 401, 404),
    ] {
        let reply = get(host.admin(), path).await;
        assert_eq!(reply.status, without, "{path} without the token: {reply:?}");
        let reply = call(host.admin(), "GET", path, &token, "").await;
        assert_eq!(reply.status, with, "{path} with the token: {reply:?}");
    }
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let host = Host::start().await;
    let shape = |version: &str, target: &str, headers: &str| {
        format!("POST {target} HTTP/{version}\r\n{headers}Content-Length: 2\r\n\r\n[]")
    };
    let absolute = "http://example.com/roster_admin/refresh";
    for (version, target, headers, status) in [
        ("1.1", ROUTE, "", 400),
        ("1.1", ROUTE, "Host: localhost\r\nHost: localhost\r\n", 400),
        ("1.1", ROUTE, "Host: a\r\nX: y\r\nhost: b\r\nHOST: c\r\n", 400),
        ("1.1", ROUTE, "Host:\r\n", 400),
        ("1.1", ROUTE, "Host: a b\r\n", 400),
        ("1.1", ROUTE, "Host: @@bad@@\r\n", 400),
        ("1.1", ROUTE, "Host: a, b\r\n", 400),
        ("1.1", ROUTE, "Host: http://localhost\r\n", 400),
        ("1.1", ROUTE, "Host: localhost:port\r\n", 400),
        ("1.1", ROUTE, "Host: m\u{fc}nchen.example\r\n", 400),
        ("1.1", absolute, "", 400),
        ("1.1", absolute, "Host: localhost\r\nHost: localhost\r\n", 400),
        ("1.1", "http://me:pw@example.com/roster_admin/refresh", "Host: localhost\r\n", 400),
        ("1.0", ROUTE, "Host: a\r\nHost: a\r\n", 400),
        ("1.0", ROUTE, "Host: a b\r\n", 400),
        ("1.1", ROUTE, "Host: localhost:5280\r\n", 200),
        ("1.1", ROUTE, "Host: [::1]:5280\r\n", 200),
        ("1.1", absolute, "Host: localhost\r\n", 200),
        ("1.0", ROUTE, "", 200),
        ("1.0", ROUTE, "Host: localhost\r\n", 200),
        ("1.0", absolute, "", 200),
    ] {
        let reply = answer_to(&mut Client::open(host.http()).await, shape(version, target, headers)).await;
        match status {
            200 => assert_eq!(reply.status, 200, "HTTP/{version} {target} {headers:?}: {reply:?}"),
            status => reply.refuses(status, "ost"),
        }
    }
    for headers in ["", "Host: localhost\r\nHost: localhost\r\n"] {
        let text = format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
        let reply = answer_to(&mut Client::open(host.admin()).await, text).await;
        assert_eq!((reply.status, &reply.json()["status"]), (400, &"error".into()));
    }
}

#[tokio::test]
async fn a_body_that_is_encoded_is_refused_and_said_to_be() {
    let host = Host::with(|setup| setup.admin.token = secret("s3cret")).await;
    for (header, value, status) in [
        ("Content-Encoding", "gzip", 415),
        ("Content-Encoding", "GZIP", 415),
        ("Content-Encoding", "br", 415),
        ("Content-Encoding", "deflate, identity", 415),
        ("Content-Encoding", "identity", 200),
        ("Content-Encoding", "", 200),
        ("Content-Encoding", "identity, identity", 200),
        ("Transfer-Encoding", "gzip, chunked", 501),
        ("Transfer-Encoding", "chunked, chunked", 501),
        ("Transfer-Encoding", "identity\r\nTransfer-Encoding: chunked", 501),
        ("Transfer-Encoding", "gzip", 400),
        ("Transfer-Encoding", "chunked, gzip", 400),
        ("Transfer-Encoding", "xchunked", 400),
        ("Transfer-Encoding", "Chunked", 200),
    ] {
        let mut client = Client::open(host.http()).await;
        let (length, body) = match header {
            "Transfer-Encoding" => ("", "2\r\n[]\r\n0\r\n\r\n"),
            _ => ("Content-Length: 2\r\n", "[]"),
        };
        let text = format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\n{header}: {value}\r\n{length}\r\n{body}");
        let reply = answer_to(&mut client, text).await;
        match status {
            200 => assert_eq!(reply.status, 200, "{header}: {value}: {reply:?}"),
            // hyper has refused it: the length of such a body cannot be known.
            400 => reply.refuses(400, "not an HTTP request"),
            status => reply.refuses(status, &format!("{header}: {}", value.split('\r').next().unwrap())),
        }
        assert_eq!(reply.header("accept-encoding"), (status == 415).then_some("identity"), "{value}");
    }
    let headers = [("Authorization", "Bearer s3cret"), ("Content-Encoding", "zstd")];
    let reply = call(host.admin(), "PUT", "/plugin", &headers, "x").await;
    // No virtual host of these tests can swap its plugin, which is found out first.
    assert_eq!((reply.status, &reply.json()["status"]), (404, &"error".into()));
}

#[tokio::test]
async fn what_is_no_request_is_answered_in_json_and_the_connection_closed() {
    let host = Host::start().await;
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 200]].concat();
    let proxy_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x12\x34\x14\xa0";
    let post = request("POST", ROUTE, &[], "[]");
    let many = (0..120).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let cases: &[(&str, Vec<u8>, u16, &str)] = &[
        ("TLS", hello, 400, "http.tls.listen"),
        ("PROXY 1", format!("PROXY TCP4 127.0.0.1 127.0.0.1 4660 5280\r\n{post}").into(), 400, "PROXY protocol"),
        ("PROXY 1, unknown", format!("PROXY UNKNOWN\r\n{post}").into(), 400, "PROXY protocol"),
        ("PROXY 2", [proxy_2, post.as_bytes()].concat(), 400, "PROXY protocol"),
        ("garbage", b"\0\0\0\0".to_vec(), 400, "not an HTTP request"),
        ("text", b"hello there\r\n\r\n".to_vec(), 400, "not an HTTP request"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), 400, "not an HTTP request"),
        ("HTTP/0.9", b"GET /\r\n".to_vec(), 400, "not an HTTP request"),
        ("another version", b"GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_vec(), 400, "not an HTTP request"),
        ("a header without a name", b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n".to_vec(), 400, "not an HTTP request"),
        ("a folded header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n".to_vec(), 400, "not an HTTP request"),
        ("a bad length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n".to_vec(), 400, "not an HTTP"),
        ("a long header", format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(300_000)).into(), 431, "65536 bytes"),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").into(), 431, "100 headers"),
    ];
    for (what, bytes, status, hint) in cases {
        for after in ["", &post] {
            let began = Instant::now();
            let mut client = Client::open(host.http()).await;
            if !after.is_empty() {
                assert_eq!(answer_to(&mut client, after).await.status, 200);
            }
            let reply = answer_to(&mut client, bytes).await;
            assert_eq!(reply.status, *status, "{what}: {reply:?}");
            // Only the first bytes of a connection tell that it speaks something else.
            let another = !after.is_empty() && (what.starts_with("TLS") || what.starts_with("PROXY"));
            reply.refuses(*status, if another { "not an HTTP request" } else { hint });
            assert_eq!(reply.header("connection"), Some("close"), "{what}");
            drop(client.stream);
            assert!(began.elapsed() < HANGS, "{what}");
        }
        let reply = answer_to(&mut Client::open(host.admin()).await, bytes).await;
        let json = reply.json();
        assert_eq!((reply.status, &json["status"], &json["updated"]), (*status, &"error".into(), &().into()), "{what}");
    }
    let metrics = get(host.admin(), "/metrics").await.body;
    // Two heads that are too long, each sent three times.
    assert!(metrics.contains("roster_host_http_requests_total{route=\"none\",status=\"431\"} 6\n"), "{metrics}");
}

#[tokio::test]
async fn a_request_line_that_is_too_long_is_refused_in_json() {
    let host = Host::start().await;
    for length in [65_000, 200_000, 900_000] {
        let text = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(length));
        let reply = answer_to(&mut Client::open(host.http()).await, text).await;
        // Which of the two depends on the pieces it arrives in.
        let expected: &[u16] = if length == 65_000 { &[404] } else { &[414, 431] };
        assert!(expected.contains(&reply.status), "{length}: {reply:?}");
        reply.refuses(reply.status, "");
    }
}

#[tokio::test]
async fn an_answer_to_what_is_no_request_does_not_wait_for_its_sender() {
    let host = Host::start().await;
    let mut client = Client::open(host.http()).await;
    let began = Instant::now();
    answer_to(&mut client, "garbage\r\n\r\n").await.refuses(400, "not an HTTP request");
    // The client neither closes nor reads on.
    assert_eq!(client.closed().await, "");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn errors_of_a_library_are_json_too() {
    let host = Host::with(|setup| setup.admin.token = secret("s3cret")).await;
    let token = [("Authorization", "Bearer s3cret")];
    for (method, path, status, hint) in [
        ("GET", "/plugin?domain=a&domain=b", 400, "domain"),
        ("POST", "/plugin/rollback?to=soon", 400, "to"),
        ("GET", "/rosters/john?domain=a&domain=b", 400, "domain"),
    ] {
        let reply = call(host.admin(), method, path, &token, "").await;
        let json = reply.json();
        assert_eq!((reply.status, &json["status"]), (status, &"error".into()), "{method} {path}");
        assert!(json["message"].as_str().unwrap().contains(hint), "{method} {path}: {json}");
    }
}

#[tokio::test]
async fn a_request_without_tls_on_the_port_of_https_is_told_so() {
    let (files, pair) = (Files::new(), pair());
    files.write(&pair.certificate, &pair.key);
    let host = Host::with(|setup| setup.http.tls = Some(files.config.clone())).await;
    let post = request("POST", ROUTE, &[], "[]");
    for (what, text, hint) in [
        ("HTTP", post.clone(), "https://"),
        ("a long request", request("POST", ROUTE, &[], &" ".repeat(500_000)), "https://"),
        ("PROXY 1", format!("PROXY TCP4 127.0.0.1 127.0.0.1 4660 5281\r\n{post}"), "PROXY protocol"),
        ("PROXY 2", "\r\n\r\n\0\r\nQUIT\n!\x11\0\0".to_owned(), "PROXY protocol"),
    ] {
        let reply = answer_to(&mut Client::open(host.https()).await, text).await;
        reply.refuses(400, hint);
        assert_eq!(reply.header("connection"), Some("close"), "{what}");
    }
    let mut client = Client::over(connect_tls(&host, &pair, b"http/1.1").await.unwrap());
    assert_eq!(client.call("POST", ROUTE, &[], "[]").await.status, 200, "with TLS");
    client.send("garbage\r\n\r\n").await;
    client.reply().await.refuses(400, "not an HTTP request");
}
