//! Generated from `wit/`: the types and the hooks, as the component model sees them.
//!
//! Only the two interfaces of `xmpp:roster` are generated. The imports from WASI come with implementations of their own
//! ([`crate::plugin`]), so the world here is smaller than the plugin's.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]

wasmtime::component::bindgen!({
    inline: "
        package roster-host:bindings;
        world hooks {
            import xmpp:roster/store@0.1.0;
            export xmpp:roster/hooks@0.1.0;
        }
    ",
    world: "roster-host:bindings/hooks",
    path: "wit",
    imports: { default: trappable },
    exports: { default: async },
    with: { "xmpp:roster/store.snapshot": crate::plugin::imports::store::KnownRoster },
});
