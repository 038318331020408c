#!/usr/bin/env python3
"""Compares hbc and hb-rt with the reference cases below networks, adapters, generate, objective and errors.

    check.py --hbc PATH --hb-rt PATH [CASE …]

With --math fast the limits are 20 times torch's own distance, and at least --least-fast of the modules must have kernels that make use of it.
A case is a folder that holds case.json; CASE is its name relative to this folder, a group (networks, adapters, generate, objective, errors) or a pattern with *.
One line per compared output, then "N passed, M failed" (cases). Exit status 0 when nothing failed. README.md tells what the fields of case.json mean.
Needs Python 3.9 and numpy.
"""
import argparse, fnmatch, json, os, struct, sys, tempfile, zlib
import numpy as np

from files import read_png, read_safetensors, relative_l2
from tools import Tools, add_arguments, remove, tail

HERE = os.path.dirname(os.path.abspath(__file__))


def resolve(folder, path):
    return os.path.normpath(os.path.join(folder, path))


def adapter_flags(folder, option, adapter):
    """null, PATH[:SCALE] or a list of them."""
    out = []
    for a in [adapter] if isinstance(adapter, str) else adapter or []:
        path, colon, scale = a.partition(":")
        out += [option, resolve(folder, path) + colon + scale]
    return out


def expected_of(folder, case):
    return resolve(folder, case.get("expected", "expected.safetensors"))


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def compare(limits, got, want, report):
    ok = True
    for name, limit in limits.items():
        if name not in got:
            report(name, None, limit, False, "missing")
            ok = False
        elif got[name].shape != want[name].shape:
            report(name, None, limit, False, f"shape {list(got[name].shape)}, expected {list(want[name].shape)}")
            ok = False
        else:
            error = relative_l2(got[name], want[name])
            good = error <= limit                              # false for NaN
            report(name, error, limit, good, "")
            ok &= good
    return ok


def same_bits(name, outputs, threads, report):
    """Every number of threads must give the bytes of the first."""
    different = [n for n, o in zip(threads[1:], outputs[1:]) if o != outputs[0]]
    if different:
        report(name, None, None, False, f"{threads[0]} and {', '.join(map(str, different))} threads give different bytes")
    return not different


def limits_of(case, tools):
    """Those of strict math are stored; fast math may be 20 times as far from the reference as torch's float32, and need not be closer than strict."""
    if tools.math != "fast":
        return case["max_rel_l2"]
    return {name: max(limit, 20 * case["rel_l2_torch_f32"][name]) for name, limit in case["max_rel_l2"].items()}


def flags_of(folder, case):
    """`--reward NAME=PATH` is relative to the case."""
    flags = list(case["compile_flags"])
    for i, flag in enumerate(flags[:-1]):
        if flag == "--reward":
            name, _, path = flags[i + 1].partition("=")
            flags[i + 1] = name + "=" + resolve(folder, path)
    return flags


def check_entry(folder, case, tools, report):
    (rc, err), module = tools.compile(resolve(folder, case["model"]), case["entry"], case["dims"], flags_of(folder, case))
    if rc:
        report("compile", None, None, False, f"exit {rc}: {tail(err)}")
        return False
    if not tools.executes:
        return None
    result, written = tools.path("out.safetensors"), []
    for threads in tools.threads:
        inputs = resolve(folder, case.get("inputs", "inputs.safetensors"))
        rc, err = tools.run(module, case["entry"], inputs, result, threads, adapter_flags(folder, "--adapter", case.get("adapter")))
        if rc or not os.path.exists(result):
            report("run", None, None, False, f"exit {rc}, output file {'present' if os.path.exists(result) else 'absent'}: {tail(err)}")
            return False
        written.append(read_bytes(result))
    ok = compare(limits_of(case, tools), read_safetensors(result), read_safetensors(expected_of(folder, case)), report)
    return same_bits("run", written, tools.threads, report) and ok


def check_picture(name, got, expected, limits, report):
    """`limits`: the share of bytes that may differ, and by how much."""
    if got.shape != expected.shape:
        report(name, None, None, False, f"shape {got.shape}, expected {expected.shape}")
        return False
    share, most = float((got != expected).mean()), int(np.abs(got.astype(int) - expected.astype(int)).max())
    good = share <= limits["different_share"] and most <= limits["max_difference"]
    report(name, share, limits["different_share"], good, f"share of bytes that differ, by at most {most}")
    return good


def check_generate(folder, case, tools, report):
    g = case["generate"]
    dims = {"--width": g["width"], "--height": g["height"], "--batch-size": g["batch"]}
    (rc, err), module = tools.compile(resolve(folder, case["model"]), "generate", dims, case["compile_flags"])
    if rc:
        report("compile", None, None, False, f"exit {rc}: {tail(err)}")
        return False
    if not tools.executes:
        return None
    latents, pattern = tools.path("latents.safetensors"), tools.path("image_%03d.png")
    images = [pattern % i for i in range(g["batch"])]
    command = [tools.rt, "generate", "-m", module, "-p", g["prompt"], "--steps", str(g["steps"]), "--cfg-scale", str(g["guidance"]), "--seed", str(g["seed"]),
               "--rng", g["rng"], "--sampling-method", g["sampler"], "-b", str(g["batch"]), "--save-latents", latents, "-o", pattern]
    command += ["-n", g["negative"]] if "negative" in g else []
    command += ["--ref-image", resolve(folder, g["reference"])] if g.get("reference") else []
    command += adapter_flags(folder, "--lora", case.get("adapter"))
    written = []
    for threads in tools.threads:
        remove(latents, *images)
        rc, err = tools.call(command + ["--threads", str(threads), "--device", tools.args.device])
        if rc or not all(map(os.path.exists, [latents, *images])):
            report("generate", None, None, False, f"exit {rc}, latents {'present' if os.path.exists(latents) else 'absent'}: {tail(err)}")
            return False
        written.append([read_bytes(latents)] + [read_png(p).tobytes() for p in images])
    ok = compare(case["max_rel_l2"], read_safetensors(latents), read_safetensors(expected_of(folder, case)), report)
    for i, path in enumerate(images if "png" in case else []):
        ok &= check_picture(os.path.basename(path), read_png(path), read_png(resolve(folder, f"expected_{i:03d}.png")), case["png"], report)
    return same_bits("generate", written, tools.threads, report) and ok


def run_case(folder, case, tools, result):
    """One run of an error or accept case: (exit status, stderr)."""
    r, flags = case["run"], []
    for option, path in zip(r["flags"][::2], r["flags"][1::2]):
        flags += [option, resolve(folder, path)]
    module = tools.compile(resolve(folder, case["compile"]["model"]), case["compile"]["entry"], case["compile"]["dims"], case["compile"].get("flags", []))[1]
    return tools.run(module, r["entry"], resolve(folder, r["inputs"]), result, tools.threads[-1], flags)


def check_error(folder, case, tools, report):
    """A refusal: exit status, words that stderr must hold (of an inner list one is enough), and no output file."""
    c, expect = case["compile"], case["expect"]
    (rc, err), result = tools.compile(resolve(folder, c["model"]), c["entry"], c["dims"], c.get("flags", []))
    if expect["stage"] == "run":
        if rc:
            report("compile", None, None, False, f"the good model must compile: exit {rc}: {tail(err)}")
            return False
        if not tools.executes:
            return None
        result = tools.path("out.safetensors")
        rc, err = run_case(folder, case, tools, result)
    wrong = [] if rc == expect["exit"] else [f"exit {rc}, expected {expect['exit']}"]
    choices = [w if isinstance(w, list) else [w] for w in expect["stderr_has"]]
    wrong += [f"stderr does not name {' or '.join(ws)}" for ws in choices if not any(w.lower() in err.lower() for w in ws)]
    if os.path.exists(result):
        wrong.append("an output file was left behind")
    report(expect["stage"], None, None, not wrong, "; ".join(wrong) + (f": {tail(err)}" if wrong else ""))
    return not wrong


def check_accept(folder, case, tools, report):
    """An unusual but valid file: the output must be, to the bit, that of the ordinary case named in `same_as`."""
    with open(os.path.join(resolve(folder, case["same_as"]), "case.json")) as f:
        plain = json.load(f)
    results, plain_folder = [], resolve(folder, case["same_as"])
    for where, which in ((folder, case), (plain_folder, plain)):
        c = which["compile"]
        (rc, err), _ = tools.compile(resolve(where, c["model"]), c["entry"], c["dims"], c.get("flags", []))
        if rc:
            report("compile", None, None, False, f"exit {rc}: {tail(err)}")
            return False
        if not tools.executes:
            continue
        result = tools.path("out.safetensors")
        rc, err = run_case(where, which, tools, result)
        if rc:
            report("run", None, None, False, f"exit {rc}: {tail(err)}")
            return False
        results.append(read_bytes(result))
    if not results:
        return None
    good = results[0] == results[-1]
    report("run", None, None, good, "" if good else f"not the bytes of {case['same_as']}")
    return good


CHECKS = {"generate": check_generate, "error": check_error, "accept": check_accept}


def find_cases(root, wanted, fail):
    found = sorted(os.path.relpath(d, root) for d, _, names in os.walk(root) if "case.json" in names)
    fits = lambda c, w: c == w or c.startswith(w + "/") or fnmatch.fnmatch(c, w)
    wanted = [w.rstrip("/") for w in wanted]
    unknown = [w for w in wanted if not any(fits(c, w) for c in found)]
    if unknown:
        fail("no such case: " + ", ".join(unknown))
    return [c for c in found if not wanted or any(fits(c, w) for w in wanted)]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(p)
    p.add_argument("--root", default=HERE, help="folder with the groups of cases")
    p.add_argument("--least-fast", type=int, default=0, metavar="N", help="with --math fast: fail when fewer modules have kernels that make use of it")
    p.add_argument("--failures", action="store_true", help="print only the lines that are not ok")
    p.add_argument("cases", nargs="*", metavar="CASE")
    a = p.parse_args()
    root = os.path.abspath(a.root)
    passed, failed, compiled_only = 0, [], 0
    with tempfile.TemporaryDirectory(prefix="hb-parity-") as temp:
        tools = Tools(a, temp)
        for name in find_cases(root, a.cases, p.error):
            folder = os.path.join(root, name)
            with open(os.path.join(folder, "case.json")) as f:
                case = json.load(f)
            if a.math == "fast" and case["entry"] in ("generate", *CHECKS):
                p.error(f"{name}: --math fast has limits for networks only")

            def report(output, error, limit, ok, text):
                if ok and a.failures:
                    return
                number = lambda x: "-" if x is None else f"{x:.3e}"
                print(f"{name:40s} {output:28s} {number(error):>10s} {number(limit):>10s} {'ok' if ok else 'FAIL'} {text}".rstrip(), flush=True)

            try:
                ok = CHECKS.get(case["entry"], check_entry)(folder, case, tools, report)
            except (OSError, ValueError, KeyError, struct.error, zlib.error) as e:
                report("check", None, None, False, f"{type(e).__name__}: {e}")
                ok = False
            if ok is None:
                compiled_only += 1
                print(f"{name:40s} compiled, not executed: this CPU lacks what {' '.join(a.target)} needs", flush=True)
            else:
                passed, failed = passed + bool(ok), failed + ([] if ok else [name])
    print(f"{passed} passed, {len(failed)} failed, {compiled_only} compiled but not executed")
    if failed:
        print("failed: " + " ".join(failed))
    if a.math == "fast":
        print(f"{tools.uses_fast} modules with kernels that make use of --math fast, at least {a.least_fast} expected")
    return 1 if failed or tools.uses_fast < a.least_fast else 0


if __name__ == "__main__":
    sys.exit(main())
