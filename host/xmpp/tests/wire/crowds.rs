//! Many connections of few addresses, and TLS handshakes that are begun and not finished.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::server::{LONG, config};
use crate::support::{Client, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConnection;
use tokio_rustls::rustls::pki_types::ServerName;

const STARTTLS: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' \
                        to='example.com'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// A connection from 127.0.0.`number`.
async fn connect_as(number: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 0, 0, number), 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// The first record of a handshake.
fn client_hello(server: &Server) -> Vec<u8> {
    let name = ServerName::try_from("example.com").unwrap();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::clone(&server.trust), name).unwrap().write_tls(&mut hello).unwrap();
    hello
}

/// A client that is at the beginning of its handshake.
async fn before_tls(server: &Server, number: u8, direct: bool) -> TcpStream {
    if direct {
        return connect_as(number, server.tls).await;
    }
    let mut stream = connect_as(number, server.plain).await;
    stream.write_all(STARTTLS.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("<proceed") {
        assert_ne!(timeout(LONG, stream.read_buf(&mut said)).await.unwrap().unwrap(), 0, "closed");
    }
    stream
}

#[tokio::test]
async fn an_address_connects_so_often_and_its_hello_is_not_looked_at_after_that() {
    let mut config = config();
    config.limits.connections_per_second = 1;
    config.limits.connections_per_address = 10;
    let server = Server::with(config).await;
    let hello = client_hello(&server);
    let mut answered = 0;
    for _ in 0..20 {
        let mut stream = connect_as(2, server.tls).await;
        // It may be closed by now.
        let _ = stream.write_all(&hello).await;
        answered += usize::from(timeout(LONG, stream.read_u8()).await.expect("neither answered nor closed").is_ok());
    }
    assert!((10..=15).contains(&answered), "{answered} of ten at once and one each second");
    assert!(server.counters.connections_refused.get() >= 5);
    Client::log_in(&server, "john", "phone").await;
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_make_room_for_those_that_do() {
    for direct in [true, false] {
        let mut config = config();
        config.limits.handshakes = 4;
        let server = Server::with(config).await;
        let hello = client_hello(&server);
        let mut stuck = Vec::new();
        for number in 2..12 {
            let mut stream = before_tls(&server, number, direct).await;
            stream.write_all(&hello[..20]).await.unwrap();
            stuck.push(stream);
        }
        // Who says nothing takes no place.
        for number in 12..30 {
            stuck.push(before_tls(&server, number, direct).await);
        }
        let began = Instant::now();
        let mut stream = before_tls(&server, 1, direct).await;
        stream.write_all(&hello).await.unwrap();
        timeout(LONG, stream.read_u8()).await.expect("no answer to the hello").expect("an answer to the hello");
        assert!(began.elapsed() < Duration::from_secs(15), "{direct}: not after timeouts.login: {:?}", began.elapsed());
    }
}
