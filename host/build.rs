//! Builds the plugin in `guest/` as a WebAssembly component, for the host to embed.
//!
//! A build script and not a separate step, so that `cargo run` and `cargo test` just work in a fresh clone. Set
//! `ROSTER_PLUGIN_WASM` to the path of a component to embed that one and build nothing. The crate as it is published has no
//! `guest/` beside it, and the component in `component/` instead (`packaging/crates`).

use std::env;
use std::path::{Path, PathBuf};

#[path = "build/component.rs"]
mod component;

/// The component in the published crate.
const PUBLISHED: &str = "component/http_roster_admin.wasm";

fn main() {
    println!("cargo::rerun-if-env-changed=ROSTER_PLUGIN_WASM");
    let plugin = match env::var_os("ROSTER_PLUGIN_WASM") {
        Some(path) => given(path.as_ref()).map_err(|error| format!("ROSTER_PLUGIN_WASM: {error}")),
        None if Path::new("../guest/Cargo.toml").is_file() => {
            for watched in
                ["guest/src", "guest/Cargo.toml", "guest/sdk", "wit", "Cargo.toml", "Cargo.lock", "host/build"]
            {
                println!("cargo::rerun-if-changed=../{watched}");
            }
            component::build("http-roster-admin", "..")
        }
        None => given(Path::new(PUBLISHED)).map_err(|error| format!("{PUBLISHED}: {error}")),
    };
    match plugin {
        Ok(path) => println!("cargo::rustc-env=ROSTER_PLUGIN_WASM={}", path.display()),
        Err(reason) => println!("cargo::error={reason}"),
    }
}

/// `include_bytes!` would look for a relative path beside the source file.
fn given(path: &Path) -> std::io::Result<PathBuf> {
    println!("cargo::rerun-if-changed={}", path.display());
    path.canonicalize()
}
