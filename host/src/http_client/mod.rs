//! Outbound HTTP: what a plugin's requests are sent with.
//!
//! A plugin may send any request; this room decides where it goes and what it may cost. Nothing here knows of
//! WebAssembly: an adapter elsewhere translates, and a native program can use [`HttpClient`] as it is.
//!
//! The way of a request:
//!
//! 1. [`client`]: is the origin allowed? The same question again for every redirect.
//! 2. [`request`]: what a plugin wants sent, whether it may be, and what the host adds for the site that it goes to.
//! 3. [`connections`]: an idle one to that origin, or a new one. A new one goes only to addresses that passed the check. The
//!    address is checked after the name was looked up, by the code that then connects to it, so a name that changes its
//!    mind between check and use (DNS rebinding) gains nothing.
//! 4. [`exchange`]: the request goes out, the head comes back, and the body is collected whole, within deadlines and up to the cap.
//!
//! Why a pool of our own on top of `hyper::client::conn` and not `hyper_util`'s `legacy::Client`: a deadline for
//! the first byte has to start when the request gets its connection, and a request that lost the race against a
//! server's keep-alive timeout has to be repeated on a connection that is certainly new. The legacy client tells
//! neither. It is also 10 to 20 % cheaper (CPU per request over loopback, 32 at once, bodies of 500 B and 50 kB).
//! The TCP connector (both address families side by side, keep-alive, no Nagle) is `hyper_util`'s.
//!
//! Bounds: a response body by `max_response`, and long ones together by whoever has the `memory`; a response head by `max_response_head` and `max_response_headers`. Connections: at most one
//! for every `send` in progress plus `max_idle_connections` for every origin, so the caller's own limit on
//! concurrent sends is the limit on connections. Over HTTP/2 (`https` only, by ALPN) there is one connection for
//! every origin.

mod build;
mod build_error;
mod client;
mod collector;
mod connections;
mod error;
mod exchange;
mod request;
mod stats;

#[cfg(test)]
mod tests;

pub use build_error::ClientBuildError;
pub use client::HttpClient;
pub use collector::{ClientCollector, Clients};
pub(crate) use error::shown;
pub use error::{ErrorKind, SendError};
pub use exchange::deadlines::{Deadlines, Until};
pub use exchange::memory::Memory;
pub(crate) use request::authorization;
pub use stats::ClientStats;
