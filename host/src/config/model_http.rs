//! The checked configuration of the HTTP listeners.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Origin, Secret};

/// `[http]`: where the application posts its refreshes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// `listen`: plain HTTP. `None` when the operator set it to `"off"`.
    pub listen: Option<SocketAddr>,
    /// `[http.tls]`
    pub tls: Option<TlsConfig>,
    /// `token` or `token_file`: the bearer token the application must send.
    pub token: Option<Secret>,
    /// `max_body`: the longest request body, bytes, default 4 MiB: what a plugin can read within the default of its
    /// `max_memory`.
    pub max_body: usize,
    /// `request_timeout`: every request is answered within it; users not done by then count as errors.
    pub request_timeout: Duration,
    /// `header_timeout`: how long a client may take to send a request's head, and how long a connection may idle.
    pub header_timeout: Duration,
    /// `max_connections`: open at once, on all listeners of the refresh route together. With one more the one ends whose client
    /// has been waited for longest; if none is waited for, it waits.
    pub max_connections: usize,
    /// `max_connections_per_address`: of them from one address (of IPv6, from one /64), default 256. With one more the one of
    /// that address ends whose client has been waited for longest; if none is waited for, it is refused.
    pub max_connections_per_address: usize,
    /// `connections_per_second`: from one address in the long run, and ten times as many at once, or as many as it may have; more
    /// are closed unread. Default 5,000; zero: as many as it likes.
    pub connections_per_second: u32,
    /// `handshakes_per_second`: TLS handshakes of one address in the long run, and ten times as many at once; more are not begun.
    /// Default 50; zero: as many as it likes.
    pub handshakes_per_second: u32,
    /// `max_handshakes`: TLS handshakes under way at once, of which one address may have a quarter; more wait. Default 256.
    pub max_handshakes: usize,
    /// `max_requests`: refresh requests of one address for one virtual host worked on at once; one more is answered 503 with
    /// `Retry-After`. There are four times as many places in all. The body of a request has arrived before it counts.
    pub max_requests: usize,
    /// `max_requests_per_address`: requests of one address that have begun and are not answered, default 256; one more is answered
    /// 503. Each stream of HTTP/2 is one.
    pub max_requests_per_address: usize,
    /// `requests_per_second`: complete requests of one address in the long run, and ten times as many at once; more wait, and
    /// when as many wait the connection ends. Default 2,000; zero: as many as it likes.
    pub requests_per_second: u32,
    /// `body_memory`: what the bodies of all requests may take together, bytes, of which one address may have half (but at least
    /// `max_body`). Default 64 MiB, or two of the longest bodies. When it is full the greediest address loses a body that has not arrived.
    pub body_memory: usize,
    /// `overhead_per_second`: how much that carries next to nothing one address may send in the long run, and ten times as much
    /// at once: frames of HTTP/2 without data, tiny pieces of bodies and of heads. Eight for each request are free. Default 1,000; zero: as much as it likes.
    pub overhead_per_second: u32,
    /// `cors_origins`: browser origins that may call the route, such as `https://app.example.org`.
    pub cors_origins: Vec<Origin>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5280))),
            tls: None,
            token: None,
            max_body: 4 << 20,
            request_timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(15),
            max_connections: 1024,
            max_connections_per_address: 256,
            connections_per_second: 5_000,
            handshakes_per_second: 50,
            max_handshakes: 256,
            max_requests: 64,
            max_requests_per_address: 256,
            requests_per_second: 2_000,
            body_memory: 64 << 20,
            overhead_per_second: 1_000,
            cors_origins: Vec::new(),
        }
    }
}

/// `[http.tls]`: HTTPS for the refresh route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// `listen`, default 127.0.0.1:5281.
    pub listen: SocketAddr,
    /// `certificate`: PEM file, the chain with the leaf first.
    pub certificate: PathBuf,
    /// `key`: PEM file.
    pub key: PathBuf,
    /// `reload_interval`: how often the two files are looked at for a change, default 5 s.
    pub reload_interval: Duration,
}

impl TlsConfig {
    /// HTTPS with these two files and the defaults for the rest.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5281)),
            certificate,
            key,
            reload_interval: Duration::from_secs(5),
        }
    }
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// `listen`, default 127.0.0.1:5282. `None` when the operator set it to `"off"`.
    pub listen: Option<SocketAddr>,
    /// `token` or `token_file`: asked for on every route but `/healthz` and `/readyz`. Needed when `listen` is not
    /// a loopback address.
    pub token: Option<Secret>,
    /// Asked for by the upload of a plugin where there is no `token`. There is no key for it: for the demo.
    pub upload_token: Option<Secret>,
    /// `event_buffer`: how many roster events are remembered for readers of `/events` that are slow or come back.
    pub event_buffer: usize,
    /// `event_buffer_bytes`: what these may take together, default 16 MiB; the newest is always remembered. Readers share it: of an
    /// event one that does not read holds a piece.
    pub event_buffer_bytes: usize,
    /// `max_streams`: readers of `/events` at once.
    pub max_streams: usize,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5282))),
            token: None,
            upload_token: None,
            event_buffer: 1024,
            event_buffer_bytes: 16 << 20,
            max_streams: 32,
        }
    }
}
