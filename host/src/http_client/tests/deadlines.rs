//! Servers that take their time.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::*;
use crate::http_client::ErrorKind;

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
    for (name, reply, first, total, asked, kind) in [
        ("nothing", &nothing, SHORT, long, Deadlines::default(), ErrorKind::FirstByteTimeout),
        ("nothing, the plugin's deadline", &nothing, long, long, first_byte, ErrorKind::FirstByteTimeout),
        ("nothing, total", &nothing, long, SHORT, Deadlines::default(), ErrorKind::TotalTimeout),
        ("half a head", &half_head, SHORT, long, Deadlines::default(), ErrorKind::FirstByteTimeout),
        ("half a body", &half_body, long, SHORT, Deadlines::default(), ErrorKind::TotalTimeout),
        ("half a body, the plugin's deadline", &half_body, long, long, between, ErrorKind::BodyTimeout),
        ("dripping", &drip, long, 2 * SHORT, between, ErrorKind::TotalTimeout),
    ] {
        let server = Server::always(reply.clone()).await;
        let config = ClientConfig { first_byte_timeout: first, total_timeout: total, ..config([server.origin()]) };
        let client = client(&config);
        let start = Instant::now();
        let error = client.send(get_request(&server.url("/")), asked).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(start.elapsed() >= SHORT && start.elapsed() < long / 2, "{name}: {:?}", start.elapsed());
        eventually("the server sees the connection closed", || server.closed() == 1).await;
    }
}

#[tokio::test]
async fn the_connect_deadline_covers_dns_tcp_and_tls() {
    // Accepts, as the kernel does for a listener, and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let ca = super::tls::Authority::new();
    let long = Duration::from_secs(60);
    for (limit, asked) in [(SHORT, None), (long, Some(SHORT))] {
        let config = ClientConfig { connect_timeout: limit, ca_file: Some(ca.file()), ..config([&origin]) };
        let asked = Deadlines { connect: asked, ..Deadlines::default() };
        let error = client(&config).send(get_request(&origin), asked).await.unwrap_err();
        assert_eq!(error, SendError::ConnectTimeout { origin: origin.clone(), after: SHORT });
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
