//! Where requests may go, by name and by address.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::server::{Reply, Server, ok};
use super::*;
use crate::http_client::ErrorKind;
use crate::http_client::connections::Resolve;

/// Answers the first question with the first list, and so on; the last one for ever.
struct Answers(Vec<io::Result<Vec<&'static str>>>, AtomicUsize);

impl Resolve for Answers {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        assert_eq!(host, "app.test");
        let nth = self.1.fetch_add(1, SeqCst).min(self.0.len() - 1);
        let answer = match &self.0[nth] {
            Ok(addresses) => Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        async move { answer }.boxed()
    }
}

fn resolving(config: &ClientConfig, answers: Vec<io::Result<Vec<&'static str>>>) -> HttpClient {
    HttpClient::with_resolver(config, Arc::new(Answers(answers, AtomicUsize::new(0)))).unwrap()
}

#[tokio::test]
async fn only_allowed_origins_are_reached() {
    let server = Server::always(ok("{}")).await;
    let client = client(&config([server.origin(), "http://app.example.org".to_owned()]));
    let port = server.address().port();
    for (url, shown) in [
        (format!("http://127.0.0.1:{}/", port ^ 1), format!("http://127.0.0.1:{}/", port ^ 1)),
        (format!("https://127.0.0.1:{port}/"), format!("https://127.0.0.1:{port}/")),
        (format!("http://localhost:{port}/"), format!("http://localhost:{port}/")),
        ("http://app.example.org:81/".to_owned(), "http://app.example.org:81/".to_owned()),
        ("http://app.example.org.evil.example/".to_owned(), "http://app.example.org.evil.example/".to_owned()),
        ("http://evil.example/?http://app.example.org".to_owned(), "http://evil.example/?...".to_owned()),
    ] {
        let error = get(&client, &url).await.unwrap_err();
        assert_eq!((error.kind(), error.target()), (ErrorKind::Denied, &*shown));
        assert!(error.detail().contains("client.allow_origins"), "{error}");
    }
    assert_eq!((server.opened(), client.stats().errors(ErrorKind::Denied)), (0, 6));
    // Another spelling of what is allowed.
    get(&client, &format!("HTTP://0x7f.0.0.1:{port}")).await.unwrap();
    assert_eq!(server.seen()[0].header("host").unwrap(), server.address().to_string());
}

#[tokio::test]
async fn an_allowed_name_reaches_only_permitted_addresses() {
    let server = Server::always(ok("{}")).await;
    let url = server.named("app.test");
    let refused = |address: &'static str| (Some(ErrorKind::AddressRefused), address);
    for (answer, expected) in [
        (vec!["127.0.0.1"], (None, "")),
        // One that nobody listens on is no hindrance, in either family.
        (vec!["127.0.0.2", "127.0.0.1"], (None, "")),
        (vec!["::1", "127.0.0.1"], (None, "")),
        // A refused one is left out.
        (vec!["169.254.169.254", "127.0.0.1"], (None, "")),
        (vec!["169.254.169.254"], refused("169.254.169.254")),
        (vec!["fd00:ec2::254", "fe80::1"], refused("fd00:ec2::254")),
        (vec!["::ffff:169.254.0.1"], refused("::ffff:169.254.0.1")),
        (vec!["127.0.0.2", "127.0.0.3"], (Some(ErrorKind::ConnectRefused), "connection refused")),
        (vec![], (Some(ErrorKind::Dns), "no address")),
    ] {
        let client = resolving(&config([&url]), vec![Ok(answer.clone())]);
        let error = get(&client, &url).await.err();
        let (kind, hint) = expected;
        assert_eq!(error.as_ref().map(SendError::kind), kind, "{answer:?}: {error:?}");
        let Some(error) = error else { continue };
        assert!(error.detail().contains(hint), "{answer:?}: {error}");
        assert_eq!(error.target(), format!("{url}/"));
    }
}

#[tokio::test]
async fn a_literal_address_is_checked_too() {
    for (origin, address) in [
        ("http://169.254.169.254", "169.254.169.254"),
        ("http://[fe80::1]:8000", "fe80::1"),
        ("http://[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
        ("http://0/", "0.0.0.0"),
    ] {
        let error = get(&client(&config([origin])), origin).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressRefused, "{origin}: {error}");
        assert!(error.detail().contains(&format!("the address {address} is refused")), "{origin}: {error}");
    }
}

#[tokio::test]
async fn the_operator_can_permit_an_address() {
    // No listener has a link-local address here; that the connection is tried is enough.
    let url = "http://app.test:9";
    let config =
        ClientConfig { allow_addresses: vec!["0.0.0.0/32".parse().unwrap()], connect_timeout: SHORT, ..config([url]) };
    let error = get(&resolving(&config, vec![Ok(vec!["0.0.0.0"])]), url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectRefused, "{error}");
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_at_every_new_connection() {
    let server = Server::always(Reply::Last("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned())).await;
    let url = server.named("app.test");
    let client = resolving(&config([&url]), vec![Ok(vec!["127.0.0.1"]), Ok(vec!["169.254.169.254"])]);
    get(&client, &url).await.unwrap();
    let error = get(&client, &url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressRefused, "{error}");
    assert!(error.to_string().contains("a cloud metadata service"), "{error}");
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_a_dns_error() {
    let url = "http://app.test";
    let client = resolving(&config([url]), vec![Err(io::Error::other("no such name"))]);
    let error = get(&client, url).await.unwrap_err();
    let detail = "the host name cannot be looked up: no such name";
    assert_eq!(error, SendError::new(ErrorKind::Dns, "http://app.test/", detail));
}

#[tokio::test]
async fn the_systems_resolver_knows_localhost() {
    let server = Server::always(ok("{}")).await;
    let url = server.named("localhost");
    get(&client(&config([&url])), &url).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}
