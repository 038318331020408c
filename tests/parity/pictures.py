#!/usr/bin/env python3
"""hb-rt generate on the trained checkpoint against diffusers' pictures (shapes/expected, made by make/shapes_pictures.py).

    pictures.py --hbc PATH --hb-rt PATH [--count N]

Of all 8-bit values at least 99.9 % must be within 1 of diffusers', and at least 99.5 % of every picture. With several numbers of threads every picture is drawn with each,
and the bytes must be the same. Needs Python 3.9 and numpy.
"""
import argparse, json, os, sys, tempfile
import numpy as np

from files import read_png
from tools import Tools, add_arguments, remove, tail

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = os.path.normpath(os.path.join(HERE, "../../models/shapes"))
OF_ALL, OF_EACH = 0.999, 0.995                                 # the smallest shares of values within 1


def draw(tools, module, record, settings, threads, out):
    remove(out)
    rc, err = tools.call([tools.rt, "generate", "-m", module, "-p", record["prompt"], "--ref-image", os.path.join(SHAPES, "data", record["image"]),
                          "--seed", str(record["seed"]), "--steps", str(settings["steps"]), "--cfg-scale", str(settings["guidance"]),
                          "--sampling-method", settings["sampler"], "--rng", "cpu", "--quiet", "--threads", str(threads), "-o", out])
    if rc or not os.path.exists(out):
        raise RuntimeError(f"exit {rc}: {tail(err)}")
    return read_png(out)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(p)
    p.add_argument("--count", type=int, default=32, help="pictures to draw, the first ones")
    a = p.parse_args()
    with open(os.path.join(SHAPES, "data/val.jsonl")) as f:
        records = [json.loads(line) for line in f][:a.count]
    with open(os.path.join(HERE, "shapes/made_with.json")) as f:
        settings = json.load(f)
    with tempfile.TemporaryDirectory(prefix="hb-parity-") as temp:
        tools = Tools(a, temp)
        size = {"--width": settings["size"], "--height": settings["size"], "--batch-size": 1}
        (rc, err), module = tools.compile(os.path.join(SHAPES, "checkpoint"), "generate", size)
        if rc:
            print(f"compile: exit {rc}: {tail(err)}")
            return 1
        if a.math == "fast" and not tools.uses_fast:
            print("no kernel makes use of --math fast: nothing is tested")
            return 1
        if not tools.executes:
            print(f"0 passed, 0 failed, {len(records)} compiled but not executed: this CPU lacks what {' '.join(a.target)} needs")
            return 0
        near, equal, failed = [], [], []
        for record in records:
            name = os.path.basename(record["image"])
            try:
                got = [draw(tools, module, record, settings, n, tools.path("picture_000.png")) for n in tools.threads]
            except (RuntimeError, OSError, ValueError) as e:
                print(f"{name} FAIL {e}")
                failed.append(name)
                continue
            want = read_png(os.path.join(HERE, "shapes/expected", name)).astype(int)
            same = all(np.array_equal(g, got[0]) for g in got)
            away = np.abs(got[0].astype(int) - want) if got[0].shape == want.shape else np.full(want.shape, 255)
            near.append(float((away <= 1).mean()))
            equal.append(float((away == 0).mean()))
            ok = same and near[-1] >= OF_EACH
            failed += [] if ok else [name]
            print(f"{name} within 1: {100 * near[-1]:.4f} %, equal: {100 * equal[-1]:.4f} %, largest difference {away.max()}, {'ok' if ok else 'FAIL'}"
                  f"{'' if same else ' other bytes with other numbers of threads'}", flush=True)
    share = float(np.mean(near)) if near else 0.0
    ok = not failed and share >= OF_ALL
    print(f"{len(records) - len(failed)} passed, {len(failed)} failed; of all values within 1: {100 * share:.5f} %, equal: {100 * float(np.mean(equal or [0])):.5f} %; "
          f"worst picture {100 * min(near or [0]):.4f} %; {'ok' if ok else 'FAIL'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
