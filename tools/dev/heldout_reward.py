#!/usr/bin/env python3
"""Does a fine-tuned adapter raise the reward of texts it never saw? Draws the same pictures without and with the adapter and compares them
in pairs: mean difference and its standard error over texts (each text's difference is its mean over seeds), the mean for each seed,
and the counts of a detector that knows nothing of the reward (`heuristic_scores` of the shapes recipe).

  heldout_reward.py data --out DIR [--train N --test N]           manifests train.jsonl, tune.jsonl, test.jsonl and their pictures
  heldout_reward.py compare --hb-rt BIN --module GENERATE.hbm --reward BLIP2.hbm --adapter DIR --manifest test.jsonl [--seeds 3 …]

A caption in twenty (by hash) is never a training caption; `test.jsonl` has only those, `tune.jsonl` training captions kept aside to choose
settings by. Each training caption comes with many seeds: with one, a run learns the noise by heart. Needs numpy and Pillow.
"""
import argparse, json, os, subprocess, sys, tempfile

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "shapes", "recipe"))
import data as shapes  # the pictures' grammar, drawing and detector


def distinct(scenes):
    """Indices of the first scene of each caption."""
    seen = set()
    return [i for i, scene in enumerate(scenes) if not (scene["caption"] in seen or seen.add(scene["caption"]))]


def write_manifest(folder, name, scenes, images, indices, first_seed, seeds):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(os.path.join(folder, name + ".jsonl"), "w") as out:
        for repeat in range(seeds):
            for n, i in enumerate(indices):
                picture = f"{name}/{n:04d}.png"
                if repeat == 0:
                    Image.fromarray(images[i, 0]).save(os.path.join(folder, picture))
                groups = [{k: g[k] for k in ("count", "size", "colour", "shape", "position")} for g in scenes[i]["groups"]]
                out.write(json.dumps({"image": picture, "prompt": scenes[i]["caption"], "seed": first_seed + repeat * len(indices) + n, "groups": groups}) + "\n")


def make_data(args):
    scenes, images = shapes.make_split(args.train, 1, 0, False)
    indices = distinct(scenes)
    write_manifest(args.out, "tune", scenes, images, indices[:64], 5000, 1)
    write_manifest(args.out, "train", scenes, images, indices[64:], 100000, args.seeds)
    scenes, images = shapes.make_split(args.test * 3, 1, 1, True)
    write_manifest(args.out, "test", scenes, images, distinct(scenes)[:args.test], 1000, 1)


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(args, records, adapter, folder):
    """Per record and seed: reward, colours right, counts right."""
    root, values = os.path.dirname(os.path.abspath(args.manifest)), []
    for n, record in enumerate(records):
        pattern = os.path.join(folder, f"{n:04d}_%d.png")
        command = [args.hb_rt, "generate", "-m", args.module, "-p", record["prompt"], "--ref-image", os.path.join(root, record["image"]), "--steps", str(args.steps), "--cfg-scale", str(args.guidance),
                   "--seed", str(args.first_seed + args.seeds * n), "-b", str(args.seeds), "--sampling-method", "ddim-hummingbird", "-o", pattern, "--quiet", "--json", "--threads", "1"]
        made = run(command + (["--lora", adapter + ":1"] if adapter else []))["images"]
        row = []
        for image in made:
            scores = run([args.hb_rt, "score", "-m", args.reward, "--image", image["path"], "--text", record["prompt"], "--json", "--threads", "1"])
            colours, counts = shapes.heuristic_scores(np.array(Image.open(image["path"]).convert("RGB")), record["groups"])
            row.append([scores["blip2"], scores["blip2_itc"], scores["blip2_itm"], colours, counts])
        values.append(row)
        print(f"\r{'with' if adapter else 'without'} adapter: {n + 1}/{len(records)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return np.array(values, float)


def compare(args):
    with open(args.manifest) as lines:
        records = [json.loads(line) for line in lines][:args.count]
    with tempfile.TemporaryDirectory() as folder:
        before, after = measure(args, records, None, folder), measure(args, records, args.adapter, folder)
    difference = (after - before)[:, :, 0]
    texts = difference.mean(axis=1)
    error = texts.std(ddof=1) / np.sqrt(len(texts))
    report = {"texts": len(records), "seeds": args.seeds, "steps": args.steps, "guidance": args.guidance}
    for index, name in enumerate(("reward", "itc", "itm", "colours_exact", "counts_exact")):
        report[name] = [round(float(v[:, :, index].mean()), 4) for v in (before, after)]
    report |= {"difference": round(float(texts.mean()), 4), "standard_error": round(float(error), 4), "ratio": round(float(texts.mean() / error), 2),
               "difference_by_seed": [round(float(v), 4) for v in difference.mean(axis=0)]}
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("data")
    make.add_argument("--out", required=True)
    make.add_argument("--train", type=int, default=2400)
    make.add_argument("--test", type=int, default=128)
    make.add_argument("--seeds", type=int, default=20)
    make.set_defaults(run=make_data)
    check = commands.add_parser("compare")
    for name in ("--hb-rt", "--module", "--reward", "--adapter", "--manifest"):
        check.add_argument(name, required=True)
    check.add_argument("--count", type=int, default=128)
    check.add_argument("--seeds", type=int, default=3)
    check.add_argument("--first-seed", type=int, default=1000)
    check.add_argument("--steps", type=int, default=10)
    check.add_argument("--guidance", type=float, default=5)
    check.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
