#!/bin/sh
# What a CI has to run. Needs Node 20 with npm, and roster-host.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm install --no-audit --no-fund
npm test
npm run build
roster-host plugin check my-roster.wasm --cases cases
