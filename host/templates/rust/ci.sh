#!/bin/sh
# What a CI has to run. Needs Rust, `rustup target add wasm32-wasip2`, and roster-host.
set -eu
cd "$(dirname "$0")"
cargo test
cargo build --release --target wasm32-wasip2
roster-host plugin check "${CARGO_TARGET_DIR:-target}/wasm32-wasip2/release/my_roster.wasm" --cases cases
