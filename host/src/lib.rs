//! Runs `xmpp:roster` plugins.

pub mod config;
pub mod http;
pub mod metrics;
pub mod model;
pub mod plugin;
pub mod rosters;
pub mod sinks;
pub mod store;
