#!/usr/bin/env bash
# Runs the tests of real clients. What cannot be installed here is said, and its tests say that they did not run.
set -euo pipefail
cd "$(dirname "$0")/../.."

if python=$(bash test/clients/environment.sh "${BFLY_CLIENTS_DIR:-node_modules/.cache/bfly-clients}"); then
  BFLY_PYTHON=$(realpath --no-symlinks "$python")
  export BFLY_PYTHON
else
  echo 'NOT RUN: no Python environment could be made: TensorStore, CloudVolume, zarr-python and ome-zarr are missing'
fi
npm run --silent build
exec npx vitest run test/clients "$@"
