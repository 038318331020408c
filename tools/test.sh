#!/usr/bin/env bash
# Builds everything and runs every test. See README.md, "Two commands", and docs/testing.md.
# Arguments are passed to the release build's ctest, and only that runs then: tools/test.sh -R lit
# HB_FUZZ_SECONDS: seconds per fuzz target (default 60; 0 leaves fuzzing out).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs="$(nproc)"
tools/build.sh release
ctest --test-dir build/release --output-on-failure -j "$jobs" "$@"
(( $# == 0 )) || exit 0

# The fuzz preset is the asan preset with coverage feedback: one sanitizer build serves the tests and the fuzzers.
tools/build.sh fuzz
ctest --test-dir build/fuzz --output-on-failure -j "$jobs"

[[ -f build/tsan/build.ninja ]] || cmake --preset tsan
cmake --build build/tsan --target hb_device_tests hb_exec_tests
ctest --test-dir build/tsan --output-on-failure --no-tests=error -R '^(device|exec)\.'

seconds="${HB_FUZZ_SECONDS:-60}"
if [[ "$seconds" != 0 ]]; then tools/dev/fuzz.sh "$seconds"; fi
