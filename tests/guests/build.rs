//! Builds the plugins that only tests use.

#[path = "../../host/build/component.rs"]
mod component;

/// Package, and the variable that has its path.
const GUESTS: [(&str, &str); 4] = [
    ("hostile-guest", "HOSTILE_GUEST"),
    ("next-guest", "NEXT_GUEST"),
    ("paged-roster", "PAGED_ROSTER"),
    ("token-roster", "TOKEN_ROSTER"),
];

fn main() {
    for watched in ["tests/guests", "guest/examples", "guest/sdk", "wit", "Cargo.toml", "Cargo.lock", "host/build"] {
        println!("cargo::rerun-if-changed=../../{watched}");
    }
    for (package, variable) in GUESTS {
        match component::build(package, "../..") {
            Ok(path) => println!("cargo::rustc-env={variable}={}", path.display()),
            Err(reason) => println!("cargo::error={reason}"),
        }
    }
}
