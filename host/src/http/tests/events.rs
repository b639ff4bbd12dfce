//! `GET /events`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::client::{Client, call, get, request};
use super::plugin::LARGE;
use super::{HANGS, Host};
use crate::model::Username;
use crate::rosters::{Rosters, SessionId};

/// The stream's part of an id, which no event's position has.
fn position(id: &Option<String>) -> u64 {
    id.as_ref().unwrap().split_once('-').unwrap().1.parse().unwrap()
}

/// A reader that hears of everything from now on.
async fn follow(host: &Host, query: &str) -> Client {
    let mut reader = Client::open(host.admin()).await;
    hello(&mut reader, query).await;
    reader
}

async fn hello(reader: &mut Client, query: &str) {
    reader.send(request("GET", &format!("/events{query}"), &[], "")).await;
    let head = reader.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
    assert!(reader.until("\n\n").await.ends_with(": roster events\n\n"));
}

/// The next event: its name, its id and its data.
async fn next(reader: &mut Client) -> (String, Option<String>, Value) {
    loop {
        let text = reader.until("\n\n").await;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if let Some(event) = field("event: ") {
            return (event, field("id: "), serde_json::from_str(&field("data: ").unwrap()).unwrap());
        }
    }
}

async fn connect(rosters: &Arc<Rosters>, user: &str) {
    rosters.connect(&Username::new(user).unwrap(), SessionId::new("x")).await.unwrap();
}

#[tokio::test]
async fn events_arrive_as_they_happen() {
    let host = Host::start().await;
    let mut reader = follow(&host, "").await;
    host.connect("john").await;
    let (event, id, data) = next(&mut reader).await;
    assert_eq!((&*event, &data["event"], &data["user"]), ("loaded", &json!("loaded"), &json!("john")));
    assert_eq!(position(&id), 1);
    assert_eq!(data["contacts"][0]["jid"], "marie@example.com");

    get(host.http(), "/roster_admin/refresh/john").await;
    let (event, id, data) = next(&mut reader).await;
    assert_eq!((&*event, data["changes"][0]["put"]["name"].as_str()), ("changed", Some("Marie 2")));
    assert_eq!(position(&id), 2);

    call(host.admin(), "DELETE", "/sessions/john", &[], "").await;
    get(host.http(), "/roster_admin/refresh/john").await;
    let version = data["version"].clone();
    let (event, id, data) = next(&mut reader).await;
    let dropped = json!({ "event": "dropped", "domain": "example.com", "user": "john", "version": version });
    assert_eq!((&*event, position(&id), data), ("dropped", 3, dropped));
}

#[tokio::test]
async fn a_reader_may_ask_for_one_domain_or_one_user() {
    let host = Host::with(|setup| setup.domains = vec!["example.com", "other.example"]).await;
    let mut other = follow(&host, "?domain=Other.example").await;
    let mut john = follow(&host, "?user=JOHN").await;
    let mut both = follow(&host, "?user=john&domain=other.example").await;
    for rosters in &host.rosters {
        for user in ["marie", "john"] {
            connect(rosters, user).await;
        }
    }
    for (reader, expected) in [
        (&mut other, &[("other.example", "marie"), ("other.example", "john")][..]),
        (&mut john, &[("example.com", "john"), ("other.example", "john")]),
        (&mut both, &[("other.example", "john")]),
    ] {
        for (domain, user) in expected {
            let (_, _, data) = next(reader).await;
            assert_eq!((&data["domain"], &data["user"]), (&json!(domain), &json!(user)));
        }
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_how_many_events_it_missed() {
    let host = Host::with(|setup| setup.admin.event_buffer = 4).await;
    // A small window, so that a few hundred events fill everything between the host and the reader.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = Client::over(socket.connect(host.admin()).await.unwrap());
    hello(&mut reader, "").await;
    let began = Instant::now();
    let events = 40_000;
    connect(&host.rosters[0], "john").await;
    let john = Username::new("john").unwrap();
    for _ in 1..events {
        host.rosters[0].refresh(&john).await.unwrap();
        assert!(began.elapsed() < HANGS * 3);
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < events {
        match next(&mut reader).await {
            (event, id, data) if event == "missed" => {
                missed += data["missed"].as_u64().unwrap();
                assert_eq!(position(&id), seen + missed, "a reader that comes back goes on behind the gap");
            }
            (_, id, _) => {
                seen += 1;
                assert_eq!(position(&id), seen + missed);
            }
        }
    }
    assert!(missed > 0 && seen > 0, "{seen} seen, {missed} missed");
    assert_eq!(seen + missed, events);
}

#[tokio::test]
async fn a_large_event_comes_whole_or_ends_the_stream_of_who_is_too_slow_for_it() {
    let host = Host::with(|setup| setup.admin.event_buffer = 2).await;
    host.connect("large").await;
    let large = Username::new("large").unwrap();
    let mut reader = follow(&host, "").await;
    let mut slow = Client::open(host.admin()).await;
    slow.send(request("GET", "/events", &[], "")).await;
    let hello = slow.until(": roster events\n\n").await;
    let before = hello.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    host.rosters[0].refresh(&large).await.unwrap();
    let mut raw = Vec::new();
    while !raw.ends_with(b"\n\n\r\n") {
        let read = timeout(HANGS, reader.stream.read_buf(&mut raw)).await.expect("it comes").unwrap();
        assert_ne!(read, 0, "closed");
    }
    // Between two pieces is the length of the next, as a chunk of HTTP has it.
    let raw = String::from_utf8(raw).unwrap();
    let text: String = raw.split("\r\n").filter(|part| part.len() > 8).collect();
    let data: Value = serde_json::from_str(text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
    assert_eq!(data["changes"][0]["put"]["name"].as_str().map(str::len), Some(LARGE));
    // The other has begun to read it when it is forgotten.
    slow.until("data: ").await;
    for _ in 0..2 {
        host.connect("john").await;
        call(host.admin(), "DELETE", "/sessions/john", &[], "").await;
        get(host.http(), "/roster_admin/refresh/john").await;
    }
    let rest = slow.closed().await;
    assert!(rest.len() < LARGE && !rest.contains("event: "), "{} bytes came", rest.len());
    let (mut back, _) = come_back(&host, "/events", Some(&before)).await;
    let (event, _, data) = next(&mut back).await;
    assert_eq!((&*event, data["after"].as_str()), ("missed", Some(&*before)));
}

/// A reader that comes back after `last`, and the head of the answer.
async fn come_back(host: &Host, path: &str, last: Option<&str>) -> (Client, String) {
    let mut reader = Client::open(host.admin()).await;
    let headers: Vec<_> = last.map(|last| ("Last-Event-ID", last)).into_iter().collect();
    reader.send(request("GET", path, &headers, "")).await;
    let head = reader.until("\r\n\r\n").await;
    (reader, head)
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_what_happened_meanwhile() {
    let host = Host::with(|setup| setup.admin.event_buffer = 3).await;
    let mut reader = follow(&host, "").await;
    let mut ids = Vec::new();
    for user in ["a", "b"] {
        host.connect(user).await;
        ids.push(next(&mut reader).await.1.unwrap());
    }
    drop(reader);
    for user in ["c", "d"] {
        host.connect(user).await;
    }
    for (path, header, users) in [
        ("/events".to_owned(), Some(ids[0].as_str()), &["b", "c", "d"][..]),
        ("/events".to_owned(), Some(&ids[1]), &["c", "d"]),
        (format!("/events?last_event_id={}", ids[1]), None, &["c", "d"]),
        // The header is the newer one.
        (format!("/events?last_event_id={}", ids[0]), Some(&ids[1]), &["c", "d"]),
        ("/events?user=d".to_owned(), Some(&ids[0]), &["d"]),
        ("/events".to_owned(), None, &[]),
        ("/events".to_owned(), Some(""), &[]),
    ] {
        let (mut reader, head) = come_back(&host, &path, header).await;
        for line in ["cache-control: no-store", "x-accel-buffering: no", "content-type: text/event-stream"] {
            assert_eq!(head.matches(line).count(), 1, "{head}");
        }
        for user in users {
            assert_eq!(next(&mut reader).await.2["user"], **user, "{path} {header:?}");
        }
    }
    // And then what happens.
    let (mut reader, _) = come_back(&host, "/events", Some(&ids[1])).await;
    host.connect("e").await;
    for user in ["c", "d", "e"] {
        assert_eq!(next(&mut reader).await.2["user"], user);
    }
}

#[tokio::test]
async fn what_is_no_longer_remembered_is_told_as_missed() {
    let host = Host::with(|setup| setup.admin.event_buffer = 2).await;
    let mut reader = follow(&host, "").await;
    host.connect("a").await;
    let first = next(&mut reader).await.1.unwrap();
    let epoch = first.split_once('-').unwrap().0;
    for user in ["b", "c", "d", "e"] {
        host.connect(user).await;
    }
    let (mut reader, _) = come_back(&host, "/events", Some(&first)).await;
    let (event, id, data) = next(&mut reader).await;
    let to = format!("{epoch}-3");
    assert_eq!((&*event, id.as_deref()), ("missed", Some(&*to)));
    assert_eq!(data, json!({ "event": "missed", "missed": 2, "after": first, "to": to }));
    for user in ["d", "e"] {
        assert_eq!(next(&mut reader).await.2["user"], user);
    }
    for unknown in ["0123456789abcdef-1", "17", "nonsense", "\u{fc}"] {
        let (mut reader, _) = come_back(&host, "/events", Some(unknown)).await;
        let (event, _, data) = next(&mut reader).await;
        assert_eq!((&*event, &data["missed"], &data["to"]), ("missed", &Value::Null, &json!(format!("{epoch}-5"))));
        assert_eq!(data["after"], unknown);
    }
}

#[tokio::test]
async fn no_more_readers_than_allowed_and_a_place_comes_back() {
    let host = Host::with(|setup| setup.admin.max_streams = 2).await;
    let (first, _second) = (follow(&host, "").await, follow(&host, "").await);
    let reply = get(host.admin(), "/events").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
    assert!(reply.json()["message"].as_str().unwrap().contains("admin.max_streams"));
    let metrics = get(host.admin(), "/metrics").await;
    assert!(metrics.body.contains("roster_host_event_readers 2\n"), "{}", metrics.body);
    drop(first);
    let began = Instant::now();
    let mut reader = loop {
        let mut reader = Client::open(host.admin()).await;
        reader.send(request("GET", "/events", &[], "")).await;
        if reader.until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
            break reader;
        }
        assert!(began.elapsed() < HANGS, "the place of a reader that left is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    host.connect("john").await;
    assert_eq!(next(&mut reader).await.0, "loaded");
}

#[tokio::test]
async fn streams_outlive_the_idle_timeout_and_end_when_the_server_stops() {
    let host = Host::with(|setup| setup.http.header_timeout = Duration::from_millis(200)).await;
    let mut reader = follow(&host, "").await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    host.connect("john").await;
    assert_eq!(next(&mut reader).await.0, "loaded");
    host.stop.send(true).unwrap();
    assert!(reader.closed().await.ends_with("0\r\n\r\n"), "a clean end");
    timeout(HANGS, host.serving).await.expect("the server ends").unwrap();
}
