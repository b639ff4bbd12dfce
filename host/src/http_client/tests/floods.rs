//! What comes before a response.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::ErrorKind;
use super::server::{Reply, Server};
use super::tls::Authority;
use super::{client, client_of, config, eventually, get};
use crate::config::ClientConfig;

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

#[tokio::test]
async fn some_informational_responses_are_passed_over_and_a_flood_of_them_is_an_error() {
    for (what, reply, served) in [
        ("none", Reply::Send(OK.into()), true),
        ("sixteen", Reply::Send(EARLY.repeat(16) + OK), true),
        ("seventeen", Reply::Send(EARLY.repeat(17) + OK), false),
        ("without end", Reply::Endless(String::new(), EARLY.repeat(100), Duration::ZERO), false),
        ("one by one", Reply::Endless(String::new(), EARLY.into(), Duration::from_millis(5)), false),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let client = client_of(&server);
        let began = Instant::now();
        let result = get(&client, &server.url("/")).await;
        match result {
            Ok(response) => assert!(served && response.body() == "{}", "{what}"),
            Err(error) => {
                assert!(!served && error.kind() == ErrorKind::Protocol, "{what}: {error}");
                assert!(error.detail().contains("more than 16 informational responses (1xx)"), "{what}: {error}");
                eventually(what, || server.closed() == 1).await;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: before any deadline");
    }
}

#[tokio::test]
async fn frames_of_http_2_without_data_end_the_connection_when_there_are_too_many() {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()
    };
    // `:status: 103`, written out.
    let early = frame(1, 4, 1, b"\x08\x03103");
    let settings = frame(4, 0, 0, b"");
    for (what, flood) in
        [("informational responses", early), ("pings", frame(6, 0, 0, b"12345678")), ("settings", settings.clone())]
    {
        let ca = Authority::new();
        let acceptor = ca.acceptor(&["127.0.0.1"], &["h2"], false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let piece = flood.repeat(50);
        let first = settings.clone();
        let server = tokio::spawn(async move {
            let mut sent = 0;
            // One connection, and one more for the second attempt.
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut read = [0; 1024];
                let _ = stream.read(&mut read).await;
                let _ = stream.write_all(&first).await;
                let _ = stream.read(&mut read).await;
                while sent < 1_000_000 && stream.write_all(&piece).await.is_ok() {
                    sent += 50;
                }
            }
        });
        let client = client(&ClientConfig { ca_file: Some(ca.file()), ..config([origin.clone()]) });
        let began = Instant::now();
        let error = get(&client, &format!("{origin}/")).await.unwrap_err();
        assert!(error.detail().contains("too many frames of HTTP/2 that carry no data"), "{what}: {error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: before any deadline");
        server.abort();
    }
}
