#!/usr/bin/env bash
# Turns a component into JavaScript and core modules that Node runs: generated/ or FOLDER. Needs Node 20 and npm.
# Usage: build.sh COMPONENT.wasm [FOLDER]
set -euo pipefail
component=$(realpath "${1:?usage: build.sh COMPONENT.wasm [FOLDER]}")
cd "$(dirname "$0")"

[ -d node_modules/@bytecodealliance/jco ] || npm install --no-package-lock --no-audit --no-fund --loglevel=error
out=${2:-generated}
rm -rf "$out"
# Synchronous: Node 20 cannot suspend WebAssembly. Imports are given when it is instantiated, see plugin.js.
npx --no-install jco transpile "$component" --quiet --instantiation sync --no-typescript --name plugin -o "$out"
