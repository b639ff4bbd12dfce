#!/bin/sh
# Puts src/ and a Python interpreter into one component. Needs Python 3.10 or newer with venv.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/componentize-py ] || {
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
}
# app.py is imported while the component is built: it starts with the memory after that.
.venv/bin/componentize-py --quiet -d wit -w roster-plugin componentize app --python-path src -o my-roster.wasm
