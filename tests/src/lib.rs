//! What the integration tests share: a web application that does as it is told ([`web_app`]), a host that listens on
//! ports the system picks ([`host`]), and a client ([`client`]).
//!
//! Everything runs over real sockets on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod client;
pub mod host;
pub mod web_app;

/// The component that misbehaves, see `tests/guests/hostile`.
pub const HOSTILE_GUEST: &str = env!("HOSTILE_GUEST_WASM");
