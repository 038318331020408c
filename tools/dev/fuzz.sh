#!/usr/bin/env bash
# Runs every fuzz target for SECONDS seconds (default 60), two at a time, from the seeds in the repository.
# usage: tools/dev/fuzz.sh [SECONDS [TARGET…]]        targets: see tests/fuzz/CMakeLists.txt
# HB_FUZZ_SEED: of the mutations; 1 by default, so that a failing gate fails again, 0 for another one every time (longer hunts).
# What is found stays in build/fuzz/findings/<target>; the corpus that grows in build/fuzz/corpus is kept for the next run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds="${1:-60}"
shift || true
build="${HB_FUZZ_BUILD:-build/fuzz}"
[[ -f "$build/build.ninja" ]] || cmake --preset fuzz
table="$build/tests/fuzz/targets.txt"
if [[ ! -f "$table" ]]; then cmake "$build" > /dev/null; fi
mapfile -t names < <(cut -d' ' -f1 "$table")
cmake --build "$build" --target "${names[@]/#/fuzz-}"

run_one() {
  local name="$1" corpus="$build/corpus/$1" findings="$build/findings/$1" log="$build/findings/$1.log" dict=()
  shift
  mkdir -p "$corpus" "$findings"
  case "$name" in
    language) dict=(-dict=tests/fuzz/language.dict) ;;
    picture) ;;
    *) dict=(-dict=tests/fuzz/container.dict) ;;
  esac
  if "$build/bin/fuzz-$name" "${dict[@]}" -seed="${HB_FUZZ_SEED:-1}" -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$findings/" "$corpus" "$@" > "$log" 2>&1; then
    echo "fuzz-$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, nothing found"
  else
    echo "fuzz-$name: FAILED; the input is in $findings, the report:" >&2
    tail -n 60 "$log" >&2
    return 1
  fi
}

failed=0 running=0
while read -r name seeds; do
  if (( $# )) && [[ " $* " != *" $name "* ]]; then continue; fi
  # shellcheck disable=SC2086  # a list of folders
  run_one "$name" $seeds &
  if (( ++running >= 2 )); then
    wait -n || failed=1
    running=$((running - 1))
  fi
done < "$table"
while (( running-- > 0 )); do wait -n || failed=1; done
exit "$failed"
