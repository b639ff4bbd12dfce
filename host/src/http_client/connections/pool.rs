//! The open connections to one origin.
//!
//! HTTP/1.1: a stack of idle connections. The last one given back is the first taken, so that those too many grow
//! old and are closed. HTTP/2: one connection that everybody shares.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::client::conn::http1;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connect::Connector;
use super::connection::{Connection, RequestBody, Sender, SharedSender};
use super::destination::Destination;
use super::phase::Progress;
use crate::http_client::error::{ErrorKind, Failure};

/// See the module's documentation.
pub(in crate::http_client) struct Pool {
    destination: Destination,
    kept: Mutex<SiteConnections>,
    /// Held while dialing, unless the origin is known to speak HTTP/1.1: when the first of many requests gets an
    /// HTTP/2 connection, the others share it instead of dialing too.
    dialing: tokio::sync::Mutex<()>,
    protocol: AtomicU8,
    max_idle: usize,
    idle_timeout: Duration,
}

const UNKNOWN: u8 = 0;
const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

#[derive(Default)]
struct SiteConnections {
    /// The oldest first.
    idle: Vec<Idle>,
    shared: Option<Shared>,
    /// A task is running that closes what is too old.
    reaped: bool,
}

struct Idle {
    sender: http1::SendRequest<RequestBody>,
    since: Instant,
}

struct Shared {
    sender: SharedSender,
    last_used: Instant,
}

impl Pool {
    pub(in crate::http_client) fn new(destination: Destination, max_idle: usize, idle_timeout: Duration) -> Self {
        // Negotiated with TLS.
        let protocol = if destination.origin.is_https() { UNKNOWN } else { HTTP1 };
        Self {
            destination,
            kept: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
            protocol: AtomicU8::new(protocol),
            max_idle,
            idle_timeout,
        }
    }

    /// A connection that was ready for a request a moment ago. `fresh`: none that was idle.
    pub(in crate::http_client) async fn acquire(
        &self,
        connector: &Connector,
        fresh: bool,
        progress: &Progress,
    ) -> Result<Connection, Failure> {
        while let Some(mut connection) = self.take(fresh) {
            if connection.ready().await {
                return Ok(connection);
            }
        }
        // Boxed: seldom needed and large, it should not make every request's future large.
        Box::pin(self.dial(connector, progress)).await
    }

    async fn dial(&self, connector: &Connector, progress: &Progress) -> Result<Connection, Failure> {
        let mut dialing = None;
        if self.protocol.load(Relaxed) != HTTP1 {
            dialing = Some(self.dialing.lock().await);
            if let Some(connection) = self.take_shared() {
                return Ok(connection);
            }
            if self.protocol.load(Relaxed) == HTTP1 {
                dialing = None;
            }
        }
        let mut connection = connector.connect(&self.destination, progress).await?;
        if let Sender::Http2(sender) = &connection.sender {
            self.share(sender.clone());
        }
        self.protocol.store(if connection.is_shared() { HTTP2 } else { HTTP1 }, Relaxed);
        drop(dialing);
        // HTTP/1.1: the driver task has to run once.
        if connection.ready().await {
            return Ok(connection);
        }
        Err(Failure::new(ErrorKind::Connect, "cannot connect: the server closed the connection at once"))
    }

    fn take(&self, fresh: bool) -> Option<Connection> {
        if let Some(shared) = self.take_shared() {
            return Some(shared);
        }
        if fresh {
            return None;
        }
        let mut kept = self.kept.lock();
        while let Some(Idle { sender, since }) = kept.idle.pop() {
            if !sender.is_closed() && since.elapsed() < self.idle_timeout {
                return Some(Connection { sender: Sender::Http1(sender), reused: true });
            }
        }
        None
    }

    fn take_shared(&self) -> Option<Connection> {
        if self.protocol.load(Relaxed) == HTTP1 {
            return None;
        }
        let mut kept = self.kept.lock();
        let shared = kept.shared.as_mut()?;
        if shared.sender.0.is_closed() {
            kept.shared = None;
            return None;
        }
        shared.last_used = Instant::now();
        Some(Connection { sender: Sender::Http2(shared.sender.clone()), reused: true })
    }

    fn share(&self, sender: SharedSender) {
        self.kept.lock().shared = Some(Shared { sender, last_used: Instant::now() });
    }

    /// Gives back a connection whose last exchange is over.
    pub(in crate::http_client) fn release(self: &Arc<Self>, connection: Connection) {
        let mut kept = self.kept.lock();
        match connection.sender {
            Sender::Http1(sender) => {
                if sender.is_closed() || kept.idle.len() >= self.max_idle {
                    return;
                }
                kept.idle.push(Idle { sender, since: Instant::now() });
            }
            // The pool has kept its own handle.
            Sender::Http2(_) => {}
        }
        if !kept.reaped {
            kept.reaped = true;
            tokio::spawn(reap(Arc::downgrade(self), self.idle_timeout));
        }
    }

    /// Keeps `connection` from being shared any further: something is wrong with it.
    pub(in crate::http_client) fn retire(&self, connection: &Connection) {
        if let Sender::Http2(bad) = &connection.sender {
            let mut kept = self.kept.lock();
            if kept.shared.as_ref().is_some_and(|shared| Arc::ptr_eq(&shared.sender.1, &bad.1)) {
                kept.shared = None;
            }
        }
    }

    /// Closes what has been idle for too long. When to come again; `None`: nothing is left to wait for.
    fn prune(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        kept.idle.retain(|idle| !idle.sender.is_closed() && now.duration_since(idle.since) < self.idle_timeout);
        let mut next = kept.idle.first().map(|oldest| oldest.since);
        if let Some(shared) = &mut kept.shared {
            if Arc::strong_count(&shared.sender.1) > 1 {
                // In use; its idle time has not begun.
                shared.last_used = now;
            }
            if shared.sender.0.is_closed() || now.duration_since(shared.last_used) >= self.idle_timeout {
                kept.shared = None;
            } else {
                next = Some(next.map_or(shared.last_used, |other| other.min(shared.last_used)));
            }
        }
        kept.reaped = next.is_some();
        next.and_then(|since| since.checked_add(self.idle_timeout))
    }
}

/// Ends when nothing is idle any more, or with the first look after the client is gone.
async fn reap(pool: Weak<Pool>, first: Duration) {
    tokio::time::sleep(first).await;
    while let Some(next) = pool.upgrade().and_then(|pool| pool.prune()) {
        tokio::time::sleep_until(next).await;
    }
}
