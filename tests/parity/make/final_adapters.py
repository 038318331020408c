"""Loads what `hb-rt train` left in final/ with the libraries it is for, and compares their pictures with hb-rt generate's.

    final_adapters.py --final DIR --hbc PATH --hb-rt PATH

The PEFT folder is loaded with peft's PeftModel, pytorch_lora_weights.safetensors and kohya.safetensors with diffusers' load_lora_weights, each into a pipeline of its
own. All three must give the picture of `hb-rt generate --lora DIR` (of the 8-bit values 99.5 % within 1), and one that the same pipeline without adapter does not give.
Needs torch: run by hand.
"""
import argparse, json, os, subprocess, sys, tempfile
import numpy as np
from peft import PeftModel
from PIL import Image

from shapes_pictures import GUIDANCE, ROOT, SIZE, STEPS, draw, load_pipeline


def none(pipe, final):
    pass


def peft_folder(pipe, final):
    pipe.unet = PeftModel.from_pretrained(pipe.unet, final).eval()


def diffusers_file(pipe, final):
    pipe.load_lora_weights(final, weight_name="pytorch_lora_weights.safetensors")


def kohya_file(pipe, final):
    pipe.load_lora_weights(final, weight_name="kohya.safetensors")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--final", required=True)
    p.add_argument("--hbc", required=True)
    p.add_argument("--hb-rt", required=True)
    a = p.parse_args()
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
