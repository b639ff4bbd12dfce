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
# compose NAME SETTINGS-AND-STATE...: what the server has by itself needs no component.
compose() {
    local before=() state=() each
    for each in "${@:2}"; do
        if [ "$each" = environment ]; then before+=("$(part environment)"); else state+=("$(part "$each")"); fi
    done
    "$target/tools/debug/roster-tools" compose "$1.wasm" "${before[@]}" "$(part store)" "$(part alone)" "$plugin" "${state[@]}" \
        "$(part handler)"
}
compose http-roster-admin-proxy
compose http-roster-admin-proxy-directory directory
compose http-roster-admin-proxy-valkey valkey
# The settings from the environment.
compose http-roster-admin-proxy-env environment
compose http-roster-admin-proxy-directory-env environment directory
compose http-roster-admin-proxy-valkey-env environment valkey
