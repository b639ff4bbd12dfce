//! Builds the plugin in `guest/` as a WebAssembly component, for the host to embed, and the one that the demo swaps to.
//!
//! A build script and not a separate step, so that `cargo run` and `cargo test` just work in a fresh clone. Set
//! `ROSTER_PLUGIN_WASM` to the path of a component to embed that one and build nothing. The crate as it is published has no
//! `guest/` beside it, and the components in `component/` instead (`packaging/crates`). Where there is none for the demo, it has
//! nothing to swap to.

use std::env;
use std::path::{Path, PathBuf};

#[path = "build/component.rs"]
mod component;

/// The components in the published crate.
const PUBLISHED: &str = "component/http_roster_admin.wasm";
const PUBLISHED_DEMO: &str = "component/paged_roster.wasm";

fn main() {
    println!("cargo::rerun-if-env-changed=ROSTER_PLUGIN_WASM");
    let (plugin, demo) = match env::var_os("ROSTER_PLUGIN_WASM") {
        Some(path) => (given(path.as_ref()).map_err(|error| format!("ROSTER_PLUGIN_WASM: {error}")), nothing()),
        None if Path::new("../guest/Cargo.toml").is_file() => {
            for watched in [
                "guest/src",
                "guest/Cargo.toml",
                "guest/sdk",
                "guest/examples/paged-roster",
                "wit",
                "Cargo.toml",
                "Cargo.lock",
                "host/build",
            ] {
                println!("cargo::rerun-if-changed=../{watched}");
            }
            (component::build("http-roster-admin", ".."), component::build("paged-roster", ".."))
        }
        None => {
            let demo = given(Path::new(PUBLISHED_DEMO)).map_or_else(|_| nothing(), Ok);
            (given(Path::new(PUBLISHED)).map_err(|error| format!("{PUBLISHED}: {error}")), demo)
        }
    };
    for (variable, component) in [("ROSTER_PLUGIN_WASM", plugin), ("ROSTER_DEMO_PLUGIN_WASM", demo)] {
        match component {
            Ok(path) => println!("cargo::rustc-env={variable}={}", path.display()),
            Err(reason) => println!("cargo::error={reason}"),
        }
    }
}

/// An empty file, in the place of a component.
fn nothing() -> Result<PathBuf, String> {
    let path = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo set no OUT_DIR")?).join("nothing.wasm");
    std::fs::write(&path, []).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// `include_bytes!` would look for a relative path beside the source file.
fn given(path: &Path) -> std::io::Result<PathBuf> {
    println!("cargo::rerun-if-changed={}", path.display());
    path.canonicalize()
}
