#!/usr/bin/env python3
"""Random small checkpoints of every network, compiled and run, against the float64 evaluator (hbc eval).

    other_sizes.py --hbc PATH --hb-rt PATH [--seed N] [--count N] [--keep DIR]

Seeds N, N+1, …: each a config with unusual sizes (odd channel counts, head widths 5 to 104, one to 80 tokens, latents that halve to odd sizes, batches of one to three), UNets also with adapters; weights in
float32, float16 or bfloat16, in one file, a .fp16. variant or shards. Relative L2 of every output at most 2e-6 (scores: of at least their usual size); the same bytes with every number of threads.
Needs Python 3.9 and numpy.
"""
import argparse, math, os, shutil, sys, tempfile, time
import numpy as np

import random_models
from files import read_safetensors, relative_l2
from tools import Tools, add_arguments, tail

LIMIT = 2e-6
# Scores are sums of products of unit vectors, which cancel: their rounding error is that of a number of this size however small they come out.
FLOORS = {"cosine": 0.25, "itc": 0.25, "score": 0.25 * math.exp(2.5), "itm_logits": 0.25}


def distance(name, got, want):
    """Relative L2, for scores relative to at least their floor."""
    size, floor = float(np.linalg.norm(want)), FLOORS.get(name, 0.0) * math.sqrt(want.size)
    return relative_l2(got, want) * (size / floor if size < floor else 1.0)


def check(seed, folder, tools):
    """-> (passed, None if only compiled; line to print)"""
    entry, dims, words, flags, adapters = random_models.write_case(folder, seed)
    what, inputs, want_file, got_file = f"seed {seed:5d} {entry}: {words}", f"{folder}/inputs.safetensors", f"{folder}/expected.safetensors", f"{folder}/out.safetensors"
    (rc, err), module = tools.compile(f"{folder}/model", entry, dims, flags)
    if rc:
        return False, f"{what}: compile: exit {rc}: {tail(err)}"
    if not tools.executes:
        return None, f"{what}: compiled, not executed"
    command = [tools.hbc, "eval", f"{folder}/model", entry, "--inputs", inputs, "--outputs", want_file, *flags, *adapters]
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    rc, err = tools.call(command)
    if rc:
        return False, f"{what}: eval: exit {rc}: {tail(err)}"
    written = []
    for threads in tools.threads:
        rc, err = tools.run(module, entry, inputs, got_file, threads, adapters)
        if rc:
            return False, f"{what}: run: exit {rc}: {tail(err)}"
        with open(got_file, "rb") as f:
            written.append(f.read())
    want, got = read_safetensors(want_file), read_safetensors(got_file)
    if set(want) != set(got) or any(want[k].shape != got[k].shape for k in want):
        return False, f"{what}: eval gives { {k: v.shape for k, v in want.items()} }, hb-rt { {k: v.shape for k, v in got.items()} }"
    errors = {k: distance(k, got[k], want[k]) for k in want}
    ok = all(e <= LIMIT for e in errors.values())               # false for NaN
    same = all(w == written[0] for w in written)
    text = ", ".join(f"{k} {e:.2e}" for k, e in errors.items())
    return ok and same, f"{what}: {text}{'' if same else ', other bytes with other numbers of threads'}"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(p)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=30)
    p.add_argument("--failures", action="store_true", help="print only what is not ok")
    p.add_argument("--keep", metavar="DIR", help="keep the folders of failed seeds here")
    a = p.parse_args()
    results, begin = [], time.time()
    with tempfile.TemporaryDirectory(prefix="hb-parity-") as temp:
        tools = Tools(a, temp)
        for seed in range(a.seed, a.seed + a.count):
            folder = os.path.join(temp, f"seed{seed}")
            ok, line = check(seed, folder, tools)
            results.append(ok)
            if not (ok and a.failures):
                print(f"{line} {'FAIL' if ok is False else 'ok'}", flush=True)
            if ok is False and a.keep:
                shutil.copytree(folder, os.path.join(a.keep, f"seed{seed}"), dirs_exist_ok=True)
            shutil.rmtree(folder)
            for _, module in tools.modules.values():
                if os.path.exists(module):
                    os.remove(module)
            tools.modules.clear()
    failed = sum(r is False for r in results)
    print(f"{results.count(True)} passed, {failed} failed, {results.count(None)} compiled but not executed, {time.time() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
