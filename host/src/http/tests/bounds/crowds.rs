//! Many clients, some of which take what they can: whoever behaves is served meanwhile.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::tests::client::{Client, post, request};
use crate::http::tests::{HANGS, Host, ROUTE};

fn refresh(body: &str) -> String {
    request("POST", ROUTE, &[], body)
}

/// A request whose body does not come.
fn slow() -> String {
    format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[")
}

async fn several(host: &Host, count: usize, number: u8, sent: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Client::open_as(number, host.http()).await;
        client.send(sent).await;
        clients.push(client);
    }
    clients
}

/// What a client with that address is answered to a refresh.
async fn answered(host: &Host, number: u8) -> u16 {
    let mut client = Client::open_as(number, host.http()).await;
    client.send(refresh("[]")).await;
    client.reply().await.status
}

/// Whether the host says nothing; it may have closed the connection, or reset it.
async fn is_open(client: &mut Client) -> bool {
    tokio::time::timeout(Duration::from_millis(200), client.stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn whoever_is_waited_for_longest_makes_room_for_one_more() {
    // Silent, within a head, within a body.
    for sent in ["", "POST /roster_admin/refresh HTTP/1.1\r\nHo", &slow()] {
        let host = Host::with(|setup| setup.http.max_connections = 4).await;
        let mut other = Client::open_as(2, host.http()).await;
        assert_eq!(other.call("POST", ROUTE, &[], "[]").await.status, 200);
        let mut idle = several(&host, 3, 1, sent).await;
        let mut newcomers = Vec::new();
        for number in [3, 4] {
            let mut newcomer = Client::open_as(number, host.http()).await;
            assert_eq!(newcomer.call("POST", ROUTE, &[], "[]").await.status, 200, "{sent:?}");
            newcomers.push(newcomer);
        }
        // Those of the address that has most, the oldest first.
        assert_eq!(idle.remove(0).closed().await, "", "{sent:?}");
        assert_eq!(idle.remove(0).closed().await, "", "{sent:?}");
        assert!(is_open(&mut idle[0]).await, "{sent:?}");
        assert_eq!(other.call("POST", ROUTE, &[], "[]").await.status, 200, "it was not that one's fault: {sent:?}");
    }
}

#[tokio::test]
async fn where_everybody_is_worked_for_one_more_waits() {
    let host = Host::with(|setup| setup.http.max_connections = 1).await;
    host.connect("hanging").await;
    let mut first = Client::open_as(1, host.http()).await;
    first.send(refresh(r#"["hanging"]"#)).await;
    host.plugin.asked_for(2).await;
    let mut second = Client::open_as(2, host.http()).await;
    second.send(refresh("[]")).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), second.until("\r\n")).await.is_err(), "it waits");
    host.plugin.release();
    assert_eq!(first.reply().await.status, 200);
    assert_eq!(second.reply().await.status, 200);
}

#[tokio::test]
async fn an_address_has_its_share_of_connections() {
    let host = Host::with(|setup| setup.http.max_connections_per_address = 2).await;
    for user in ["hanging", "hanging2"] {
        host.connect(user).await;
    }
    let mut busy = several(&host, 1, 1, &refresh(r#"["hanging"]"#)).await;
    host.plugin.asked_for(3).await;
    let mut idle = several(&host, 1, 1, "").await;
    busy.extend(several(&host, 1, 1, &refresh(r#"["hanging2"]"#)).await);
    host.plugin.asked_for(4).await;
    assert_eq!(idle.remove(0).closed().await, "", "its own idle one makes room");
    assert_eq!(several(&host, 1, 1, "").await.remove(0).closed().await, "", "both are worked for");
    assert_eq!(answered(&host, 2).await, 200);
    host.plugin.release();
    host.plugin.release();
    for client in &mut busy {
        assert_eq!(client.reply().await.status, 200);
    }
    assert_eq!(answered(&host, 1).await, 200);
}

#[tokio::test]
async fn an_address_connects_so_often_and_no_more() {
    let host = Host::with(|setup| {
        setup.http.connections_per_second = 1;
        setup.http.max_connections_per_address = 10;
    })
    .await;
    let mut served = 0;
    for _ in 0..20 {
        let mut client = Client::open_as(1, host.http()).await;
        let _ = client.stream.write_all(refresh("[]").as_bytes()).await;
        served += usize::from(client.stream.read_u8().await.is_ok());
    }
    assert!((10..=15).contains(&served), "{served} of ten at once and one each second");
    assert_eq!(answered(&host, 2).await, 200);
}

#[tokio::test]
async fn slow_bodies_take_no_place_from_others() {
    let host = Host::with(|setup| {
        setup.http.max_requests = 2;
        setup.http.max_requests_per_address = 20;
    })
    .await;
    let mut slow = several(&host, 10, 1, &slow()).await;
    for number in [1, 2] {
        assert_eq!(answered(&host, number).await, 200, "{number}");
    }
    for client in &mut slow {
        client.send(format!("]{}", " ".repeat(998))).await;
        assert_eq!(client.reply().await.status, 200, "late, and in time");
    }
}

#[tokio::test]
async fn an_address_has_so_many_requests_at_once_whatever_they_wait_for() {
    let host = Host::with(|setup| setup.http.max_requests_per_address = 3).await;
    host.connect("hanging").await;
    let mut others = several(&host, 1, 1, &refresh(r#"["hanging"]"#)).await;
    host.plugin.asked_for(2).await;
    let slow = several(&host, 2, 1, &slow()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let reply = post(host.http(), "[]").await;
    reply.refuses(503, "http.max_requests_per_address");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(answered(&host, 2).await, 200);
    drop(slow);
    host.plugin.release();
    assert_eq!(others.remove(0).reply().await.status, 200);
    let began = std::time::Instant::now();
    while answered(&host, 1).await != 200 {
        assert!(began.elapsed() < HANGS, "nothing is given back");
    }
}

#[tokio::test]
async fn one_address_has_a_quarter_of_the_places() {
    let host = Host::with(|setup| setup.http.max_requests = 2).await;
    let mut hanging = Vec::new();
    let began = std::time::Instant::now();
    for number in 1..=4 {
        assert_eq!(answered(&host, number).await, 200, "{number} has its own");
        hanging.extend(several(&host, 2, number, &refresh("!hang")).await);
        while answered(&host, number).await != 503 {
            assert!(began.elapsed() < HANGS, "{number} may have more");
        }
    }
    assert_eq!(answered(&host, 5).await, 503, "more than all");
    drop(hanging);
}

#[tokio::test]
async fn large_bodies_that_do_not_end_make_room_for_those_of_others() {
    let host = Host::with(|setup| {
        setup.http.max_body = 100_000;
        setup.http.body_memory = 400_000;
    })
    .await;
    let head = format!("POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n[");
    let large = head + &" ".repeat(90_000);
    let mut greedy = Vec::new();
    for number in [1, 2] {
        greedy.extend(several(&host, 2, number, &large).await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for number in [1, 2, 3] {
        let mut client = Client::open_as(number, host.http()).await;
        client.send(refresh(&format!("[{}]", " ".repeat(90_000)))).await;
        let status = client.reply().await.status;
        assert!(status == 200 || number < 3, "{number}: {status}");
    }
    let mut lost = 0;
    for client in &mut greedy {
        lost += usize::from(!is_open(client).await);
    }
    assert!(lost > 0, "nobody made room");
}
