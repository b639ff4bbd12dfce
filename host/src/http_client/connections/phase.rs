//! How far a new connection has come, for whoever waits for it no longer.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What a new connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http_client) enum Phase {
    /// Another request opens a connection that both may share.
    Another,
    Dns,
    Tcp,
    Tls,
    Http,
}

const PHASES: [Phase; 5] = [Phase::Another, Phase::Dns, Phase::Tcp, Phase::Tls, Phase::Http];

/// As it is said of a connection that did not come in time.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Another => "another request's attempt to connect did not end",
            Self::Dns => "the host name was not looked up",
            Self::Tcp => "the server did not accept a TCP connection",
            Self::Tls => "the TLS handshake did not end",
            Self::Http => "the connection did not become ready for a request",
        })
    }
}

/// The phase that one attempt is in.
#[derive(Debug, Default)]
pub(in crate::http_client) struct Progress(AtomicU8);

impl Progress {
    pub(super) fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Relaxed);
    }

    pub(in crate::http_client) fn phase(&self) -> Phase {
        PHASES.get(usize::from(self.0.load(Relaxed))).copied().unwrap_or(Phase::Another)
    }
}
