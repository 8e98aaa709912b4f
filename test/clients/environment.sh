#!/usr/bin/env bash
# Makes the Python environment of the real clients in a folder, once for each list of requirements; prints its interpreter.
set -euo pipefail
folder=$1
list=$(dirname "$0")/requirements.txt

if ! cmp -s "$list" "$folder/installed.txt"; then
  rm -rf "$folder"
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$list" >&2
  cp "$list" "$folder/installed.txt"
fi
echo "$folder/bin/python"
