//! Builds the plugins that only tests use.

#[path = "../host/build/component.rs"]
mod component;

fn main() {
    for watched in ["tests/guests", "wit", "Cargo.toml", "Cargo.lock", "host/build"] {
        println!("cargo::rerun-if-changed=../{watched}");
    }
    match component::build("hostile-guest", "..") {
        Ok(path) => println!("cargo::rustc-env=HOSTILE_GUEST_WASM={}", path.display()),
        Err(reason) => println!("cargo::error={reason}"),
    }
}
