//! Generated from `tests/guests/next/wit`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../tests/guests/next/wit",
    world: "roster-plugin",
    imports: { default: trappable },
    exports: { default: async },
    with: { "xmpp:roster/store.snapshot": crate::plugin::imports::store::KnownRoster },
});
