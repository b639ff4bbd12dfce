//! The checked configuration of `[attach]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// `[attach]`: XMPP servers of other make that get their rosters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachConfig {
    /// `listen`, default 127.0.0.1:5284. `None` when the operator set it to `"off"`.
    pub listen: Option<SocketAddr>,
    /// `certificate` and `key`: PEM files. `None`: plain HTTP.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// `lease`: a node without an event stream for so long loses its users, default 30 s.
    pub lease: Duration,
    /// `ack_timeout`: how long a refresh waits for a node to say that it has passed on what was found, default 1 s.
    pub ack_timeout: Duration,
    /// `keepalive`: how often a silent event stream shows that it lives, default 10 s.
    pub keepalive: Duration,
    /// `max_users`: of one node, default 100,000.
    pub max_users: usize,
    /// `max_connections`: open at once, of all nodes together, default 1,024.
    pub max_connections: usize,
    /// `max_body`: the longest list of users of a sync, bytes, default 16 MiB.
    pub max_body: usize,
    /// `max_sync_fetches`: users that all syncs together ask the application for at once, default 16: a sync of many is not to hold
    /// up those who log in.
    pub max_sync_fetches: usize,
    /// `ring_events`: events that are kept for a node that lags or comes back, default 1,024.
    pub ring_events: usize,
    /// `ring_memory`: what these may take, bytes, default 16 MiB; the newest is always kept.
    pub ring_memory: usize,
    /// `[[attach.node]]`, names unique.
    pub nodes: Vec<NodeConfig>,
}

impl Default for AttachConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 5284))),
            tls: None,
            lease: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(1),
            keepalive: Duration::from_secs(10),
            max_users: 100_000,
            max_connections: 1024,
            max_body: 16 << 20,
            max_sync_fetches: 16,
            ring_events: 1024,
            ring_memory: 16 << 20,
            nodes: Vec::new(),
        }
    }
}

/// `[[attach.node]]`: one virtual host of one process of an XMPP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// `name`
    pub name: String,
    /// `domain`: that of a `[[host]]`; the only one where it is left out.
    pub domain: String,
    /// `token` or `token_file`
    pub token: Secret,
}
