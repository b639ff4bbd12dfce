//! `[http]` and `[admin]`: the HTTP listeners.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::config::files::SecretUse;
use crate::config::mistakes::place::At;
use crate::config::table::{optional, otherwise, table};
use crate::config::values::kind::{GIB, MANY, address, count, existing_file, list, listen, origin, secs, size, wait};
use crate::config::values::kind_secret::{SecretKeys, secret};
use crate::config::{Origin, Secret};

table! {
    /// The refresh route, where the application posts what has changed: `POST /roster_admin/refresh`,
    /// `GET /roster_admin/refresh/{user}`.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HttpConfig (check = http) {
        /// Where to serve plain HTTP.
        listen: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 5280))), listen();
        /// The bearer token the application has to send. Without one, whoever reaches the port can ask for refreshes.
        token: Option<Secret> = None, secret(SecretUse::BearerToken);
        /// The longest request body. A plugin may need 32 bytes of memory for each byte of it: see `host.limits.max_memory`.
        max_body: usize = 4 << 20, size(1..=GIB);
        /// Every request is answered within it; users not done by then count as errors.
        request_timeout: Duration = secs(60), wait();
        /// How long a client may take to send the head of a request, and how long a connection may idle.
        header_timeout: Duration = secs(15), wait();
        /// Connections open at once, HTTP and HTTPS together. With one more the one ends whose client has been waited for longest,
        /// of the address that has most; if no client is waited for, it has to wait.
        max_connections: usize = 1024, count(1..=MANY, "connections");
        /// Of them from one address (of IPv6, from one /64). With one more the one of that address ends whose client has been
        /// waited for longest; else it is refused. Where everybody comes through a proxy, that is the proxy's address: set this to
        /// `max_connections` and the rates to 0, and limit the clients in the proxy.
        max_connections_per_address: usize = 256, count(1..=MANY, "connections");
        /// From one address in the long run, and ten times as many at once, or as many as it may have. More are closed unread. 0:
        /// as many as it likes.
        connections_per_second: u32 = 5_000, count(0..=MANY, "connections a second");
        /// TLS handshakes of one address in the long run, and ten times as many at once. More are not begun. 0: as many as it
        /// likes.
        handshakes_per_second: u32 = 50, count(0..=MANY, "handshakes a second");
        /// TLS handshakes under way at once, of which one address may have a quarter. More wait, and one that takes long makes
        /// room.
        max_handshakes: usize = 256, count(1..=MANY, "handshakes");
        /// Refresh requests of one address for one virtual host worked on at once, their bodies read; four times as many in all. One
        /// more is answered 503 with `Retry-After`.
        max_requests: usize = 64, count(1..=MANY, "requests");
        /// Requests of one address that have begun and are not answered; each stream of HTTP/2 is one. One more is answered 503.
        max_requests_per_address: usize = 256, count(1..=MANY, "requests");
        /// Complete requests of one address in the long run, to these listeners together, and as many to the admin listener; ten
        /// times as many at once. More wait for their turn, up to ten seconds; the connection that sends even more ends. 0: as many
        /// as it likes.
        requests_per_second: u32 = 2_000, count(0..=MANY, "requests a second");
        /// What the bodies of all requests may take together, of which one address may have half, or one of the longest. When they
        /// take more, the greediest address loses a body that has not arrived. At least `max_body`.
        body_memory: usize = 64 << 20, otherwise(size(1..=64 * GIB), "`\"64MiB\"`, or twice `max_body` if that is more");
        /// How much that carries next to nothing one address may send in the long run, and ten times as much at once: frames of
        /// HTTP/2 without data, tiny pieces of bodies and of heads. Eight for each request do not count. With more the connection
        /// ends, or what is tiny is read more slowly. 0: as much as it likes.
        overhead_per_second: u32 = 1_000, count(0..=MANY, "pieces a second");
        /// Browser origins that may call the route (CORS), such as `["https://app.example.org"]`. A request with any other `Origin`
        /// header is refused with 403.
        cors_origins: Vec<Origin> = Vec::new(), list("array of origins", origin());
        /// `[http.tls]`
        tls: Option<TlsConfig> = None, optional();
    }
}

fn http(http: &mut HttpConfig, at: &At<'_>) {
    if !at.has("body_memory") {
        http.body_memory = http.body_memory.max(http.max_body.saturating_mul(2));
    } else if http.body_memory < http.max_body {
        let (memory, body) = (http.body_memory, http.max_body);
        at.key("body_memory").problem(format!("{memory}: expected {body} to {}", 64 * GIB));
    }
    if http.listen.is_none() && !at.has("tls") {
        at.key("listen").warn("off, and there is no [http.tls]: nothing can ask for a refresh over HTTP");
    }
    if !SecretKeys::is_given(at, "token") {
        let listeners = [(at.clone(), http.listen), (at.key("tls"), http.tls.as_ref().map(|tls| tls.listen))];
        for (at, address) in listeners {
            if let Some(address) = address.filter(|address| !is_loopback(address)) {
                at.key("listen").warn(format!(
                    "{address} is not a loopback address and there is no http.token: whoever reaches it can ask for \
                     refreshes"
                ));
            }
        }
    }
}

table! {
    /// HTTPS for the refresh route, beside plain HTTP. To have only HTTPS, set `http.listen` to `"off"`. Off without this table.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TlsConfig {
        /// Where to serve HTTPS.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 5281)), address();
        /// A PEM file: the chain with the server's own certificate first.
        certificate: PathBuf = PathBuf::new(), existing_file().required();
        /// Its key, a PEM file.
        key: PathBuf = PathBuf::new(), existing_file().required();
        /// How often the two files are looked at for a change.
        reload_interval: Duration = secs(5), wait();
    }
}

impl TlsConfig {
    /// HTTPS with these two files and the defaults for the rest.
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key, ..Self::default() }
    }
}

table! {
    /// The admin listener: health, metrics, cached rosters, sessions, events.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AdminConfig (check = admin) {
        /// Where to serve it. An address that is not loopback needs a token.
        listen: Option<SocketAddr> = Some(SocketAddr::from(([127, 0, 0, 1], 5282))), listen();
        /// The bearer token that every route but `/healthz` and `/readyz` asks for.
        token: Option<Secret> = None, secret(SecretUse::BearerToken);
        /// Roster events that are remembered for readers of `/events` that are slow, or come back with `Last-Event-ID`.
        event_buffer: usize = 1024, count(1..=MANY, "events");
        /// What these may take together; the newest is always remembered. Readers share it: of an event one that does not read
        /// holds a piece.
        event_buffer_bytes: usize = 16 << 20, size(64 << 10..=GIB);
        /// Readers of `/events` at once.
        max_streams: usize = 32, count(1..=MANY, "readers");
        /// Of so many users the latest four requests to the application are remembered, about 1 kB each, for who looks one up; 0: of
        /// none.
        remembered_users: usize = 8192, count(0..=10_000_000, "users");
    }
    beside {
        /// Asked for by the upload of a plugin where there is no `token`. There is no key for it: for the demo.
        upload_token: Option<Secret> = None;
    }
}

fn admin(admin: &mut AdminConfig, at: &At<'_>) {
    let no_token = !SecretKeys::is_given(at, "token");
    if let Some(address) = admin.listen.filter(|address| no_token && !is_loopback(address)) {
        at.key("listen")
            .problem(format!("{address} is not a loopback address: admin.token or admin.token_file is needed"));
    }
}

/// An address, and the key that has it.
pub(super) type Taken = (&'static str, SocketAddr);

/// The addresses of these listeners.
pub(super) fn no_address_twice(config: &Config, at: &At<'_>) -> Vec<Taken> {
    let tls = config.http.tls.as_ref().map(|tls| tls.listen);
    let all = [("http.listen", config.http.listen), ("http.tls.listen", tls), ("admin.listen", config.admin.listen)];
    let mut taken = Vec::new();
    for (key, address) in all {
        if let Some(address) = address {
            free(address, &taken, &at.keys(key));
            taken.push((key, address));
        }
    }
    taken
}

/// Is none of those `taken`? Port 0 lets the system choose, so there it is no clash.
pub(super) fn free(address: SocketAddr, taken: &[Taken], at: &At<'_>) {
    if let Some((first, _)) = taken.iter().find(|(_, other)| *other == address && address.port() != 0) {
        at.problem(format!("{address}: {first} has it already"));
    }
}

/// Whether only this machine reaches it, written as IPv4 in IPv6 too.
pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
