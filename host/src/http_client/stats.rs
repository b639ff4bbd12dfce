//! What a client has done so far, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::ErrorKind;

/// Counters of one [`HttpClient`](super::HttpClient). They only grow, but for the open connections.
#[derive(Debug, Default)]
pub struct ClientStats {
    requests: AtomicU64,
    errors: [AtomicU64; ErrorKind::ALL.len()],
    redirects: AtomicU64,
    retries: AtomicU64,
    bytes_in: AtomicU64,
    connections_opened: AtomicU64,
    connections_open: AtomicU64,
}

impl ClientStats {
    /// Calls of `send`.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Calls of `send` that ended in an error of this kind.
    pub fn errors(&self, kind: ErrorKind) -> u64 {
        self.errors.get(kind as usize).map_or(0, |count| count.load(Relaxed))
    }

    /// Redirects followed.
    pub fn redirects(&self) -> u64 {
        self.redirects.load(Relaxed)
    }

    /// Requests sent again because the server had just closed the kept connection.
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// Bytes of response bodies received.
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Relaxed)
    }

    /// Connections opened, TLS included.
    pub fn connections_opened(&self) -> u64 {
        self.connections_opened.load(Relaxed)
    }

    /// Connections open now.
    pub fn connections_open(&self) -> u64 {
        self.connections_open.load(Relaxed)
    }

    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn error(&self, kind: ErrorKind) {
        if let Some(count) = self.errors.get(kind as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn redirect(&self) {
        self.redirects.fetch_add(1, Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// A connection is open until the guard is dropped.
    pub(super) fn opened(self: std::sync::Arc<Self>) -> OpenGuard {
        self.connections_opened.fetch_add(1, Relaxed);
        self.connections_open.fetch_add(1, Relaxed);
        OpenGuard(self)
    }
}

/// See [`ClientStats::opened`].
#[derive(Debug)]
pub(super) struct OpenGuard(std::sync::Arc<ClientStats>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Relaxed);
    }
}
