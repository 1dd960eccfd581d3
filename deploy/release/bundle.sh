#!/bin/sh
# Everything that a site or a center without a network needs, in one folder: `make bundle`.
# The wheels are those of this machine's Python and processor; make it on one like the target.
set -eu
python=$1
wheel=$2
folder=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
release=$root/deploy/release

rm -rf "$folder"
mkdir -p "$folder/wheels"
"$python" "$release/parts.py" lock >"$folder/requirements.lock"
"$python" "$release/parts.py" sbom >"$folder/sbom.cdx.json"
# What has no wheel is built here from its source, whose hash the lock has; wheels.lock has those of the wheels.
"$python" -m pip wheel --quiet --no-deps --require-hashes \
    --requirement "$folder/requirements.lock" --wheel-dir "$folder/wheels"
"$python" "$release/parts.py" wheels "$folder/wheels" >"$folder/wheels.lock"
cp "$wheel" "$folder/"
cp "$release/install.sh" "$root/SECURITY.md" "$root/CHANGELOG.md" "$root/LICENSE" "$folder/"
cp -r "$root/deploy" "$root/docs" "$folder/"
(cd "$folder" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
tar -C "$(dirname "$folder")" -cf "$folder.tar" "$(basename "$folder")"
