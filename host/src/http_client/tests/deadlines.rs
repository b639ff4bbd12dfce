//! Servers that take their time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};

use super::server::{Reply, Server};
use super::*;
use crate::http_client::ErrorKind;
use crate::http_client::connections::Resolve;

const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhel";

#[tokio::test]
async fn a_hanging_server_costs_the_deadline_it_ran_into() {
    let nothing = Reply::Hang(String::new());
    let half_head = Reply::Hang("HTTP/1.1 200 O".to_owned());
    let half_body = Reply::Hang(BEGUN.to_owned());
    let drip = Reply::Endless(BEGUN.to_owned(), "x".to_owned(), SHORT / 10);
    let long = Duration::from_secs(60);
    let first_byte = Deadlines { first_byte: Some(SHORT), ..Deadlines::default() };
    let between = Deadlines { between_bytes: Some(SHORT), ..Deadlines::default() };
    let hints = Reply::Endless(String::new(), "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_owned(), SHORT / 5);
    let none = Deadlines::default();
    let (first_key, total_key) = ("(client.first_byte_timeout)", "(client.total_timeout)");
    let own = "(the plugin's own limit)";
    let no_response = "the request was sent, and no response came within";
    let no_end = "the response body did not end within";
    for (name, reply, first, total, asked, kind, what, key) in [
        ("nothing", &nothing, SHORT, long, none, ErrorKind::FirstByteTimeout, no_response, first_key),
        ("nothing, the plugin's", &nothing, long, long, first_byte, ErrorKind::FirstByteTimeout, no_response, own),
        ("nothing, total", &nothing, long, SHORT, none, ErrorKind::TotalTimeout, no_response, total_key),
        ("half a head", &half_head, SHORT, long, none, ErrorKind::FirstByteTimeout, no_response, first_key),
        ("1xx now and then", &hints, SHORT, long, none, ErrorKind::FirstByteTimeout, no_response, first_key),
        ("half a body", &half_body, long, SHORT, none, ErrorKind::TotalTimeout, no_end, total_key),
        ("half a body, the plugin's", &half_body, long, long, between, ErrorKind::BodyTimeout, "after 3 bytes", own),
        ("dripping", &drip, long, 2 * SHORT, between, ErrorKind::TotalTimeout, no_end, total_key),
    ] {
        let server = Server::always(reply.clone()).await;
        let config = ClientConfig { first_byte_timeout: first, total_timeout: total, ..config([server.origin()]) };
        let client = client(&config);
        let start = Instant::now();
        let error = client.send(get_request(&server.url("/")), asked).await.unwrap_err();
        assert_eq!((error.kind(), error.target()), (kind, &*server.url("/")), "{name}: {error}");
        assert!(error.detail().contains(what) && error.detail().contains(key), "{name}: {error}");
        assert!(start.elapsed() >= SHORT && start.elapsed() < long / 2, "{name}: {:?}", start.elapsed());
        eventually("the server sees the connection closed", || server.closed() == 1).await;
    }
}

/// Never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_in_time_is_said_to_wait_for_dns_tcp_or_tls() {
    // Accepts, as the kernel does for a listener, and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = format!("https://127.0.0.1:{}/c", silent.local_addr().unwrap().port());
    // A queue of one that is full: the kernel answers nobody any more.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _queued: Vec<_> = (0..4)
        .map(|_| tokio::spawn(async move { (TcpStream::connect(address).await, std::future::pending::<()>().await) }))
        .collect();
    let tcp = format!("http://{address}/c");
    let dns = "http://app.test/c".to_owned();
    let ca = super::tls::Authority::new();
    let long = Duration::from_secs(60);
    let (key, total_key, own) = ("(client.connect_timeout)", "(client.total_timeout)", "(the plugin's own limit)");
    for (url, what) in [
        (&tls, "the TLS handshake did not end within"),
        (&tcp, "the server did not accept a TCP connection within"),
        (&dns, "the host name was not looked up within"),
    ] {
        for (connect, total, asked, kind, key) in [
            (SHORT, long, None, ErrorKind::ConnectTimeout, key),
            (long, long, Some(SHORT), ErrorKind::ConnectTimeout, own),
            (long, SHORT, None, ErrorKind::TotalTimeout, total_key),
        ] {
            let config = ClientConfig {
                connect_timeout: connect,
                total_timeout: total,
                ca_file: Some(ca.file()),
                ..config([url.trim_end_matches("/c")])
            };
            let client = HttpClient::with_resolver(&config, Arc::new(Silent)).unwrap();
            let asked = Deadlines { connect: asked, ..Deadlines::default() };
            let error = client.send(get_request(url), asked).await.unwrap_err();
            assert_eq!((error.kind(), error.target()), (kind, &**url), "{error}");
            assert_eq!(error.detail(), format!("{what} {SHORT:?} {key}"));
        }
    }
}

#[tokio::test]
async fn the_total_deadline_covers_all_redirects() {
    let server = Server::start(|_| {
        std::thread::sleep(SHORT / 2);
        super::server::redirect(302, "/again")
    })
    .await;
    let config = ClientConfig { max_redirects: 1000, total_timeout: 2 * SHORT, ..config([server.origin()]) };
    let error = get(&client(&config), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TotalTimeout, "{error}");
}
