#!/usr/bin/env python3
"""hb-rt train in two processes under mpirun: the bytes of one process that computes the same samples; a rank that is killed, Ctrl-C, and what happens
where MPI is not there."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

from harness import CHECKPOINT, ROOT, Test, read

ENTRIES = ["hummingbird_loss_and_grad", "text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode"]
STEPS = 16
COMPARED = [f"checkpoint-{STEPS}/adapter_model.safetensors", f"checkpoint-{STEPS}/optimizer.safetensors", "best/adapter_model.safetensors", "final/adapter_model.safetensors", "final/kohya.safetensors"]
CONFIG = """[model]
compiled = "{module}"
[adapter]
dropout = 0.0
[data]
manifest = "{data}/train.jsonl"
validation = "{folder}/val.jsonl"
[sampler]
guidance_scale = 5.0
seed = -1
[optimizer]
learning_rate = 1.5e-4
max_grad_norm = 1.0
[train]
max_train_steps = {steps}
[checkpoint]
output_dir = "unset"
checkpointing_steps = 100
validation_steps = 8
"""
# Runs the command and leaves its process id and exit code in the folder. mpirun's SIGTERM is for the program, not for this shell.
RANK = """trap '' TERM INT
"$@" & echo $! > "$RANKS/pid-$OMPI_COMM_WORLD_RANK.new"; mv "$RANKS/pid-$OMPI_COMM_WORLD_RANK.new" "$RANKS/pid-$OMPI_COMM_WORLD_RANK"
wait $!; echo $? > "$RANKS/code-$OMPI_COMM_WORLD_RANK"
"""


def arguments(test, name, accumulation, *more):
    return ["train", "--config", test.path("train.toml"), "--no-cache", "--threads", "1", "--checkpoint.output_dir", test.path(name), "--train.gradient_accumulation_steps", str(accumulation), *more]


def start(test, name, *more, ranks=2, accumulation=1, mpi=()):
    """mpirun in the background; its ranks leave files in the folder NAME.ranks."""
    notes = test.path(name + ".ranks")
    shutil.rmtree(notes, ignore_errors=True)
    os.makedirs(notes)
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", *mpi, "-np", str(ranks), "sh", test.path("rank.sh"), os.path.join(test.bin, "hb-rt"), *arguments(test, name, accumulation, *more)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "RANKS": notes, "TMPDIR": "/tmp"})


def note(test, name, what, rank, seconds=30):
    """What a rank left in its file, once it is there."""
    path = test.path(name + ".ranks", f"{what}-{rank}")
    for _ in range(int(seconds / 0.02)):
        if os.path.exists(path) and read(path).strip():
            return int(read(path))
        time.sleep(0.02)
    return None


def same(test, what, name, other="one"):
    for file in COMPARED:
        test.check(f"{what}: {file}", os.path.exists(test.path(name, file)) and read(test.path(name, file)) == read(test.path(other, file)), "differs from the run in one process")


def until(child, word):
    """Reads on until a line holds the word; gives what was said."""
    said = ""
    for line in child.stdout:
        said += line
        if word in line:
            break
    return said


with Test(__doc__) as test:
    module = test.path("train.hbm")
    test.must("hbc compile", test.run("hbc", "compile", CHECKPOINT, "-o", module, "--dim", "L=32", "--lora-rank", 8, "--lora-targets", "to_q,to_v,ff.net.0.proj", "--steps", 2, "--grad-steps", 1,
                                      "--reward", "blip2=" + os.path.join(CHECKPOINT, "rewards", "blip2"), *[a for e in ENTRIES for a in ("--entry", e)]))
    data = os.path.join(ROOT, "models", "shapes", "data")
    test.write("val.jsonl", "".join(json.dumps({**json.loads(line), "image": os.path.join(data, json.loads(line)["image"])}) + "\n" for line in open(os.path.join(data, "val.jsonl")).readlines()[:3]))
    test.write("train.toml", CONFIG.format(module=module, data=data, folder=test.folder, steps=STEPS))
    test.write("rank.sh", RANK)

    test.expect("one process", test.run("hb-rt", *arguments(test, "one", 2)), 0)
    two = start(test, "two")
    said = two.communicate(timeout=300)[0]
    test.check(f"two ranks: exit 0, got {two.returncode}", two.returncode == 0, said)
    same(test, "two ranks", "two")
    test.check("only rank 0 speaks", said.count(f"step {STEPS}/{STEPS}, ") == 1 and said.count("two/final") == 1, said)
    lines = [[json.loads(line) for line in read(test.path(name, "metrics.jsonl")).splitlines()] for name in ("one", "two")]
    measured = {"step_time_s", "samples_per_s", "peak_mem_bytes"}
    test.check("the same figures", [{k: v for k, v in line.items() if k not in measured} for line in lines[0]] == [{k: v for k, v in line.items() if k not in measured} for line in lines[1]], lines)
    test.check("memory of both ranks", lines[1][0]["peak_mem_bytes"] > 1.6 * lines[0][0]["peak_mem_bytes"], [line[0]["peak_mem_bytes"] for line in lines])
    test.check("samples of both ranks", all(abs(line["samples_per_s"] * line["step_time_s"] - 2) < 1e-6 for line in lines[1] if "step_time_s" in line), lines[1])

    # A rank is killed: by the default mpirun also terminates the others; told to go on, it leaves them alone. Rank 1 writes when rank 0 is the one.
    for victim, mpi in ((1, ()), (1, ("--enable-recovery",)), (0, ())):
        name = f"killed-{victim}{len(mpi)}"
        child = start(test, name, mpi=mpi)
        said = until(child, "step 2/")
        pid = note(test, name, "pid", victim)
        started = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        said += child.communicate(timeout=120)[0]
        test.check(f"{name}: over within seconds", time.monotonic() - started < 20, time.monotonic() - started)
        test.check(f"{name}: exit code of the other rank is 1", note(test, name, "code", 1 - victim) == 1, f"{note(test, name, 'code', 1 - victim, 1)} {said}")
        written = re.search(rf"HB0667: rank {victim}: .*a checkpoint of step (\d+) is written", said)
        if test.check(f"{name}: says what was written", written, said):
            step = int(written.group(1))
            test.check(f"{name}: a step of this run", 2 <= step < STEPS, step)
            test.check(f"{name}: the checkpoint", os.path.exists(test.path(name, f"checkpoint-{step}", "state.json")), os.listdir(test.path(name)))
        if victim:
            rest = start(test, name, "--resume", "latest")
            said = rest.communicate(timeout=300)[0]
            test.check(f"{name}: resumed, exit {rest.returncode}", rest.returncode == 0, said)
        else:  # by one process
            test.expect(f"{name}: resumed", test.run("hb-rt", *arguments(test, name, 2, "--resume", "latest")), 0)
        same(test, f"{name}, resumed", name)

    child = start(test, "interrupted")
    said = until(child, "step 2/")
    os.kill(note(test, "interrupted", "pid", 1), signal.SIGTERM)
    said += child.communicate(timeout=120)[0]
    test.check("interrupted: both end with 130", [note(test, "interrupted", "code", r) for r in (0, 1)] == [130, 130], said)
    test.check("interrupted: with a checkpoint", re.search(r"rank 0: interrupted; a checkpoint of step \d+ is written", said), said)

    # A mistake of one rank only must not leave the other waiting.
    child = start(test, "differs", "--data.shuffle_seed", "5", ranks=1)
    child.communicate(timeout=120)
    test.check("one rank under mpirun is one process", child.returncode == 0)
    child = start(test, "differs", accumulation=0)
    said = child.communicate(timeout=120)[0]
    test.check("a wrong setting: every rank ends", [note(test, "differs", "code", r, 5) for r in (0, 1)].count(2) >= 1 and "HB0654" in said, said)

    # Where there is no MPI: alone everything works, several processes are refused.
    alone = test.path("alone", "bin")
    os.makedirs(alone)
    shutil.copy(os.path.join(test.bin, "hb-rt"), alone)
    test.expect("without the library", test.run(os.path.join(alone, "hb-rt"), *arguments(test, "alone-run", 2, "--train.max_train_steps", "1", "--checkpoint.validation_steps", "0")), 0)
    test.expect("mpirun without the library", test.run(os.path.join(alone, "hb-rt"), *arguments(test, "none", 2), env={**os.environ, "OMPI_COMM_WORLD_SIZE": "2"}), 2, "HB0669", "libhb-mpi.so", "mpirun")
    needs = subprocess.run(["ldd", os.path.join(test.bin, "hb-rt")], capture_output=True, text=True).stdout
    test.check("hb-rt itself needs no MPI", "libc.so" in needs and "mpi" not in needs, needs)
