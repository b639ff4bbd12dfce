#!/usr/bin/env bash
# Builds c.wasm, a component of the world roster-plugin. Needs Rust, and of Debian: clang lld wasi-libc libclang-rt-dev-wasm32
set -euo pipefail
cd "$(dirname "$0")"
target=$(cd ../../.. && pwd)/target/tools

cargo build --quiet --locked --manifest-path ../../../tools/Cargo.toml --target-dir "$target"
tools=$target/debug/roster-tools

"$tools" c-bindings ../../../wit roster-plugin generated
cflags=(--target=wasm32-wasi -O2 -std=c11 -Igenerated -Isrc)
# The generated code is not held to the same warnings.
clang "${cflags[@]}" -w -c generated/roster_plugin.c -o generated/bindings.o
# A library in the sense of WASI: no main, and started once before the first hook.
clang "${cflags[@]}" -Wall -Wextra -Werror -mexec-model=reactor -Wl,--strip-all \
    src/*.c generated/bindings.o generated/roster_plugin_component_type.o -o generated/module.wasm
"$tools" component generated/module.wasm c.wasm
