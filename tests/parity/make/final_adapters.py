"""Loads what `hb-rt train` left in final/ with the libraries it is for, and compares their pictures with hb-rt generate's.

    final_adapters.py --final DIR --hbc PATH --hb-rt PATH
    final_adapters.py --record --hbc PATH --hb-rt PATH

With --record an adapter of rank 2 is made, `hb-rt train` writes final/ from it, and start, bytes and the libraries' pictures are left in tests/parity/final, for tests/parity/final_adapters.py.

The PEFT folder is loaded with peft's PeftModel, pytorch_lora_weights.safetensors and kohya.safetensors with diffusers' load_lora_weights, each into a pipeline of its
own. All three must give the picture of `hb-rt generate --lora DIR` (of the 8-bit values 99.5 % within 1), and one that the same pipeline without adapter does not give.
Needs torch: run by hand.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile
import numpy as np
from peft import PeftModel
from PIL import Image

from shapes_pictures import GUIDANCE, ROOT, SIZE, STEPS, draw, load_pipeline


sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import final_adapters as recorded  # noqa: E402 (the test of the same name, one folder up)
from files import read_safetensors, write_safetensors  # noqa: E402
from tools import Tools  # noqa: E402


def none(pipe, final):
    pass


def peft_folder(pipe, final):
    pipe.unet = PeftModel.from_pretrained(pipe.unet, final).eval()


def diffusers_file(pipe, final):
    pipe.load_lora_weights(final, weight_name="pytorch_lora_weights.safetensors")


def kohya_file(pipe, final):
    pipe.load_lora_weights(final, weight_name="kohya.safetensors")


def make_record(hbc, rt):
    with tempfile.TemporaryDirectory() as temp:
        tools = Tools(argparse.Namespace(hbc=hbc, hb_rt=rt, target=None, device="cpu", threads="1", timeout=600, math="strict", verbose=False), temp)
        start = f"{recorded.RECORD}/start"
        shutil.rmtree(recorded.RECORD, ignore_errors=True)
        shutil.copytree(recorded.train(tools, None, f"{temp}/zero"), start, ignore=lambda _, names: [n for n in names if not n.startswith("adapter_")])
        tensors = read_safetensors(f"{start}/adapter_model.safetensors")
        random = np.random.default_rng(4)
        for name in sorted(tensors):  # as if it had been trained: B is zero at first
            if "lora_B" in name:
                tensors[name] = random.normal(0, 0.05, tensors[name].shape).astype(np.float32)
        write_safetensors(f"{start}/adapter_model.safetensors", tensors)
        final = recorded.train(tools, start, f"{temp}/run")
        with open(f"{ROOT}/data/val.jsonl") as f:
            row = json.loads(f.readline())
        with open(f"{final}/adapter_config.json") as f:
            config = json.load(f)
        settings = {"prompt": row["prompt"], "image": row["image"], "seed": row["seed"], "steps": STEPS, "guidance": GUIDANCE, "size": SIZE, "sampler": "ddim-hummingbird"}
        for name, load in (("peft", peft_folder), ("diffusers", diffusers_file), ("kohya", kohya_file)):
            pipe, tower, processor = load_pipeline()
            load(pipe, final)
            draw(pipe, tower, processor, row["prompt"], f"{ROOT}/data/{row['image']}", row["seed"]).save(f"{recorded.RECORD}/{name}.png")
        with open(f"{recorded.RECORD}/record.json", "w") as f:
            json.dump({"settings": settings, "config": config, "tensors": recorded.hashes(final)}, f, indent=1)
            f.write("\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--final")
    p.add_argument("--record", action="store_true")
    p.add_argument("--hbc", required=True)
    p.add_argument("--hb-rt", required=True)
    a = p.parse_args()
    if a.record:
        return make_record(a.hbc, a.hb_rt)
    if not a.final:
        p.error("--final or --record")
    with open(f"{ROOT}/data/val.jsonl") as f:
        record = json.loads(f.readline())
    reference = f"{ROOT}/data/{record['image']}"
    with open(f"{a.final}/adapter_config.json") as f:
        config = json.load(f)
    with tempfile.TemporaryDirectory() as temp:
        module, out = f"{temp}/m.hbm", f"{temp}/p.png"
        subprocess.run([a.hbc, "compile", f"{ROOT}/checkpoint", "-o", module, "--entry", "generate", "--width", str(SIZE), "--height", str(SIZE), "--lora-rank", str(config["r"]),
                        "--lora-targets", ",".join(config["target_modules"])], check=True)
        subprocess.run([a.hb_rt, "generate", "-m", module, "-p", record["prompt"], "--ref-image", reference, "--seed", str(record["seed"]), "--steps", str(STEPS), "--cfg-scale", str(GUIDANCE),
                        "--sampling-method", "ddim-hummingbird", "--rng", "cpu", "--quiet", "--lora", a.final, "-o", out], check=True)
        ours = np.asarray(Image.open(out).convert("RGB"), int)
    failed = False
    for load in (none, peft_folder, diffusers_file, kohya_file):
        pipe, tower, processor = load_pipeline()
        load(pipe, a.final)
        near = float((np.abs(np.asarray(draw(pipe, tower, processor, record["prompt"], reference, record["seed"]), int) - ours) <= 1).mean())
        good = near < 0.95 if load is none else near >= 0.995
        failed |= not good
        print(f"{load.__name__}: {100 * near:.3f} % of the values within 1 of hb-rt's  {'ok' if good else 'FAIL'}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
