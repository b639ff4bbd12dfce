//! The wire of the XMPP endpoint: a client that says what a test tells it to, byte by byte. What needs a process to itself is
//! beside this folder: `memory.rs` (its allocator counts) and `client_log.rs` (what threads without a log do to `tracing`'s cache
//! of who listens would lose lines).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crowds;
mod guesses;
mod hostile;
mod login;
mod management;
mod session;
mod support;
mod websocket;
mod websocket_frames;
