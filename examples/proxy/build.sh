#!/usr/bin/env bash
# Builds http-roster-admin-proxy.wasm: the plugin between a store and a handler of wasi:http. Needs Rust alone.
# Usage: build.sh PLUGIN.wasm
set -euo pipefail
plugin=$(realpath "${1:?usage: build.sh PLUGIN.wasm}")
cd "$(dirname "$0")"
target=$(cd ../.. && pwd)/target

cargo build --quiet --locked --manifest-path ../../tools/Cargo.toml --target-dir "$target/tools"
cargo build --quiet --locked --release --target wasm32-wasip2 --target-dir "$target/proxy"
built=$target/proxy/wasm32-wasip2/release
"$target/tools/debug/roster-tools" compose http-roster-admin-proxy.wasm \
    "$built/roster_proxy_store.wasm" "$plugin" "$built/roster_proxy_handler.wasm"
