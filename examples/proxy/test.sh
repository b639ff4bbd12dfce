#!/usr/bin/env bash
# Runs the proxy in `jco serve` of the Node host next door, and in two releases of `wasmtime serve`, with a directory and with
# Valkey or Redis. Needs Node 20 or newer, what wasmtime.sh needs, and valkey-server or redis-server. ROSTER_HOST: the program, if it
# is to be tried with the proxy as its application.
set -euo pipefail
cd "$(dirname "$0")"
[ -n "${WASMTIME:-}" ] || WASMTIME="$(./wasmtime.sh 48) $(./wasmtime.sh 49)"
[ -n "${VALKEY:-}" ] || VALKEY=$(command -v valkey-server redis-server | head -n 1)
[ -n "$VALKEY" ] || { echo "test.sh: valkey-server or redis-server is needed" >&2; exit 1; }
export WASMTIME VALKEY
for program in $WASMTIME; do "$program" --version; done
exec node --test --test-reporter=spec test/test.js
