//! Builds one package of this workspace as a WebAssembly component. For build scripts: `host/build.rs` and
//! `tests/guests/build.rs` include this file.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
/// What cargo tells a build script about its package; settings such as proxies and registries stay.
const OURS: [&str; 7] = [
    "CARGO_PKG_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_ENCODED_",
    "CARGO_MAKEFLAGS",
    "CARGO_PRIMARY_PACKAGE",
];

/// The path of the component that `package` compiles to. `root` is the workspace's folder as seen from the build script.
/// Errors are one line for the operator.
pub(crate) fn build(package: &str, root: &str) -> Result<PathBuf, String> {
    ensure_target()?;
    let target_dir = target_dir()?.join("plugin");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", package, "--lib", "--target", TARGET, "--profile", "plugin"]);
    cargo.arg("--target-dir").arg(&target_dir).current_dir(root);
    // What cargo tells a build script is about the host; the plugin is built as if from a shell. A wrapper such as
    // clippy's would also build it anew for every tool.
    for (name, _) in env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            OURS.iter().any(|prefix| name.starts_with(prefix))
                || matches!(name, "RUSTC_WORKSPACE_WRAPPER" | "RUSTC_WRAPPER" | "RUSTFLAGS" | "RUSTDOCFLAGS" | "TARGET")
        });
        if own {
            cargo.env_remove(&name);
        }
    }
    // In every engine since 2021 and part of WebAssembly 2.0. The digest of an answer has a version for it: some hundredths
    // of the throughput at 1,000 contacts (tests/benches/side_by_side.rs).
    cargo.env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-Ctarget-feature=+simd128");
    let status = cargo.status().map_err(|error| format!("cannot run cargo to build the plugin: {error}"))?;
    if !status.success() {
        return Err(format!("the component {package} could not be built, see above"));
    }
    let component = target_dir.join(TARGET).join("plugin").join(format!("{}.wasm", package.replace('-', "_")));
    if component.is_file() { Ok(component) } else { Err(format!("no component at {}", component.display())) }
}

/// The workspace's target folder: `OUT_DIR` is `<target>/<profile>/build/<package>/out`.
fn target_dir() -> Result<PathBuf, String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo set no OUT_DIR")?);
    out.ancestors().nth(4).map(Path::to_path_buf).ok_or_else(|| format!("no target folder above {}", out.display()))
}

/// Installs the target's standard library if it is missing.
fn ensure_target() -> Result<(), String> {
    if target_is_installed() {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) && target_is_installed() {
        return Ok(());
    }
    Err(format!("the Rust target {TARGET} is missing and could not be installed; run: rustup target add {TARGET}"))
}

fn target_is_installed() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    std::fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}
