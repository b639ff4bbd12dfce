//! The client against real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod body;
mod credentials;
mod deadlines;
mod floods;
mod pool;
mod reach;
mod redirects;
mod server;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use self::server::Server;
use super::{Deadlines, HttpClient, SendError};
use crate::config::ClientConfig;

/// Long enough for a slow machine, short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);

/// A configuration that allows `origins`.
fn config<I: AsRef<str>>(origins: impl IntoIterator<Item = I>) -> ClientConfig {
    let allow_origins = origins.into_iter().map(|origin| origin.as_ref().parse().unwrap()).collect();
    ClientConfig { allow_origins, ..ClientConfig::default() }
}

fn client(config: &ClientConfig) -> HttpClient {
    HttpClient::new(config).unwrap()
}

/// A client that may talk to `server` and nobody else.
fn client_of(server: &Server) -> HttpClient {
    client(&config([server.origin()]))
}

fn get_request(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

async fn get(client: &HttpClient, url: &str) -> Result<Response<Bytes>, SendError> {
    client.send(get_request(url), Deadlines::default()).await
}

/// Waits until `condition` holds: what a background task does comes a moment later.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
