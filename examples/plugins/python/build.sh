#!/usr/bin/env bash
# Builds python.wasm, a component of the world roster-plugin. Needs Python 3.9 or newer with venv.
set -euo pipefail
cd "$(dirname "$0")"

[ -x .venv/bin/componentize-py ] || {
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}
# The interpreter is started while the component is built, and app.py imported: what a component starts with is the
# memory after that.
.venv/bin/componentize-py --quiet -d ../../../wit -w roster-plugin componentize app --python-path src -o python.wasm
