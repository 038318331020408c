#!/usr/bin/env bash
# Builds, compiles the shapes checkpoint that comes with the project, and draws a grid of pictures. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/build.sh release

out="build/demo"
module="$out/shapes.hbm"
mkdir -p "$out"
# Compiled again only when the compiler or the checkpoint is newer than the module.
if [[ ! -f "$module" || build/release/bin/hbc -nt "$module" || -n "$(find models/shapes/checkpoint -newer "$module" -print -quit)" ]]; then
  echo "compiling models/shapes/checkpoint"
  build/release/bin/hbc compile models/shapes/checkpoint --entry generate -o "$module"
fi
python3 tools/dev/demo_grid.py --hb-rt build/release/bin/hb-rt --module "$module" --out "$out"
