#!/usr/bin/env bash
# Runs http-roster-admin-proxy.wasm in the servers that are here: `jco serve` of the Node host next door, and
# `wasmtime serve` if wasmtime is on the PATH.
set -euo pipefail
cd "$(dirname "$0")"
jco=../js-host/node_modules/.bin/jco
work=$(mktemp -d)
pid=
stop() {
    # The group: `jco serve` serves in a process of its own, which outlives it.
    [ -z "$pid" ] || { kill -- "-$pid" && wait "$pid"; } 2>/dev/null || true
    pid=
}
trap 'stop; rm -rf "$work"' EXIT

# A port that nobody listens on now.
free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

# run TITLE CASES COMMAND...: the server's own output is shown if a case fails. @PORT@ becomes its port.
run() {
    local title=$1 cases=$2 port
    shift 2
    echo "--- $title"
    port=$(free_port)
    setsid "${@//@PORT@/$port}" >"$work/log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2086 # None or one.
    node test.js "http://127.0.0.1:$port" "$app" $cases || { cat "$work/log" >&2; exit 1; }
    stop
}

app=$(free_port)
url="http://127.0.0.1:$app/contacts/%s"
run "jco serve" "" env ROSTER_DOMAIN=example.com "ROSTER_HTTP_ROSTER_URL=$url" \
    node "$(realpath "$jco")" serve --host 127.0.0.1 --port @PORT@ --jco-dir "$PWD/../js-host/generated-proxy" \
    --jco-map "wasi:config/store@0.2.0-rc.1=$PWD/jco/config.js" "wasi:keyvalue/store@0.2.0-draft=$PWD/jco/keyvalue.js" \
    -- "$PWD/http-roster-admin-proxy.wasm"
if command -v wasmtime >/dev/null; then
    run "wasmtime serve ($(wasmtime --version))" --not-shared wasmtime serve --addr 127.0.0.1:@PORT@ \
        -S cli,http,config,keyvalue -S config-var=domain=example.com -S "config-var=http_roster_url=$url" \
        http-roster-admin-proxy.wasm
else
    echo "--- wasmtime serve: left out, there is no wasmtime"
fi
