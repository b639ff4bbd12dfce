#!/usr/bin/env bash
# Builds javascript.wasm, a component of the world roster-plugin. Needs Node 20 and npm.
set -euo pipefail
cd "$(dirname "$0")"

[ -d node_modules/@bytecodealliance/componentize-js ] ||
    npm install --no-package-lock --no-audit --no-fund --loglevel=error
node build.js javascript.wasm
