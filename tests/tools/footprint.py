#!/usr/bin/env python3
"""The most that a process had resident (VmHWM, files it maps included) is what was planned, within 3 %: a wide network with weights for both directions, packed in a cold
run, in one that writes the cache and in one that reads it, and training."""
import json
import os
import re
import sys

import numpy as np

from harness import CHECKPOINT, ROOT, Test

sys.path.insert(0, os.path.join(ROOT, "tests", "parity"))
from files import write_safetensors  # noqa: E402

# Six pairs of linears: 302 MB of float16 in the file, and as much packed again for the gradient. One table is read as it is stored.
LAYERS, WIDTH, INNER = 6, 2048, 6144
PROGRAM = """module Layer(w, n) {
  up: param[n, w]
  down: param[w, n]
  shift: param[w]
  fn (x) { x + linear(silu(linear(x, up)), down, shift) }
}
module Net(config) {
  layers: [for i in 0..config.layers => Layer(config.width, config.inner)]
  fn (x) { for layer in layers from h = x => layer(h) }
}
entry f (x: tensor[T, W]) where T = 64, W = config.width -> (y: tensor[T, W], dx: tensor[T, W]) {
  let y = Net(config)(x)
  (y, vjp(y, x, wrt: x))
}
"""
TOLERANCE = 0.03


def near(test, what, planned, measured, parts=""):
    print(f"{what}: planned {planned / 2**20:.1f} MiB, measured {measured / 2**20:.1f}")
    test.check(f"{what}: planned and measured", abs(measured / planned - 1) <= TOLERANCE, f"{planned} planned, {measured} measured: {parts}")


def check_wide(test):
    rng, tensors = np.random.default_rng(3), {}
    for i in range(LAYERS):
        for name, shape in (("up", (INNER, WIDTH)), ("down", (WIDTH, INNER))):
            tensors[f"layers.{i}.{name}"] = (rng.standard_normal(shape, np.float32) * 0.02).astype(np.float16)
        tensors[f"layers.{i}.shift"] = np.zeros(WIDTH, np.float16)
    test.write("net/config.json", json.dumps({"_class_name": "Net", "layers": LAYERS, "width": WIDTH, "inner": INNER}))
    write_safetensors(test.path("net/diffusion_pytorch_model.safetensors"), tensors)
    source = sum(t.nbytes for t in tensors.values())
    program = test.write("wide.hb", PROGRAM)
    test.must("hbc compile", test.run("hbc", "compile", program, "--config", test.path("net/config.json"), "--weights", test.path("net"), "--entry", "f", "-o", test.path("wide.hbm")))
    cache = ["--cache-dir", test.path("cache")]
    for what, more in (("packed anew", ["--no-cache"]), ("cache written", cache), ("cache read", cache)):
        done = test.must(f"hb-rt bench, {what}", test.run("hb-rt", "bench", test.path("wide.hbm"), "--threads", 2, "--repeat", 1, "--warmup", 0, "--json", *more))
        result = json.loads(done.stdout.splitlines()[-1])
        planned = result["planned"]
        # The weights for the other direction are a copy of their own, or the test would not see whether the source stays.
        test.check(f"{what}: both directions", planned["packed weights"] >= 0.99 * source and planned["packed weights"] + planned["arena"] > 5 * planned["process"], planned)
        test.check(f"{what}: the lines add up", sum(planned.values()) == result["planned_peak_bytes"], planned)
        near(test, f"wide network, {what}", result["planned_peak_bytes"], result["peak_rss_bytes"], planned)
    test.check("there was a cache", any(f.endswith(".hbpack") for f in os.listdir(test.path("cache"))), os.listdir(test.path("cache")))


def check_training(test):
    module, steps = test.path("train.hbm"), 3
    test.must("hbc compile", test.run("hbc", "compile", CHECKPOINT, "--entry", "hummingbird_loss_and_grad", "--dim", "L=32", "--width", 256, "--height", 256, "--batch-size", 2, "--lora-rank", 8,
                                      "--lora-targets", "to_q,to_v,ff.net.0.proj", "--steps", 3, "--grad-steps", 2, "--reward", f"blip2={CHECKPOINT}/rewards/blip2",
                                      *[word for e in ("text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode") for word in ("--entry", e)], "-o", module))
    data = os.path.join(ROOT, "models", "shapes", "data")
    command = ["hb-rt", "train", "--model.compiled", module, "--data.manifest", os.path.join(data, "train.jsonl"), "--adapter.dropout", 0, "--optimizer.ema_decay", 0.9, "--no-cache", "--threads", 2,
               "--train.max_train_steps", steps, "--train.gradient_accumulation_steps", 2, "--checkpoint.checkpointing_steps", 1, "--checkpoint.output_dir", test.path("out")]
    said = test.must("hb-rt train --dry-run", test.run(*command, "--dry-run")).stdout
    found = re.search(r"peak memory +([0-9.]+) MiB planned; ([0-9.]+) MiB resident so far", said)
    if not test.check("the plan is printed", found and re.search(r"memory +process [0-9.]+ MiB, .*arena [0-9.]+ MiB, .*packed weights [0-9.]+ MiB, .*adapter and optimizer [0-9.]+ MiB", said), said):
        return
    planned = float(found.group(1)) * 2**20
    test.must("hb-rt train", test.run(*command))
    with open(test.path("out", "metrics.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    test.check("all steps", len(lines) == steps, lines)
    near(test, "training", planned, lines[-1]["peak_mem_bytes"], said)


with Test(__doc__) as test:
    check_wide(test)
    check_training(test)
