#!/bin/sh
# What a CI has to run. Needs Python 3.10 or newer with venv, and roster-host.
set -eu
cd "$(dirname "$0")"
PYTHONPATH=src python3 -m unittest discover tests
sh build.sh
roster-host plugin check my-roster.wasm --cases cases
