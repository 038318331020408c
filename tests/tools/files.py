#!/usr/bin/env python3
"""Files that fail in the middle: a full disk (a limit on file sizes stands for it), places that cannot be written or read, a checkpoint that is
shortened while it is in use, Ctrl-C. Exit codes as promised, the file named, and nothing half written left behind."""
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import time

from harness import CHECKPOINT, ROOT, Test, read

TEXT = os.path.join(CHECKPOINT, "text_encoder")
# A network and an adapter for it.
UNET = os.path.join(ROOT, "tests", "parity", "models", "unet_sdxl")
ADAPTER = os.path.join(ROOT, "tests", "parity", "adapters", "kohya", "adapter.safetensors")


def small_files():
    """For a child: no file may grow beyond 600 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))


def listing(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, files in os.walk(folder) for f in files)


def compile_pipeline(test, name, folder):
    module = test.path(name)
    test.must("hbc compile", test.run("hbc", "compile", folder, "--entry", "generate", "-o", module))
    return module


def check_full_disk(test, pipeline, text):
    """Every command that writes, onto a device that is always full: exit 1 and HB0901. Those that need no other file are run under a limit
    on file sizes too: they stop in the middle, the old file stays as it was, and without the limit they work."""
    inputs = test.write("ids.safetensors", ids_file())
    draw = ["hb-rt", "generate", "-m", pipeline, "-p", "a red circle", "--steps", "1", "--quiet"]
    commands = {
        "module": ["hbc", "compile", TEXT, "-o", "OUT"],
        "phase": ["hbc", "compile", TEXT, "--stop-after", "plan", "-o", "OUT"],
        "outputs": ["hb-rt", "run", text, "text_encode", "--inputs", inputs, "--outputs", "OUT"],
        "picture": draw + ["-o", "OUT"],
        "latents": draw + ["-o", test.path("picture.png"), "--save-latents", "OUT"],
        "report": ["hb-rt", "bench", text, "--repeat", "1", "--warmup", "0", "--json", "OUT"],
        "adapter": ["hb-rt", "convert-lora", ADAPTER, "--to", "kohya", "-o", "OUT"],
    }
    for name, command in commands.items():
        full = test.path(f"full-{name}.safetensors")
        os.symlink("/dev/full", full)
        test.expect(f"full disk, {name}", test.run(*[part.replace("OUT", full) for part in command]), 1, "error HB0901: .*full", "No space left")
        test.check(f"full disk, {name}: the device stays", os.path.islink(full) and stat.S_ISCHR(os.stat(full).st_mode))
    for name in ("phase", "adapter", "module"):
        out = test.path("disk", name + ".safetensors")
        test.write(out, "old")
        command = [part.replace("OUT", out) for part in commands[name]]
        test.expect(f"disk full in the middle, {name}", test.run(*command, preexec_fn=small_files), 1, "error HB0901", "File too large")
        test.check(f"disk full in the middle, {name}: the old file", read(out) == b"old")
        test.check(f"disk full in the middle, {name}: nothing else", len(os.listdir(test.path("disk"))) == 1, os.listdir(test.path("disk")))
        test.expect(f"room, {name}", test.run(*command), 0)
        test.check(f"room, {name}: written", len(read(out)) > 600)
        os.remove(out)
    merged = ["hb-rt", "merge-lora", UNET, ADAPTER, "-o", test.path("merged")]
    test.expect("disk full in the middle, merged", test.run(*merged, preexec_fn=small_files), 1, "error HB0901", "File too large")
    test.check("disk full in the middle, merged: no folder that looks whole", not os.path.exists(test.path("merged", "config.json")), listing(test.path("merged")))


def ids_file():
    header = b'{"input_ids":{"dtype":"I64","shape":[1,77],"data_offsets":[0,616]}}'
    return len(header).to_bytes(8, "little") + header + bytes(616)


def check_places(test, text):
    """What is no file, for reading and for writing. Root may write everywhere, so that permissions prove nothing here."""
    os.symlink("nowhere", test.path("dangling"))
    a_file = test.write("a-file", "x")
    inputs = test.write("ids.safetensors", ids_file())
    for place, found in ((test.path("none"), "no such file|No such file"), (test.path("dangling"), "no such file|No such file"), (a_file + "/below", "Not a directory"), (test.folder, "folder")):
        outputs = test.path("never")
        for what, command in {
            "module": ["hb-rt", "run", place, "f", "--inputs", inputs, "--outputs", outputs],
            "inputs": ["hb-rt", "run", text, "text_encode", "--inputs", place, "--outputs", outputs],
            "picture": ["hb-rt", "score", "-m", text, "--image", place, "--text", "x"],
            "weights": ["hb-rt", "run", text, "text_encode", "--weights", place, "--inputs", inputs, "--outputs", outputs],
            "model": ["hbc", "compile", place, "-o", outputs],
            "adapter": ["hb-rt", "convert-lora", place, "--to", "kohya", "-o", outputs],
        }.items():
            test.expect(f"{what} from {os.path.basename(place)}", test.run(*command), 3, "error HB0", os.path.basename(place))
            test.check(f"{what} from {os.path.basename(place)}: nothing written", not os.path.exists(outputs))
    for place, found in ((test.path("none", "x"), "No such file"), (a_file + "/x", "Not a directory"), (test.folder, "a folder of that name")):
        test.expect(f"module to {place}", test.run("hbc", "compile", TEXT, "-o", place), 1, "error HB0901", found)
        test.expect(f"outputs to {place}", test.run("hb-rt", "run", text, "text_encode", "--inputs", inputs, "--outputs", place), 1, "error HB0901", found)


def check_shortened(test):
    """The embedding table is used where it is mapped; half of it goes away while the network runs."""
    folder = test.path("short")
    shutil.copytree(TEXT, folder)
    module, weights = test.path("short.hbm"), os.path.join(folder, "model.safetensors")
    test.must("hbc compile", test.run("hbc", "compile", folder, "-o", module))
    process = subprocess.Popen([os.path.join(test.bin, "hb-rt"), "bench", module, "--repeat", "100000000", "--threads", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        # The mapping is there when the process's list of mappings has it.
        for _ in range(600):
            with open(f"/proc/{process.pid}/maps") as f:
                if weights in f.read():
                    break
            time.sleep(0.05)
        os.truncate(weights, 4096)
        _, said = process.communicate(timeout=60)
        test.check("shortened: exit 3", process.returncode == 3, f"{process.returncode} {said}")
        test.check("shortened: named", f"error HB0902: {weights}: expected a file that keeps its length" in said, said)
    finally:
        process.kill()


def check_interrupt(test, pipeline):
    """Ctrl-C between steps: exit 130, what was finished stays, nothing else; a second one ends the process at once."""
    out = test.path("interrupted")
    os.makedirs(out)
    command = [os.path.join(test.bin, "hb-rt"), "generate", "-m", pipeline, "-p", "a red circle", "--steps", "10", "-b", "1000", "-o", os.path.join(out, "p_%04d.png")]
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said = "".join(process.stderr.readline() for _ in range(15))  # "step 0/…" comes first: this is inside the second picture
            process.send_signal(number)
            said += process.communicate(timeout=60)[1]
        finally:
            process.kill()
        test.check(f"{number.name}: exit 130", process.returncode == 130, f"{process.returncode} {said[-300:]}")
        written = listing(out)
        test.check(f"{number.name}: says what was written", f"interrupted: {len(written)} of 1000 pictures are written" in said, f"{written} {said[-300:]}")
        test.check(f"{number.name}: whole pictures only", 1 <= len(written) < 1000 and all(f.endswith(".png") and read(os.path.join(out, f)).endswith(b"IEND\xaeB`\x82") for f in written), written)
        shutil.rmtree(out)
        os.makedirs(out)


def check_no_image_encoder(test):
    """A Stable Diffusion XL pipeline has no image encoder: --ref-image cannot work, and drawing without it does."""
    folder = test.path("plain")
    shutil.copytree(CHECKPOINT, folder, ignore=shutil.ignore_patterns("image_encoder", "feature_extractor", "rewards"))
    with open(os.path.join(folder, "model_index.json")) as f:
        index = {k: v for k, v in json.load(f).items() if k not in ("image_encoder", "feature_extractor", "rewards")}
    with open(os.path.join(folder, "model_index.json"), "w") as f:
        json.dump(index, f)
    module, picture = compile_pipeline(test, "plain.hbm", folder), test.path("plain.png")
    draw = ["hb-rt", "generate", "-m", module, "-p", "a red circle", "--steps", "1", "--quiet", "-o", picture]
    test.expect("no reference picture", test.run(*draw), 0)
    os.rename(picture, test.path("reference.png"))
    test.expect("a reference picture", test.run(*draw, "--ref-image", test.path("reference.png")), 3, "error HB0641: .*plain.hbm")
    test.check("nothing drawn", not os.path.exists(picture))


with Test(__doc__) as test:
    text = test.path("text.hbm")
    test.must("hbc compile", test.run("hbc", "compile", TEXT, "-o", text))
    pipeline = compile_pipeline(test, "pipeline.hbm", CHECKPOINT)
    check_full_disk(test, pipeline, text)
    check_places(test, text)
    check_shortened(test)
    check_interrupt(test, pipeline)
    check_no_image_encoder(test)
