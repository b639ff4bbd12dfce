//! Runs `xmpp:roster` plugins.

pub mod config;
