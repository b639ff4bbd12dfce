//! Builds the plugin in `guest/` as a WebAssembly component, for the host to embed.
//!
//! A build script and not a separate step, so that `cargo run` and `cargo test` just work in a fresh clone. Set
//! `ROSTER_PLUGIN_WASM` to the path of a component to embed that one and build nothing.

use std::env;
use std::path::PathBuf;

#[path = "build/component.rs"]
mod component;

fn main() {
    println!("cargo::rerun-if-env-changed=ROSTER_PLUGIN_WASM");
    for watched in ["guest/src", "guest/Cargo.toml", "wit", "Cargo.toml", "Cargo.lock", "host/build"] {
        println!("cargo::rerun-if-changed=../{watched}");
    }
    let plugin = match env::var_os("ROSTER_PLUGIN_WASM") {
        // `include_bytes!` would look for a relative path beside the source file.
        Some(path) => PathBuf::from(&path).canonicalize().map_err(|error| format!("ROSTER_PLUGIN_WASM: {error}")),
        None => component::build("http-roster-admin", ".."),
    };
    match plugin {
        Ok(path) => println!("cargo::rustc-env=ROSTER_PLUGIN_WASM={}", path.display()),
        Err(reason) => println!("cargo::error={reason}"),
    }
}
