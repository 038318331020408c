#!/usr/bin/env python3
"""What `hb-rt train` leaves in final/, against what peft and diffusers made of exactly these files (final/, recorded by make/final_adapters.py --record).

    final_adapters.py --hbc PATH --hb-rt PATH [--target …]

A training step of rate zero from final/start writes final/ anew. Every tensor of its three files must have the recorded bytes: those that the libraries loaded. And
hb-rt's picture with each file must be the one the library drew with it: of the 8-bit values 99.5 % within 1 (without an adapter fewer than 95 % are).
"""
import argparse, hashlib, json, os, sys, tempfile
import numpy as np

from files import read_png, read_safetensors
from tools import Tools, add_arguments, remove, tail

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = os.path.normpath(os.path.join(HERE, "../../models/shapes"))
RECORD = os.path.join(HERE, "final")
FILES = {"peft": "adapter_model.safetensors", "diffusers": "pytorch_lora_weights.safetensors", "kohya": "kohya.safetensors"}
ENTRIES = ["text_encoder.text_encode", "text_encoder_2.text_encode", "image_encode"]
RANK, TARGETS = 2, "to_q,to_v,ff.net.0.proj"


def hashes(folder):
    """{file: {tensor: type, shape and SHA-256 of the bytes}}"""
    def of(tensor):
        return f"{tensor.dtype} {list(tensor.shape)} {hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()}"
    return {file: {name: of(tensor) for name, tensor in sorted(read_safetensors(os.path.join(folder, file)).items())} for file in FILES.values()}


def run(tools, *command):
    rc, err = tools.call([str(word) for word in command])
    if rc:
        sys.exit(f"{os.path.basename(command[0])} {command[1]}: exit {rc}: {tail(err)}")


def train(tools, start, out):
    """final/ of a step that changes nothing."""
    checkpoint = os.path.join(SHAPES, "checkpoint")
    flags = ["--lora-rank", str(RANK), "--lora-targets", TARGETS, "--steps", "1", "--grad-steps", "1", "--reward", "blip2=" + os.path.join(checkpoint, "rewards/blip2"), *[word for entry in ENTRIES for word in ("--entry", entry)]]
    (rc, err), module = tools.compile(checkpoint, "hummingbird_loss_and_grad", {"L": 32}, flags)
    if rc:
        sys.exit(f"compile: exit {rc}: {tail(err)}")
    if not tools.executes:
        return None
    with open(tools.path("train.toml"), "w") as f:
        f.write(f'[model]\ncompiled = "{module}"\n[adapter]\nrank = {RANK}\ndropout = 0.0\n' + (f'resume_from = "{start}"\n' if start else "") + '[sampler]\nguidance_scale = 5.0\n[optimizer]\nlearning_rate = 0.0\n'
                f'[train]\nmax_train_steps = 1\ngradient_accumulation_steps = 1\n[data]\nmanifest = "{SHAPES}/data/train.jsonl"\n[checkpoint]\noutput_dir = "{out}"\ncheckpointing_steps = 1\n')
    run(tools, tools.rt, "train", "--config", tools.path("train.toml"), "--no-cache", "--quiet", "--threads", tools.threads[0])
    return os.path.join(out, "final")


def pictures(tools, adapters, settings):
    """What hb-rt draws with each adapter (None: without)."""
    (rc, err), module = tools.compile(os.path.join(SHAPES, "checkpoint"), "generate", {"--width": settings["size"], "--height": settings["size"]}, ["--lora-rank", str(RANK), "--lora-targets", TARGETS])
    if rc:
        sys.exit(f"compile: exit {rc}: {tail(err)}")
    out = tools.path("p.png")
    for adapter in adapters:
        remove(out)
        run(tools, tools.rt, "generate", "-m", module, "-p", settings["prompt"], "--ref-image", os.path.join(SHAPES, "data", settings["image"]), "--seed", settings["seed"], "--steps", settings["steps"], "--cfg-scale",
            settings["guidance"], "--sampling-method", settings["sampler"], "--rng", "cpu", "--quiet", "--threads", tools.threads[0], *(["--lora", adapter] if adapter else []), "-o", out)
        yield read_png(out).astype(int)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(p)
    a = p.parse_args()
    with open(os.path.join(RECORD, "record.json")) as f:
        record = json.load(f)
    failures = []
    with tempfile.TemporaryDirectory(prefix="hb-parity-") as temp:
        tools = Tools(a, temp)
        final = train(tools, os.path.join(RECORD, "start"), tools.path("run"))
        if final is None:
            print(f"0 passed, 0 failed, 1 compiled but not executed: this CPU lacks what {' '.join(a.target)} needs")
            return 0
        got = hashes(final)
        for file, want in record["tensors"].items():
            other = sorted(name for name in want.keys() | got[file].keys() if want.get(name) != got[file].get(name))
            if other or not want:
                failures.append(f"{file}: {len(other)} tensors are not those that the libraries loaded: {other[:3]}")
        with open(os.path.join(final, "adapter_config.json")) as f:
            config = json.load(f)
        if config != record["config"]:
            failures.append(f"adapter_config.json: {config}, recorded {record['config']}")
        for name, ours in zip([None, *FILES], pictures(tools, [None, final, *(os.path.join(final, FILES[n]) for n in ("diffusers", "kohya"))], record["settings"])):
            for library in FILES if name is None else [name]:
                near = float((np.abs(ours - read_png(os.path.join(RECORD, library + ".png"))) <= 1).mean())
                print(f"{name or 'no adapter'} against the picture of {library}: {100 * near:.3f} % of the values within 1")
                if near >= 0.95 if name is None else near < 0.995:
                    failures.append(f"picture of {library} with {name or 'no adapter'}: {100 * near:.3f} % within 1")
    print("\n".join(failures))
    print(f"{0 if failures else 1} passed, {1 if failures else 0} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
