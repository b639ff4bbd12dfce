//! The plugin this host is built with: `guest/`, compiled by `build.rs`.

/// The component `http-roster-admin`.
pub const BUILT_IN: &[u8] = include_bytes!(env!("ROSTER_PLUGIN_WASM"));
