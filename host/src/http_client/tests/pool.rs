//! Which connections are kept, and what happens when the server does not keep them.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Request;

use super::server::{Reply, Server, ok};
use super::*;
use crate::http_client::ErrorKind;

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::always(ok("{}")).await;
    let client = client_of(&server);
    for _ in 0..50 {
        assert_eq!(get(&client, &server.url("/")).await.unwrap().body(), "{}");
    }
    assert_eq!((server.opened(), server.seen().len()), (1, 50));
    let stats = client.stats();
    assert_eq!((stats.requests(), stats.connections_opened(), stats.bytes_in(), stats.retries()), (50, 1, 100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_many_requests_on_several_threads() {
    let server = Server::always(ok("{}")).await;
    let client = client_of(&server);
    for _ in 0..500 {
        get(&client, &server.url("/")).await.unwrap();
    }
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn no_more_connections_than_requests_at_once_and_no_more_kept_than_configured() {
    let server = Server::always(ok("{}")).await;
    let config = ClientConfig { max_idle_connections: 3, ..config([server.origin()]) };
    let client = client(&config);
    for _ in 0..3 {
        let url = server.url("/");
        join_all((0..10).map(|_| get(&client, &url))).await.into_iter().for_each(|result| drop(result.unwrap()));
        eventually("3 open", || client.stats().connections_open() == 3).await;
    }
    assert_eq!(server.opened(), 10 + 7 + 7);
    drop(client);
    eventually("all closed", || server.closed() == server.opened()).await;
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_the_idle_timeout() {
    let server = Server::always(ok("{}")).await;
    let config = ClientConfig { idle_timeout: SHORT, ..config([server.origin()]) };
    let client = client(&config);
    get(&client, &server.url("/")).await.unwrap();
    assert_eq!(server.closed(), 0);
    eventually("closed", || server.closed() == 1).await;
    get(&client, &server.url("/")).await.unwrap();
    eventually("closed again", || server.closed() == 2).await;
}

#[tokio::test]
async fn a_server_that_closes_kept_connections_costs_no_error() {
    // Closes after every answer, without saying so: now and then the client is faster than the news.
    let server = Server::always(match ok("{}") {
        Reply::Send(text) => Reply::Last(text),
        other => other,
    })
    .await;
    let client = client_of(&server);
    for _ in 0..300 {
        get(&client, &server.url("/")).await.unwrap();
    }
    assert!(server.opened() >= 300);
}

#[tokio::test]
async fn a_get_that_met_a_closing_connection_is_repeated_once_on_a_new_one() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for goodbye in [Reply::Close, Reply::Reset, Reply::Last(timeout.to_owned())] {
        let script = goodbye.clone();
        let server = Server::start(move |seen| if seen.nth == 1 { script.clone() } else { ok("{}") }).await;
        let client = client_of(&server);
        // Two kept connections, both about to fail: the repetition must not meet the second.
        let url = server.url("/");
        let (one, two) = tokio::join!(get(&client, &url), get(&client, &url));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(get(&client, &url).await.unwrap().body(), "{}", "{goodbye:?}");
        let seen: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!((seen.len(), seen[3]), (4, 2), "{goodbye:?}");
        assert_eq!(client.stats().retries(), 1);
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_acted_on_is_not_repeated() {
    let server = Server::start(|seen| if seen.nth == 1 { Reply::Close } else { ok("{}") }).await;
    let client = client_of(&server);
    get(&client, &server.url("/")).await.unwrap();
    let post = Request::post(server.url("/")).body(Bytes::from_static(b"[]")).unwrap();
    let error = client.send(post, Deadlines::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reset, "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_new_connection_that_is_closed_without_an_answer_is_an_error_at_once() {
    for reply in [Reply::Close, Reply::Reset] {
        let server = Server::always(reply).await;
        let client = client_of(&server);
        let error = get(&client, &server.url("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Reset, "{error}");
        assert_eq!((server.seen().len(), client.stats().errors(ErrorKind::Reset)), (1, 1));
    }
}

#[tokio::test]
async fn a_request_given_up_closes_its_connection() {
    let server = Server::always(Reply::Hang(String::new())).await;
    let client = client_of(&server);
    tokio::time::timeout(SHORT, get(&client, &server.url("/"))).await.unwrap_err();
    eventually("closed", || server.closed() == 1).await;
    assert_eq!(client.stats().connections_open(), 0);
}

#[tokio::test]
async fn a_post_carries_its_body_and_keeps_its_connection() {
    let server = Server::always(ok("{}")).await;
    let client = client_of(&server);
    for size in [0, 5, 1 << 20] {
        let post = Request::post(server.url("/x?y=%20")).body(Bytes::from(vec![b'x'; size])).unwrap();
        client.send(post, Deadlines::default()).await.unwrap();
        // The driver learns that all is written in its own time; until then the connection is not kept.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (seen, size) in server.seen().iter().zip(["0", "5", "1048576"]) {
        assert_eq!((seen.header("content-length"), seen.path()), (Some(size), "/x?y=%20"));
        assert_eq!(seen.header("host").unwrap(), server.address().to_string());
    }
}
