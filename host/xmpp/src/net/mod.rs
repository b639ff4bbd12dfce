//! Connections.
//!
//! - [`admission`]: how many there may be
//! - [`transport`]: TCP, TLS and WebSocket as one
//! - [`wire`]: a stream on one
//! - [`rate`]: how much it may send; [`metered`]: the same below a WebSocket
//! - [`violation`]: what a client must not send over it

pub(crate) mod admission;
pub(crate) mod metered;
pub(crate) mod rate;
pub(crate) mod transport;
mod violation;
pub(crate) mod wire;
