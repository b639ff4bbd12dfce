//! What the tests of the wire have in common: an endpoint with two users and their rosters, and a client that says what a
//! test tells it to, byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub
)]

pub mod client;
pub mod scram;
pub mod server;

pub use client::Client;
pub use server::Server;
