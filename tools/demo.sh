#!/usr/bin/env bash
# Builds, compiles the shapes checkpoint that comes with the project, draws a grid of pictures, fine-tunes adapters with a reward for some steps
# and draws again with them. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/build.sh release

out="build/demo"
bin="build/release/bin"
checkpoint="models/shapes/checkpoint"
mkdir -p "$out"

# compile MODULE ARGUMENTS…: again only when the compiler or the checkpoint is newer than the module.
compile() {
  local module="$1"
  shift
  if [[ ! -f "$module" || "$bin/hbc" -nt "$module" || -n "$(find "$checkpoint" -newer "$module" -print -quit)" ]]; then
    echo "compiling $checkpoint: $(basename "$module")"
    "$bin/hbc" compile "$checkpoint" "$@" -o "$module"
  fi
}
adapters=(--lora-rank 8 --lora-targets to_q,to_v,ff.net.0.proj)
compile "$out/shapes.hbm" --entry generate "${adapters[@]}"
compile "$out/train.hbm" "${adapters[@]}" --steps 10 --grad-steps 2 --batch-size 4 --dim L=32 --reward "blip2=$checkpoint/rewards/blip2" \
  --entry hummingbird_loss_and_grad --entry text_encoder.text_encode --entry text_encoder_2.text_encode --entry image_encode

python3 tools/dev/demo_grid.py pictures --hb-rt "$bin/hb-rt" --module "$out/shapes.hbm" --out "$out"
if [[ ! -d "$out/train/final" || "$out/train.hbm" -nt "$out/train/final" || models/shapes/train.toml -nt "$out/train/final" ]]; then
  rm -rf "$out/train"
  "$bin/hb-rt" train --config models/shapes/train.toml
fi
python3 tools/dev/demo_grid.py before-after --hb-rt "$bin/hb-rt" --module "$out/shapes.hbm" --out "$out" --run "$out/train"
