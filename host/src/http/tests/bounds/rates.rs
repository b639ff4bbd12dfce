//! Complete requests, more than one address may send in a second: they wait, and others do not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::http::tests::client::{Client, request};
use crate::http::tests::{Host, ROUTE, secret};

/// In a second.
const RATE: u32 = 20;
/// What may come at once, and what takes a second more.
const REQUESTS: usize = 200 + RATE as usize;

#[derive(Clone, Copy)]
enum How {
    OneByOne,
    WithoutWaiting,
    OnConnectionsOfTheirOwn,
}

/// Sends the request so often, and looks at each answer.
async fn flood(address: SocketAddr, how: How, request: &str, status: u16) {
    let mut client = Client::open(address).await;
    if let How::WithoutWaiting = how {
        client.send(request.repeat(REQUESTS)).await;
    }
    for _ in 0..REQUESTS {
        match how {
            How::OneByOne => client.send(request).await,
            How::WithoutWaiting => {}
            How::OnConnectionsOfTheirOwn => {
                client = Client::open(address).await;
                client.send(request).await;
            }
        }
        assert_eq!(client.reply().await.status, status, "{request:?}");
    }
}

/// What so many streams on one connection are answered; `None`: nothing.
async fn streams(address: SocketAddr, count: usize) -> Vec<Option<u16>> {
    let stream = TokioIo::new(Client::open(address).await.stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let answers = (0..count).map(|_| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
            sender.send_request(request).await.ok().map(|answer| answer.status().as_u16())
        }
    });
    join_all(answers).await
}

async fn limited(rate: u32) -> Host {
    Host::with(|setup| {
        setup.http.requests_per_second = rate;
        setup.admin.token = secret("right");
    })
    .await
}

/// Runs the flood; somebody else, who comes when it has begun, is answered before it is over.
async fn takes_a_second(what: &str, address: SocketAddr, flood: impl Future<Output = ()>) {
    let began = Instant::now();
    let flood = async {
        flood.await;
        assert!(began.elapsed() >= Duration::from_secs(1), "{what}: {:?}", began.elapsed());
    };
    let other = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut other = Client::open_as(2, address).await;
        other.call("GET", "/nothing", &[], "").await;
    };
    tokio::pin!(flood);
    tokio::select! {
        () = &mut flood => panic!("{what}: another address had to wait"),
        () = other => flood.await,
    }
}

#[tokio::test]
async fn an_address_sends_so_many_requests_in_a_second_and_more_of_them_wait() {
    use How::{OnConnectionsOfTheirOwn, OneByOne, WithoutWaiting};
    let cases = [
        ("a refresh", false, OneByOne, request("POST", ROUTE, &[], "[]"), 200),
        ("an unknown path", false, OneByOne, request("GET", "/nothing", &[], ""), 404),
        ("another method", false, OneByOne, request("PUT", ROUTE, &[], ""), 405),
        ("no host", false, OneByOne, "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("a wrong token", true, OneByOne, request("GET", "/rosters", &[("Authorization", "Bearer x")], ""), 401),
        ("health", true, OneByOne, request("GET", "/healthz", &[], ""), 200),
        ("pipelined", false, WithoutWaiting, request("GET", "/nothing", &[], ""), 404),
        ("pipelined with bodies", false, WithoutWaiting, request("POST", ROUTE, &[], "[]"), 200),
        ("new connections", false, OnConnectionsOfTheirOwn, request("GET", "/nothing", &[], ""), 404),
        ("no HTTP", false, OnConnectionsOfTheirOwn, "\0\r\n\r\n".into(), 400),
    ];
    for (what, admin, how, request, status) in cases {
        let host = limited(RATE).await;
        let address = if admin { host.admin() } else { host.http() };
        takes_a_second(what, address, flood(address, how, &request, status)).await;
    }
    let host = limited(RATE).await;
    let all = async { assert_eq!(streams(host.http(), REQUESTS).await, [Some(404); REQUESTS]) };
    takes_a_second("streams of HTTP/2", host.http(), all).await;
}

#[tokio::test]
async fn an_address_of_which_more_waits_than_may_come_at_once_loses_connections() {
    let host = limited(4).await;
    // 40 at once and 40 that wait.
    let connections = join_all((0..3).map(|_| streams(host.http(), 50))).await;
    let answered = connections.iter().flatten().flatten().count();
    assert!((50..=100).contains(&answered), "{answered} of 150 were answered");
    let mut other = Client::open_as(2, host.http()).await;
    assert_eq!(other.call("GET", "/nothing", &[], "").await.status, 404);
}

#[tokio::test]
async fn who_waits_for_a_turn_makes_room_for_others() {
    let host = Host::with(|setup| {
        setup.http.requests_per_second = 1;
        setup.http.max_connections = 4;
    })
    .await;
    let mut waiting = Vec::new();
    for n in 0..4 {
        let mut client = Client::open(host.http()).await;
        client.send(request("GET", "/nothing", &[], "").repeat(if n == 0 { 20 } else { 1 })).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        waiting.push(client);
    }
    let mut other = Client::open_as(2, host.http()).await;
    assert_eq!(other.call("GET", "/nothing", &[], "").await.status, 404);
    let answers = waiting.remove(0).closed().await.matches("HTTP/1.1 404").count();
    assert!((10..20).contains(&answers), "{answers} were answered to who waits for longest");
}

#[tokio::test]
async fn zero_is_no_limit() {
    let host = limited(0).await;
    for _ in 0..3 {
        assert_eq!(streams(host.http(), 100).await, [Some(404); 100]);
    }
}
