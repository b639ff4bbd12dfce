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
        ("half a head", last("HTTP/1.1 200 OK\r\nConte"), ErrorKind::Reset),
        (
            "101",
            send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            ErrorKind::Protocol,
        ),
    ] {
        let server = Server::always(reply).await;
        let config = ClientConfig { max_response: 1 << 20, ..config([server.origin()]) };
        let client = client(&config);
        let error = get(&client, &server.url("/a?b")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().starts_with(&server.url("/a?...: ")), "{name}: {error}");
        assert_eq!(client.stats().errors(kind), 1);
        eventually("the connection is closed", || client.stats().connections_open() == 0).await;
    }
}
