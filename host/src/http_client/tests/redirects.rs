//! Redirects: followed where requests are allowed, and nowhere else.

use http::Request;

use super::server::{Reply, Server, ok, redirect};
use super::*;
use crate::http_client::ErrorKind;

/// As [`client_of`], and it follows redirects.
fn follower_of(server: &Server) -> HttpClient {
    client(&ClientConfig { max_redirects: 3, ..config([server.origin()]) })
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_connection() {
    for status in [301, 302, 303, 307, 308] {
        let server =
            Server::start(move |seen| if seen.path() == "/a" { redirect(status, "b?c") } else { ok("there") }).await;
        let client = follower_of(&server);
        assert_eq!(get(&client, &server.url("/a")).await.unwrap().body(), "there");
        let paths: Vec<_> = server.seen().iter().map(|seen| seen.path().to_owned()).collect();
        assert_eq!((paths, server.opened()), (vec!["/a".to_owned(), "/b?c".to_owned()], 1), "{status}");
        assert_eq!(client.stats().redirects(), 1);
    }
}

#[tokio::test]
async fn a_redirect_to_an_origin_that_is_not_allowed_is_an_error() {
    let other = Server::always(ok("secret")).await;
    for (location, shown) in [
        (other.url("/x?key=secret"), other.url("/x?..., whose origin")),
        (other.url("/x").replace("http://", "//me:secret@"), other.url("/x, whose origin")),
        ("https://127.0.0.1/".to_owned(), "https://127.0.0.1/, whose origin".to_owned()),
        ("http://169.254.169.254/latest".to_owned(), "http://169.254.169.254/latest, whose origin".to_owned()),
        ("file:///etc/passwd".to_owned(), "a URL of the scheme file".to_owned()),
    ] {
        let server = Server::always(redirect(302, &location)).await;
        let error = get(&follower_of(&server), &server.url("/")).await.unwrap_err();
        assert_eq!((error.kind(), error.target()), (ErrorKind::RedirectDenied, &*server.url("/")));
        assert!(error.detail().starts_with(&format!("redirected to {shown}")), "{error}");
        assert_eq!(error.detail().contains("client.allow_origins"), !location.starts_with("file"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(other.opened(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_allowed_origin_is_followed_without_the_plugins_credentials() {
    let other = Server::always(ok("there")).await;
    let location = other.url("/x");
    let server =
        Server::start(move |seen| if seen.path() == "/" { redirect(302, "/2") } else { redirect(302, &location) })
            .await;
    let client = client(&ClientConfig { max_redirects: 3, ..config([server.origin(), other.origin()]) });
    let request = Request::get(server.url("/"))
        .header("authorization", "Bearer guest")
        .header("cookie", "a=b")
        .header("x-kept", "yes")
        .body(Bytes::new())
        .unwrap();
    assert_eq!(client.send(request, Deadlines::default()).await.unwrap().body(), "there");
    let (first, second) = (server.seen(), other.seen());
    for (seen, credentials) in [(&first[0], true), (&first[1], true), (&second[0], false)] {
        assert_eq!(seen.header("authorization").is_some(), credentials, "{seen:?}");
        assert_eq!(seen.header("cookie").is_some(), credentials, "{seen:?}");
        assert_eq!(seen.header("x-kept"), Some("yes"));
    }
    assert_eq!(second[0].header("host").unwrap(), other.address().to_string());
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let server = Server::always(redirect(302, "/")).await;
    let client = follower_of(&server);
    let error = get(&client, &server.url("/")).await.unwrap_err();
    let detail = format!("redirected to {} after 3 redirects (client.max_redirects)", server.url("/"));
    assert_eq!(error, SendError::new(ErrorKind::TooManyRedirects, server.url("/"), detail));
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn some_redirects_are_answers() {
    let server = Server::always(redirect(302, "/b")).await;
    // The default: none is followed.
    let response = get(&client_of(&server), &server.url("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (302, b"gone".as_slice()));
    let post = Request::post(server.url("/")).body(Bytes::new()).unwrap();
    let response = follower_of(&server).send(post, Deadlines::default()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["location"]), (302, &"/b".parse().unwrap()));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_redirect_whose_body_does_not_end_is_followed_on_another_connection() {
    let hang = Reply::Hang("HTTP/1.1 302 Go\r\nLocation: /b\r\nContent-Length: 9\r\n\r\nx".to_owned());
    let server = Server::start(move |seen| if seen.path() == "/" { hang.clone() } else { ok("there") }).await;
    assert_eq!(get(&follower_of(&server), &server.url("/")).await.unwrap().body(), "there");
    assert_eq!(server.opened(), 2);
}

#[tokio::test]
async fn a_location_that_is_no_url_is_a_protocol_error() {
    let server = Server::always(redirect(302, "http://:99999/")).await;
    let error = get(&follower_of(&server), &server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}
