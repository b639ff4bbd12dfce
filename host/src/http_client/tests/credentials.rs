//! Who gets the host's credentials.

use http::Request;

use super::server::{Server, ok, redirect};
use super::*;
use crate::config::{ClientAuth, Secret};
use crate::http_client::ErrorKind;

fn with_auth(allowed: &[String], authorized: &str) -> ClientConfig {
    ClientConfig {
        max_redirects: 3,
        auth: Some(ClientAuth::Basic { username: "roster".into(), password: Secret::new("pässword") }),
        auth_origins: vec![authorized.parse().unwrap()],
        ..config(allowed)
    }
}

const EXPECTED: &str = "Basic cm9zdGVyOnDDpHNzd29yZA==";

#[tokio::test]
async fn only_the_named_origin_gets_the_credentials() {
    let other = Server::always(ok("{}")).await;
    let location = other.url("/");
    let server =
        Server::start(move |seen| if seen.path() == "/away" { redirect(302, &location) } else { ok("{}") }).await;
    let client = client(&with_auth(&[server.origin(), other.origin()], &server.origin()));
    for url in [server.url("/"), other.url("/"), server.url("/away")] {
        get(&client, &url).await.unwrap();
    }
    assert!(server.seen().iter().all(|seen| seen.header("authorization") == Some(EXPECTED)));
    assert_eq!((server.seen().len(), other.seen().len()), (2, 2));
    assert!(other.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_redirect_to_the_named_origin_gets_the_credentials_there() {
    let server = Server::always(ok("{}")).await;
    let first = Server::always(redirect(307, &server.url("/"))).await;
    let client = client(&with_auth(&[server.origin(), first.origin()], &server.origin()));
    get(&client, &first.url("/")).await.unwrap();
    assert_eq!(first.seen()[0].header("authorization"), None);
    assert_eq!(server.seen()[0].header("authorization"), Some(EXPECTED));
}

#[tokio::test]
async fn a_plugin_cannot_send_other_credentials_where_the_host_sends_its_own() {
    let server = Server::always(ok("{}")).await;
    let other = Server::always(ok("{}")).await;
    let client = client(&with_auth(&[server.origin(), other.origin()], &server.origin()));
    let request = |url| Request::get(url).header("Authorization", "Bearer guest").body(Bytes::new()).unwrap();
    let error = client.send(request(server.url("/")), Deadlines::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
    assert!(!error.to_string().contains("guest"));
    client.send(request(other.url("/")), Deadlines::default()).await.unwrap();
    assert_eq!((server.opened(), other.seen()[0].header("authorization")), (0, Some("Bearer guest")));
}

#[tokio::test]
async fn nothing_is_asked_for_that_the_plugin_did_not_ask_for() {
    let server = Server::always(ok("{}")).await;
    let request = Request::get(server.url("/")).header("accept", "application/json").body(Bytes::new()).unwrap();
    client_of(&server).send(request, Deadlines::default()).await.unwrap();
    let expected = format!("GET / HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\n\r\n", server.address());
    assert_eq!(server.seen()[0].head, expected);
}
