#!/usr/bin/env python3
"""hb-rt train against the recorded run of a trainer written in torch (trainer/, made by make/trainer_record.py).

    trainer.py --hbc PATH --hb-rt PATH [--target …]

The same 20 optimizer steps on models/shapes from the same start. At every recorded step the adapter's distance from torch's float64 run (relative L2 of
what training changed) is at most twice that of torch's float32 with its default kernels. Losses, rewards and gradient norms of all 20 steps: the worst relative distance is at most twice the worst of torch's float32 (single numbers are right by accident now and then). Pictures of the first and last step: of all 8-bit values 99.9 % within
1. The initial adapter is asked for by a run that learns nothing. With several numbers of threads the checkpoints' bytes must be the same.
"""
import argparse, json, os, shutil, sys, tempfile
import numpy as np

from files import read_png, read_safetensors
from tools import Tools, add_arguments, tail

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = os.path.normpath(os.path.join(HERE, "../../models/shapes"))
RECORD = os.path.join(HERE, "trainer")
ENTRIES = ["text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode"]
PREFIX = "base_model.model."


def norm(tensors):
    return sum(float((t.astype(np.float64) ** 2).sum()) for t in tensors.values()) ** 0.5


def adapter(folder):
    return {n.removeprefix(PREFIX): t for n, t in read_safetensors(os.path.join(folder, "adapter_model.safetensors")).items()}


def group(tensors, prefix):
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def pictures(path, count, side):
    """The first pictures of a sample grid: white, two pixels between them, four a row."""
    grid = read_png(path)
    return np.stack([grid[2 + (i // 4) * (side + 2):, 2 + (i % 4) * (side + 2):][:side, :side] for i in range(count)])


class Check:
    def __init__(self):
        self.failures, self.passed = [], 0

    def __call__(self, what, holds, found):
        self.passed += bool(holds)
        if not holds:
            self.failures.append(f"{what} FAIL {found}")


def train(tools, module, name, threads, *more):
    out = tools.path(name)
    rc, err = tools.call([tools.rt, "train", "--config", os.path.join(RECORD, "train.toml"), "--model.compiled", module, "--data.manifest", os.path.join(SHAPES, "data/train.jsonl"),
                          "--checkpoint.output_dir", out, "--checkpoint.checkpointing_steps", "1", "--log.sample_steps", "20", "--no-cache", "--quiet", "--threads", str(threads), *more])
    if rc:
        sys.exit(f"hb-rt train: exit {rc}: {tail(err)}")
    return out


def compare(check, out, record, stored):
    """One run against the record."""
    start = group(stored, "start.")
    rows = record["optimizer_steps"]
    for step in sorted({int(n.split(".")[1]) for n in stored if n.startswith("change.")}):
        got, change = adapter(os.path.join(out, f"checkpoint-{step}")), group(stored, f"change.{step}.")
        if got.keys() != change.keys():
            check(f"step {step}", False, "other tensors than recorded")
            continue
        away = {n: got[n].astype(np.float64) - start[n] - change[n] for n in change}
        ours, torchs = norm(away) / norm(change), rows[step - 1]["distance"]["default"]
        print(f"step {step}: distance {ours:.3g}, torch float32 {torchs:.3g}")
        check(f"step {step}: adapter", ours <= 2 * torchs, f"{ours:.3g}, limit {2 * torchs:.3g}")
    with open(os.path.join(out, "metrics.jsonl")) as f:
        lines = [json.loads(line) for line in f]
    check("metrics", len(lines) == len(rows), f"{len(lines)} lines")
    for key, distances in (("loss", "loss_distance"), ("reward/blip2", "loss_distance"), ("grad_norm", "grad_norm_distance")):
        ours = max(abs(line[key] / row[key] - 1) for line, row in zip(lines, rows))
        torchs = max(row[distances]["default"] for row in rows)
        print(f"{key}: worst distance {ours:.3g}, torch float32 {torchs:.3g}")
        check(key, ours <= 2 * torchs, f"{ours:.3g}, limit {2 * torchs:.3g}")
    for name, want in stored.items():
        if name.startswith("pictures."):
            got = pictures(os.path.join(out, "samples", f"step-{int(name[9:]):06d}.png"), len(want), want.shape[1])
            near = float((np.abs(got.astype(int) - want) <= 1).mean())
            check(name, near >= 0.999, f"{near:.5f} of the values within 1")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(p)
    a = p.parse_args()
    with open(os.path.join(RECORD, "record.json")) as f:
        record = json.load(f)
    stored = read_safetensors(os.path.join(RECORD, "record.safetensors"))
    check = Check()
    with tempfile.TemporaryDirectory(prefix="hb-parity-") as temp:
        tools = Tools(a, temp)
        checkpoint = os.path.join(SHAPES, "checkpoint")
        flags = ["--lora-rank", "4", "--lora-targets", ",".join(record["lora_targets"]), "--steps", str(record["steps"]), "--grad-steps", str(record["grad_steps"]),
                 "--reward", "blip2=" + os.path.join(checkpoint, "rewards/blip2"), *[word for entry in ENTRIES for word in ("--entry", entry)]]
        (rc, err), module = tools.compile(checkpoint, "hummingbird_loss_and_grad", {"L": 32}, flags)
        if rc:
            print(f"compile: exit {rc}: {tail(err)}")
            return 1
        if not tools.executes:
            print(f"0 passed, 0 failed, 1 compiled but not executed: this CPU lacks what {' '.join(a.target)} needs")
            return 0
        # A rate of zero writes the start as its checkpoint.
        out = train(tools, module, "start", 1, "--optimizer.learning_rate", "0", "--train.max_train_steps", "1")
        got, start = adapter(os.path.join(out, "checkpoint-1")), group(stored, "start.")
        check("initial adapter", got.keys() == start.keys() and all(got[n].tobytes() == start[n].tobytes() for n in start), "other bits than PEFT's")
        first = None
        for threads in tools.threads:
            out = train(tools, module, f"run{threads}", threads)
            last = adapter(os.path.join(out, f"checkpoint-{len(record['optimizer_steps'])}"))
            if first is None:
                first = last
                compare(check, out, record, stored)
            check(f"{threads} threads", all(first[n].tobytes() == last[n].tobytes() for n in first), "other bits than the first run")
            shutil.rmtree(out)
    print("\n".join(check.failures))
    print(f"{check.passed} passed, {len(check.failures)} failed")
    return 1 if check.failures or not check.passed else 0


if __name__ == "__main__":
    sys.exit(main())
