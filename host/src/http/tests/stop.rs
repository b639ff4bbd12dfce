//! Starting and stopping.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::client::{Client, get, request};
use super::{ANY_PORT, HANGS, Host};
use crate::config::{AdminConfig, HttpConfig};
use crate::http::{App, Readiness, Server, VirtualHosts};
use crate::metrics::Metrics;
use crate::sinks::EventStream;

const ROUTE: &str = "/roster_admin/refresh";

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

#[tokio::test]
async fn an_address_in_use_is_named_with_the_setting_that_changes_it() {
    let taken = TcpListener::bind(ANY_PORT).await.unwrap();
    let address = taken.local_addr().unwrap();
    let host = Host::start().await;
    for (http, admin, end) in [
        (Some(address), None, "choose another with http.listen (--http-listen)"),
        (None, Some(address), "choose another with admin.listen (--admin-listen)"),
    ] {
        let http = HttpConfig { listen: http, ..HttpConfig::default() };
        let admin = AdminConfig { listen: admin, ..AdminConfig::default() };
        let app = App {
            swappers: Vec::new(),
            hosts: VirtualHosts::new(host.rosters.clone()).unwrap(),
            events: EventStream::new(1, 1).into(),
            metrics: Metrics::new(),
            readiness: Readiness::default(),
            collectors: Vec::new(),
            attached: None,
        };
        let Err(error) = Server::bind(&http, &admin, app).await else { panic!("{address} is taken") };
        assert_eq!(error.to_string(), format!("cannot listen on {address}: address in use; {end}"));
    }
    assert!(VirtualHosts::new(Vec::new()).is_none());
}
