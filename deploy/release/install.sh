#!/bin/sh
# Installs from this folder alone: ./install.sh /opt/shadowgraph [python3]. No network is asked.
set -eu
target=$1
python=${2:-python3}
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
"$python" -m venv "$target"
"$target/bin/python" -m pip install --quiet --no-index --no-deps --require-hashes \
    --find-links wheels --requirement wheels.lock
"$target/bin/python" -m pip install --quiet --no-index --no-deps ./shadowgraph-*.whl
"$target/bin/shadowgraph" doctor
