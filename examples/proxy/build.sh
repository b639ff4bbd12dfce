#!/usr/bin/env bash
# Builds the plugin between a store and a handler of wasi:http, once for each place where rosters can be kept. Needs Rust alone.
# Usage: build.sh PLUGIN.wasm
set -euo pipefail
plugin=$(realpath "${1:?usage: build.sh PLUGIN.wasm}")
cd "$(dirname "$0")"
target=$(cd ../.. && pwd)/target

cargo build --quiet --locked --manifest-path ../../tools/Cargo.toml --target-dir "$target/tools"
cargo build --quiet --locked --release --target wasm32-wasip2 --target-dir "$target/proxy"
part() { echo "$target/proxy/wasm32-wasip2/release/roster_proxy_$1.wasm"; }
# compose NAME STATE...: for a server whose own wasi:keyvalue lasts there is no component for the state.
compose() {
    "$target/tools/debug/roster-tools" compose "$1.wasm" "$(part store)" "$(part alone)" "$plugin" "${@:2}" "$(part handler)"
}
compose http-roster-admin-proxy
compose http-roster-admin-proxy-directory "$(part directory)"
compose http-roster-admin-proxy-valkey "$(part valkey)"
