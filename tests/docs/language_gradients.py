#!/usr/bin/env python3
"""Compiles and runs the program with gradients of docs/language.md, and compares what it gives with the derivatives written out.

usage: language_gradients.py BIN
"""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "parity"))
from files import read_safetensors, relative_l2, write_safetensors  # noqa: E402

tools = os.path.abspath(sys.argv[1])
with open(os.path.join(ROOT, "docs", "language.md"), encoding="utf-8") as f:
    page = f.read()
program = re.search(r"### Gradients in a program\n.*?```\n(.*?)```", page, re.DOTALL).group(1)

rng = np.random.default_rng(3)
w, bias, a, b, x = [rng.standard_normal(shape).astype(np.float32) for shape in ((8, 8), (8,), (2, 8), (8, 2), (2, 8))]


def run(folder, **inputs):
    write_safetensors(os.path.join(folder, "in"), {"x": x, **inputs})
    subprocess.run([os.path.join(tools, "hb-rt"), "run", "m.hbm", "loss", "--inputs", "in", "--outputs", "out", "--adapter", "adapter.safetensors", "--no-cache"], cwd=folder, check=True)
    return read_safetensors(os.path.join(folder, "out"))


with tempfile.TemporaryDirectory() as folder:
    for name, text in (("loss.hb", program), ("config.json", "{}")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    write_safetensors(os.path.join(folder, "model.safetensors"), {"to_q.weight": w, "to_q.bias": bias})
    write_safetensors(os.path.join(folder, "adapter.safetensors"), {"unet.to_q.lora_A.weight": a, "unet.to_q.lora_B.weight": b})  # without an alpha the scale is 1
    subprocess.run([os.path.join(tools, "hbc"), "compile", "loss.hb", "--config", "config.json", "--weights", ".", "--lora-rank", "2", "--lora-targets", "to_q", "-o", "m.hbm"], cwd=folder, check=True)
    plain, dropped, again = run(folder, p=np.float32(0)), run(folder, p=np.float32(0.5), seed=np.int64(7)), run(folder, p=np.float32(0.5), seed=np.int64(7))

# Without dropout: d = B A x for each row; the frozen layer's own output is subtracted as a constant, so that y's derivative for x keeps W.
w, a, b, x = [m.astype(np.float64) for m in (w, a, b, x)]
d = x @ a.T @ b.T
want = {"loss": np.array((d**2).sum() / 2), "grad.x": d @ (w + b @ a), "grad.to_q.lora_A.weight": b.T @ d.T @ x, "grad.to_q.lora_B.weight": d.T @ (x @ a.T)}
failed = set(plain) != set(want)
for name, value in want.items():
    far = relative_l2(plain[name], value)
    failed |= not far < 1e-6
    print(f"{name}: {far:.2g} from the derivative written out")
if not any(np.any(dropped[name] != plain[name]) for name in want) or any(np.any(dropped[name] != again[name]) for name in want):
    failed = True
    print("dropout: expected other numbers, and the same ones for the same seed")
sys.exit(failed)
