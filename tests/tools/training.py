#!/usr/bin/env python3
"""hb-rt train on a compiled module: interrupted with Ctrl-C, killed at random moments, with other numbers of threads, against one run in one
go, byte by byte; the folder it leaves; a run that meets values that are not finite."""
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time

from harness import CHECKPOINT, ROOT, Test, read

ENTRIES = ["hummingbird_loss_and_grad", "text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode"]
COMPARED = ["checkpoint-4/adapter_model.safetensors", "checkpoint-4/optimizer.safetensors", "final/adapter_model.safetensors", "final/kohya.safetensors"]
CONFIG = """[model]
compiled = "{module}"
[adapter]
dropout = 0.1
[data]
manifest = "{manifest}"
[sampler]
guidance_scale = 5.0
seed = -1
[optimizer]
learning_rate = 1.5e-4
max_grad_norm = 1.0
ema_decay = 0.9
[train]
max_train_steps = 4
gradient_accumulation_steps = 2
[checkpoint]
output_dir = "{folder}/one"
checkpointing_steps = 1
checkpoints_total_limit = 2
"""


def arguments(test, name, *more, threads=1):
    return ["train", "--config", test.path("train.toml"), "--no-cache", "--threads", str(threads), "--checkpoint.output_dir", test.path(name), *more]


def begin(test, name, *more):
    return subprocess.Popen([os.path.join(test.bin, "hb-rt"), *arguments(test, name, *more)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def same(test, what, name):
    for file in COMPARED:
        test.check(f"{what}: {file}", read(test.path(name, file)) == read(test.path("one", file)), "differs from the run in one go")


with Test(__doc__) as test:
    random.seed(4)
    module = test.path("train.hbm")
    # The reward's tokenizer is in the module: its folder is needed for weights alone.
    reward = test.path("blip2")
    shutil.copytree(os.path.join(CHECKPOINT, "rewards", "blip2"), reward)
    test.must("hbc compile", test.run("hbc", "compile", CHECKPOINT, "-o", module, "--dim", "L=32", "--lora-rank", 8, "--lora-targets", "to_q,to_v,ff.net.0.proj", "--steps", 2, "--truncation", "random:1-2", "--lora-dropout",
                                      "--reward", "blip2=" + reward, *[a for e in ENTRIES for a in ("--entry", e)]))
    for name in os.listdir(reward):
        if not name.endswith((".safetensors", "config.json")) or name.startswith("tokenizer"):
            os.remove(os.path.join(reward, name))
    test.check("no vocabulary beside the reward", not os.path.exists(os.path.join(reward, "vocab.txt")), os.listdir(reward))
    test.expect("inspect", test.run("hb-rt", "inspect", module), 0, "training: 2 denoising steps, gradients through the last 1 to 2, drawn for each sample, dropout at the adapters\n")
    manifest = os.path.join(ROOT, "models", "shapes", "data", "train.jsonl")
    test.write("train.toml", CONFIG.format(module=module, manifest=manifest, folder=test.folder))

    dry = test.expect("a dry run", test.run("hb-rt", *arguments(test, "dry", "--dry-run")), 0, r"first batch +reward blip2 = ", r"gradient norm [0-9]", r"arena [0-9.]+ MiB")
    test.check("a dry run writes nothing", not os.path.exists(test.path("dry")), dry.stdout)

    started = time.monotonic()
    test.expect("a run in one go", test.run("hb-rt", *arguments(test, "one")), 0, r"step 4/4, reward ", r"one/final")
    seconds = time.monotonic() - started
    test.check("two checkpoints are kept", sorted(n for n in os.listdir(test.path("one")) if n.startswith("checkpoint-")) == ["checkpoint-3", "checkpoint-4"], os.listdir(test.path("one")))
    lines = [json.loads(line) for line in read(test.path("one", "metrics.jsonl")).splitlines()]
    test.check("a line per step", [line["step"] for line in lines] == [1, 2, 3, 4], lines)
    test.check("gradients are there", all(line["grad_norm"] > 0 and line["nonfinite"] == 0 for line in lines), lines)
    test.check("the report holds the curves", b"<svg" in read(test.path("one", "report.html")))
    test.expect("the same folder again", test.run("hb-rt", *arguments(test, "one")), 2, "HB0665", "--resume latest")

    test.expect("two threads", test.run("hb-rt", *arguments(test, "threads", threads=2)), 0)
    same(test, "two threads", "threads")

    child = begin(test, "interrupted")
    for line in child.stderr:
        if line.startswith("step 2/"):
            child.send_signal(signal.SIGINT)
    test.check(f"Ctrl-C: exit 130, got {child.wait()}", child.returncode in (130, 0))
    if child.returncode == 130:
        test.expect("resumed after Ctrl-C", test.run("hb-rt", *arguments(test, "interrupted", "--resume", "latest")), 0)
    same(test, "Ctrl-C", "interrupted")

    kills = 0
    for attempt in range(60):
        more = ["--resume", "latest"] if os.path.isdir(test.path("killed")) and any(n.startswith("checkpoint-") for n in os.listdir(test.path("killed"))) else []
        child = begin(test, "killed", *more)
        try:
            child.communicate(timeout=seconds * random.uniform(0.1, 0.9 if attempt < 8 else 3))
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            kills += 1
            continue
        test.check(f"resumed after kills: exit {child.returncode}", child.returncode == 0)
        break
    test.check("some runs were killed", kills > 0)
    same(test, f"{kills} kills", "killed")

    # A disk that is full in the middle of a checkpoint (a limit on file sizes stands for it): the earlier checkpoint stays, nothing half written does.
    test.expect("half a run", test.run("hb-rt", *arguments(test, "full", "--train.max_train_steps", "2")), 0)
    room = os.path.getsize(test.path("one", COMPARED[1])) - 1000  # the largest file of all: the optimizer's
    small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    test.expect("a full disk", test.run("hb-rt", *arguments(test, "full", "--resume", "latest"), preexec_fn=small), 1, "HB0901", "File too large")
    left = sorted(os.listdir(test.path("full")))
    test.check("the checkpoints before stay", [n for n in left if "checkpoint" in n] == ["checkpoint-1", "checkpoint-2"], left)
    test.expect("resumed after a full disk", test.run("hb-rt", *arguments(test, "full", "--resume", "latest")), 0)
    same(test, "a full disk", "full")

    poisoned = test.path("poisoned")
    shutil.copytree(test.path("one", "final"), poisoned)
    factors = os.path.join(poisoned, "adapter_model.safetensors")
    test.write("poisoned/adapter_model.safetensors", read(factors)[:-64] + struct.pack("<f", 1e38) * 16)  # finite, but no product with it is
    test.expect("values that are not finite", test.run("hb-rt", *arguments(test, "wild", "--adapter.resume_from", poisoned)), 1, "HB0663", r"step 1, sample 0", r"train.jsonl:\d+", r"computed by \w+ \(\S+\.hb:\d+ .* with \S*up_blocks.1.attentions.1.transformer_blocks.0.ff.net")
    test.check("what is not finite is counted", json.loads(read(test.path("wild", "metrics.jsonl")).splitlines()[-1])["nonfinite"] > 0)
    test.expect("a key that does not exist", test.run("hb-rt", *arguments(test, "typo", "--optimizer.learning_rat", "1")), 2, "HB0654", "learning_rate")
    test.expect("a KL term that is not compiled in", test.run("hb-rt", *arguments(test, "kl", "--rewards.kl", "5")), 3, "HB0659", "rewards.kl", "--kl")
