//! Runs `xmpp:roster` plugins: an application owns its users' contact lists, a sandboxed WebAssembly component speaks its
//! protocol, and this host fetches, caches and refreshes rosters with it.
//!
//! The map, in the direction data flows on a refresh:
//!
//! - [`http`]: the refresh route takes the application's request; admin, health and metrics beside it
//! - [`rosters`]: the use cases, first fetch and refresh: ordering, single flight, concurrency
//! - [`plugin`]: wasmtime engine, warm instances, limits; the hooks of the WIT
//! - [`swap`]: which plugin serves, and another in its place while the host runs
//! - [`http_client`]: what a plugin's requests are sent with
//! - [`store`]: versioned rosters in memory
//! - [`sinks`]: who is told what changed
//! - [`xmpp`]: one of them, the endpoint that people's clients log in to (crate `roster-xmpp`)
//! - `attach`: another, for servers of other make that serve the clients themselves
//! - [`tls`]: the certificates of the listeners; [`sockets`]: what they listen on
//! - [`conformance`]: whether a plugin does what its protocol says, apart from any serving
//!
//! Used by all: [`model`] (users, contacts, rosters), [`config`], [`metrics`], [`logging`], [`text`], [`descriptors`]. [`Host`] puts them together;
//! [`check`] stops short of serving; [`demo`] is what runs without a configuration.

mod assembly;
mod attach;
pub mod check;
pub mod cluster;
pub mod config;
pub mod conformance;
pub mod demo;
pub mod descriptors;
mod frames;
pub mod http;
pub mod http_client;
pub mod logging;
pub mod metrics;
pub use roster_model as model;
pub mod plugin;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod rooms;
pub mod rosters;
mod sharded;
pub mod sinks;
pub mod sockets;
pub mod store;
mod subject;
pub mod swap;
pub mod text;
pub mod tls;
pub mod xmpp;

pub use assembly::{Host, StartError, reload};
