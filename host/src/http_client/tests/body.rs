//! Bodies in every framing, whole and broken.

use std::time::Duration;

use http::Request;

use super::server::{Reply, Server, ok};
use super::*;
use crate::http_client::ErrorKind;

fn send(text: &str) -> Reply {
    Reply::Send(text.to_owned())
}

fn last(text: &str) -> Reply {
    Reply::Last(text.to_owned())
}

#[tokio::test]
async fn a_body_arrives_whole_in_every_framing() {
    let long = "x".repeat(300_000);
    for (name, reply, expected) in [
        ("length", ok("hello"), "hello"),
        ("long", ok(&long), long.as_str()),
        ("empty", ok(""), ""),
        (
            "chunked",
            send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
            "hello",
        ),
        ("until the end", last("HTTP/1.1 200 OK\r\n\r\nhello"), "hello"),
        ("HTTP/1.0", last("HTTP/1.0 200 OK\r\n\r\nhello"), "hello"),
        ("none", send("HTTP/1.1 204 No Content\r\n\r\n"), ""),
        ("after 100", send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), "hi"),
    ] {
        let server = Server::always(reply).await;
        let client = client_of(&server);
        for _ in 0..2 {
            let response = get(&client, &server.url("/")).await.unwrap();
            assert_eq!(response.body(), expected, "{name}");
            assert!(response.headers().get("transfer-encoding").is_none());
        }
    }
}

#[tokio::test]
async fn a_head_request_has_no_body_whatever_its_length_says() {
    let server = Server::always(send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")).await;
    let client = client_of(&server);
    for _ in 0..2 {
        let head = Request::head(server.url("/")).body(Bytes::new()).unwrap();
        let response = client.send(head, Deadlines::default()).await.unwrap();
        assert_eq!(
            (response.body().len(), &response.headers()["content-length"]),
            (0, &"99999999999".parse().unwrap())
        );
    }
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_accepted() {
    let server = Server::always(ok(&"x".repeat(1000))).await;
    for (limit, accepted) in [(1000, true), (999, false)] {
        let config = ClientConfig { max_response: limit, ..config([server.origin()]) };
        assert_eq!(get(&client(&config), &server.url("/")).await.is_ok(), accepted, "{limit}");
    }
}

#[tokio::test]
async fn broken_and_oversized_responses_are_errors_of_their_kind() {
    let piece = "x".repeat(10_000);
    let chunk = format!("2710\r\n{piece}\r\n");
    let endless = |head: &str, piece: &str| Reply::Endless(head.to_owned(), piece.to_owned(), Duration::ZERO);
    let many_headers: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (name, reply, kind) in [
        ("short", last("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), ErrorKind::Incomplete),
        ("short chunk", last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel"), ErrorKind::Incomplete),
        (
            "no last chunk",
            last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"),
            ErrorKind::Incomplete,
        ),
        ("bad chunk", last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel\r\n"), ErrorKind::Protocol),
        ("announced", send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), ErrorKind::TooLarge),
        ("endless", endless("HTTP/1.1 200 OK\r\n\r\n", &piece), ErrorKind::TooLarge),
        (
            "endless chunks",
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk),
            ErrorKind::TooLarge,
        ),
        ("endless head", endless("HTTP/1.1 200 OK\r\n", "X-Flood: 12345678901234567890\r\n"), ErrorKind::HeadTooLarge),
        ("long header", endless("HTTP/1.1 200 OK\r\nX-Flood: ", &piece), ErrorKind::HeadTooLarge),
        ("many headers", send(&format!("HTTP/1.1 200 OK\r\n{many_headers}\r\n")), ErrorKind::HeadTooLarge),
        ("not HTTP", last("SSH-2.0-OpenSSH_9.9\r\n"), ErrorKind::Protocol),
        ("bad length", last("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), ErrorKind::Protocol),
        ("HTTP/0.9", last("{}"), ErrorKind::Protocol),
        (
            "two lengths",
            send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
            ErrorKind::Protocol,
        ),
        ("a coding", last("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}"), ErrorKind::Encoded),
        (
            "a coding within chunks",
            last("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
            ErrorKind::Encoded,
        ),
        ("half a head", last("HTTP/1.1 200 OK\r\nConte"), ErrorKind::Reset),
        ("no head", last(""), ErrorKind::Reset),
        ("a reset", Reply::Reset, ErrorKind::Reset),
        (
            "101",
            send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            ErrorKind::Protocol,
        ),
    ] {
        let server = Server::always(reply).await;
        let config = ClientConfig { max_response: 1 << 20, max_response_headers: 150, ..config([server.origin()]) };
        let client = client(&config);
        let error = get(&client, &server.url("/a?b")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().starts_with(&server.url("/a?...: ")), "{name}: {error}");
        let hint = match kind {
            ErrorKind::Incomplete => "the response body breaks off after ",
            ErrorKind::TooLarge => "longer than 1048576 bytes (client.max_response)",
            ErrorKind::HeadTooLarge => "(client.max_response_head) or 150 headers (client.max_response_headers)",
            ErrorKind::Reset => "the connection was lost before the response",
            ErrorKind::Encoded => "has Transfer-Encoding: ",
            _ if name == "101" => "status 101 is no answer",
            _ => "not valid HTTP",
        };
        assert!(error.detail().contains(hint), "{name}: {error}");
        assert_eq!(client.stats().errors(kind), 1);
        eventually("the connection is closed", || client.stats().connections_open() == 0).await;
    }
}

#[tokio::test]
async fn heads_that_curl_takes_are_taken() {
    let many: String = (0..400).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (name, headers) in [
        ("120 headers", many.lines().take(120).map(|line| format!("{line}\r\n")).collect()),
        ("400 headers", many.clone()),
        ("a folded line", "X-Folded: one\r\n two\r\n\tthree\r\n".to_owned()),
        ("a folded line that begins with its fold", "X-Folded:\r\n one two   three\r\n".to_owned()),
    ] {
        let server = Server::always(send(&format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\n\r\n{{}}"))).await;
        let client = client_of(&server);
        for _ in 0..2 {
            let response = get(&client, &server.url("/")).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(response.body().as_ref(), b"{}", "{name}");
            if let Some(folded) = response.headers().get("x-folded") {
                let words: Vec<_> = folded.to_str().unwrap().split_ascii_whitespace().collect();
                assert_eq!(words, ["one", "two", "three"], "{name}: {folded:?}");
            }
        }
        assert_eq!(server.opened(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_coding_that_nobody_asked_for_is_named() {
    let encoded = |status: &str, coding: &str| {
        send(&format!("HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n\u{1f}{{"))
    };
    for (status, coding, asked, refused) in [
        ("200 OK", "gzip", None, true),
        ("200 OK", "BR", None, true),
        ("200 OK", "identity, deflate", None, true),
        ("200 OK", "identity", None, false),
        ("200 OK", "", None, false),
        ("200 OK", "gzip", Some("gzip"), false),
        // What the status says is worth more.
        ("404 Not Found", "gzip", None, false),
        ("503 Busy", "gzip", None, false),
    ] {
        let server = Server::always(encoded(status, coding)).await;
        let mut request = get_request(&server.url("/c"));
        if let Some(asked) = asked {
            request.headers_mut().insert("accept-encoding", asked.parse().unwrap());
        }
        match client_of(&server).send(request, Deadlines::default()).await {
            Ok(response) => assert!(!refused, "{status} {coding}: {response:?}"),
            Err(error) => {
                assert!(refused, "{status} {coding}: {error}");
                assert_eq!((error.kind(), error.target()), (ErrorKind::Encoded, &*server.url("/c")));
                assert!(error.detail().contains(&format!("Content-Encoding: {coding}")), "{error}");
            }
        }
    }
}
