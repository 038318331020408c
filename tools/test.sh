#!/usr/bin/env bash
# Builds everything and runs every test. See README.md, "Two commands".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/build.sh release
ctest --test-dir build/release --output-on-failure -j "$(nproc)" "$@"
