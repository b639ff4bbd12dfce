//! What an operator wants to count. Plain numbers: whoever embeds the endpoint puts names on them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up and down, or only up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    pub(crate) fn increase(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; only for those that go down again.
    pub(crate) fn decrease(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of one endpoint.
#[derive(Debug, Default)]
pub struct Counters {
    /// Open connections.
    pub connections: Counter,
    /// Connections since the start.
    pub connections_total: Counter,
    /// Connections refused, because there were too many of them or of those from one address.
    pub connections_refused: Counter,
    /// Sessions that exist, hibernating ones included.
    pub sessions: Counter,
    /// Sessions whose client is away and may come back (XEP-0198).
    pub sessions_hibernating: Counter,
    /// Sessions since the start.
    pub sessions_total: Counter,
    /// Sessions a client has come back to.
    pub sessions_resumed: Counter,
    /// Logins that succeeded.
    pub logins: Counter,
    /// Logins that failed because of the client: a wrong password, no such account.
    pub login_failures: Counter,
    /// Logins turned away unseen, because too many had failed before.
    pub logins_throttled: Counter,
    /// Stanzas from clients.
    pub stanzas_in: Counter,
    /// Stanzas written to clients.
    pub stanzas_out: Counter,
    /// Sessions ended because their client did not read.
    pub overflows: Counter,
    /// Streams ended with a stream error, whoever was at fault.
    pub stream_errors: Counter,
}
