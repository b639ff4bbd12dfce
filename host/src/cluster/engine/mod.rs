//! What a cluster stands on: messages from node to node, and a few values that all nodes agree about. NATS in the host
//! ([`crate::cluster::engine::nats`]), a simulated network in tests.

pub(in crate::cluster) mod nats;

use async_trait::async_trait;
use bytes::Bytes;

use crate::cluster::member::NodeName;

/// Everything ends within a deadline of the engine's own, well below `cluster.node_timeout`.
#[async_trait]
pub(in crate::cluster) trait Engine: Send + Sync + 'static {
    /// Sends to one node. It may get lost, or come late; not before what was sent to that node earlier.
    async fn send(&self, to: &NodeName, message: Bytes) -> Result<(), EngineError>;

    /// Sends to all nodes, this one among them.
    async fn send_all(&self, message: Bytes) -> Result<(), EngineError>;

    /// The value of `key`, as most of the engine's servers have it.
    async fn read(&self, key: &str) -> Result<Option<Entry>, EngineError>;

    /// Writes the value of `key`, so that most of the engine's servers have it. With `expected` only if that is the revision of the
    /// value now; 0: there is none.
    async fn write(&self, key: &str, value: Bytes, expected: Option<u64>) -> Result<(), EngineError>;

    /// Removes the value of `key`.
    async fn remove(&self, key: &str) -> Result<(), EngineError>;
}

/// A value that nodes agree about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct Entry {
    pub(in crate::cluster) value: Bytes,
    /// Grows with each change.
    pub(in crate::cluster) revision: u64,
}

/// Why the engine did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cluster) enum EngineError {
    /// Somebody else has written.
    #[error("another node has written meanwhile")]
    Conflict,
    /// No connection, no majority, no answer.
    #[error("{0}")]
    Unavailable(String),
}
