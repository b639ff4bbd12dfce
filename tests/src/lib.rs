//! What the integration tests share: a web application that does as it is told ([`web_app`]), a host that listens on ports the
//! system picks ([`host`]), a client ([`client`]), users who refresh without pause ([`load`]), modules to swap to ([`modules`]),
//! what XMPP clients need ([`xmpp`]), and a server of other make ([`attach`]).
//!
//! For benchmarks, whose application is measured along with the host and so does nothing that is not asked of it: one as they are
//! ([`ordinary_app`]) and one that costs as little as possible ([`quick_app`]), the guest's logic without WebAssembly ([`native`]),
//! and the two sides that are compared ([`bench`](mod@bench)).
//!
//! Everything runs over real sockets on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod attach;
pub mod bench;
pub mod client;
pub mod host;
pub mod load;
pub mod modules;
pub mod native;
pub mod ordinary_app;
pub mod quick_app;
pub mod web_app;
pub mod xmpp;

/// The example plugin with another protocol, see `guest/examples/paged-roster`.
pub const PAGED_ROSTER: &str = test_guests::PAGED_ROSTER;

/// The component that misbehaves, see `tests/guests/hostile`.
pub const HOSTILE_GUEST: &str = test_guests::HOSTILE;
