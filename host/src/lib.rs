//! Runs `xmpp:roster` plugins.

pub mod config;
pub mod http_client;
