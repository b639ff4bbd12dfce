//! Runs `xmpp:roster` plugins.

pub mod config;
pub mod http_client;
pub mod metrics;
pub mod model;
pub mod plugin;
pub mod rosters;
pub mod sinks;
pub mod store;
