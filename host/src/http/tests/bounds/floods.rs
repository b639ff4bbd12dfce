//! What carries nothing, sent as fast as it can be.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::http::tests::client::{Client, post};
use crate::http::tests::{HANGS, Host, ROUTE};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a refresh: indexed fields, and two that are written out.
fn headers(stream: u32, flags: u8) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (index, value) in [(4, ROUTE), (1, "localhost")] {
        block.extend([index, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    frame(1, flags, stream, &block)
}

/// Sends `piece` again and again. True if the host ends the connection before all of it is out.
async fn ends(host: &Host, piece: impl Fn(u32) -> Vec<u8>, count: u32) -> bool {
    let mut client = Client::open(host.http()).await;
    client.send([PREFACE, &frame(4, 0, 0, &[])].concat()).await;
    let (mut reader, mut writer) = client.stream.into_split();
    let reading = tokio::spawn(async move { drop(tokio::io::copy(&mut reader, &mut tokio::io::sink()).await) });
    for n in 0..count {
        if timeout(HANGS, writer.write_all(&piece(n))).await.expect("the host reads").is_err() {
            return true;
        }
    }
    timeout(Duration::from_millis(500), reading).await.is_ok()
}

#[tokio::test]
async fn frames_of_http_2_that_carry_nothing_end_the_connection() {
    type Piece = Box<dyn Fn(u32) -> Vec<u8>>;
    let open_first = |then: Vec<u8>| -> Piece {
        Box::new(move |n| if n == 0 { [headers(1, 4), then.clone()].concat() } else { then.clone() })
    };
    let flood = |kind: u8, stream: u32, payload: &'static [u8]| frame(kind, 0, stream, payload).repeat(10);
    let cases: Vec<(&str, Piece)> = vec![
        ("ping", Box::new(move |_| flood(6, 0, b"12345678"))),
        ("settings", Box::new(move |_| flood(4, 0, b"\0\x03\0\0\0\x64"))),
        ("window updates", Box::new(move |_| flood(8, 0, b"\0\0\0\x01"))),
        ("priorities", Box::new(move |_| flood(2, 1, b"\0\0\0\0\x10"))),
        ("frames of no known type", Box::new(move |_| flood(0xbe, 0, b"xxxx"))),
        ("data without data", open_first(flood(0, 1, b""))),
        ("data of a byte", open_first(flood(0, 1, b" "))),
        ("continuations without end", {
            Box::new(move |n| if n == 0 { headers(1, 0) } else { frame(9, 0, 1, b"").repeat(10) })
        }),
        ("streams that are given up", {
            Box::new(move |n| {
                let stream = 2 * n + 1;
                [headers(stream, 4), frame(3, 0, stream, b"\0\0\0\x08")].concat()
            })
        }),
    ];
    for (what, piece) in cases {
        let host = Host::with(|setup| setup.http.overhead_per_second = 20).await;
        let began = Instant::now();
        assert!(ends(&host, piece, 2000).await, "{what}");
        assert!(began.elapsed() < HANGS / 2, "{what}: {:?}", began.elapsed());
        // A new connection of the same address has what is free.
        assert_eq!(post(host.http(), "[]").await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn whoever_sends_requests_may_send_what_goes_with_them() {
    let host = Host::with(|setup| setup.http.overhead_per_second = 1).await;
    let stream = TokioIo::new(Client::open(host.http()).await.stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..20 {
        let answers = (0..20).map(|_| {
            let mut sender = sender.clone();
            async move {
                let uri = format!("http://localhost{ROUTE}");
                let request = Request::post(uri).body(Full::new(Bytes::from_static(b"[]"))).unwrap();
                sender.send_request(request).await.unwrap().status().as_u16()
            }
        });
        assert_eq!(futures::future::join_all(answers).await, vec![200; 20]);
    }
    let mut keeps = Client::open(host.http()).await;
    for _ in 0..300 {
        assert_eq!(keeps.call("POST", ROUTE, &[], "[]").await.status, 200, "short requests one by one");
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_ends_the_connection() {
    let host = Host::with(|setup| setup.http.overhead_per_second = 5).await;
    let mut client = Client::open(host.http()).await;
    client.send("POST / HTTP/1.1\r\nX: ").await;
    client.stream.set_nodelay(true).unwrap();
    let began = Instant::now();
    while timeout(Duration::from_millis(2), client.stream.read_u8()).await.is_err() {
        assert!(began.elapsed() < HANGS, "still open");
        let _ = client.stream.write_all(b"x").await;
    }
    assert_eq!(post(host.http(), "[]").await.status, 200);
}

#[tokio::test]
async fn a_body_of_tiny_chunks_is_read_and_many_of_them_more_slowly() {
    let host = Host::with(|setup| {
        setup.http.overhead_per_second = 100;
        setup.http.header_timeout = Duration::from_secs(1);
        setup.http.request_timeout = Duration::from_secs(4);
    })
    .await;
    let head = format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    // 64 and ten seconds' worth are free.
    for (chunks, extension, status) in [(900, "", 200), (500, ";a=b", 408), (200_000, "", 408)] {
        let mut client = Client::open(host.http()).await;
        client.send(head.as_str()).await;
        let (mut reader, mut writer) = client.stream.into_split();
        let body = format!("1{extension}\r\n[\r\n1{extension}\r\n]\r\n")
            + &format!("1{extension}\r\n \r\n").repeat(chunks)
            + "0\r\n\r\n";
        let writing = tokio::spawn(async move { drop(writer.write_all(body.as_bytes()).await) });
        let mut said = vec![0; 12];
        timeout(HANGS, reader.read_exact(&mut said)).await.expect("the host answers").unwrap();
        assert_eq!(String::from_utf8_lossy(&said), format!("HTTP/1.1 {status}"), "{chunks} chunks{extension}");
        writing.abort();
        assert_eq!(post(host.http(), "[]").await.status, 200, "others of the same address are served");
    }
}
