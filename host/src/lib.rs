//! Runs `xmpp:roster` plugins.

pub mod config;
pub mod model;
pub mod sinks;
pub mod store;
