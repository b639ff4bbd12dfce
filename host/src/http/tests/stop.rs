//! Starting and stopping.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{Client, get, request};
use super::{HANGS, Host, ROUTE};
use crate::http::VirtualHosts;

#[tokio::test]
async fn running_requests_are_answered_before_the_server_ends() {
    let host = Host::start().await;
    host.connect("hanging").await;
    let mut running = Client::open(host.http()).await;
    running.send(request("POST", ROUTE, &[], r#"["hanging"]"#)).await;
    host.plugin.asked_for(2).await;
    let mut idle = Client::open(host.http()).await;
    assert_eq!(idle.call("POST", ROUTE, &[], "[]").await.status, 200);
    let mut silent = Client::open(host.http()).await;
    let mut half = Client::open(host.http()).await;
    half.send("POST /roster_admin/ref").await;
    let (http, admin) = (host.http(), host.admin());

    host.stop.send(true).unwrap();
    for client in [&mut idle, &mut silent, &mut half] {
        assert_eq!(client.closed().await, "", "nothing runs there");
    }
    assert!(TcpStream::connect(http).await.is_err(), "nothing new is accepted");
    let ready = get(admin, "/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"stopping".into()), "the operator can still look");
    assert!(!host.serving.is_finished());

    host.plugin.release();
    let reply = running.reply().await;
    assert_eq!((reply.status, &reply.json()["updated"]), (200, &1.into()));
    timeout(HANGS, host.serving).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn dropping_the_server_cuts_everything_off() {
    let host = Host::start().await;
    host.connect("hanging").await;
    let mut running = Client::open(host.http()).await;
    running.send(request("POST", ROUTE, &[], r#"["hanging"]"#)).await;
    host.plugin.asked_for(2).await;
    host.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    host.serving.abort();
    assert_eq!(running.closed().await, "");
}

#[tokio::test]
async fn the_server_ends_when_nobody_could_stop_it_any_more() {
    let host = Host::start().await;
    drop(host.stop);
    timeout(HANGS, host.serving).await.expect("it ends").unwrap();
}

#[test]
fn a_server_without_virtual_hosts_is_none() {
    assert!(VirtualHosts::new(Vec::new()).is_none());
}
