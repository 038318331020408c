"""Cases of --dtype bf16 and f16: networks and pipelines of the other makers, with torch's own distance in the same type.

    dtypes.py [--out DIR] [--only NAME …]

dtypes.json lists cases by group. A case of DIR/dtypes/<case>_<dtype> is a case.json alone: model, inputs, expected values and adapter are those of
DIR/<group>/<case>, which must be there. `rel_l2_torch` is how far the network is from the float64 values when torch runs it, inputs and
all, in that type (module.to(dtype), default kernels); the limit is 1.5 times that.
"""
import argparse, json, os
import torch
from peft import PeftModel
from safetensors.torch import load_file

import reference as G
import networks as N
import pipelines as P

FACTOR = 1.5


def load_modules(out, group, name, spec, case_folder):
    """The modules of a case as its maker loaded them, adapter included, and the function that runs them."""
    if group == "generate":
        s = spec["pipelines"]["cases"][name]
        m = P.load_parts(f"{out}/{s['model']}", spec["pipelines"]["pipelines"].get(s["model"], {}))
        if s.get("lora"):
            m["unet"] = PeftModel.from_pretrained(m["unet"], case_folder).eval()
        return m, P.generate_function(s), s
    s = spec["networks"]["cases"][name]
    mc = spec["networks"]["models"][s["model"]]
    return N.load_case_modules(out, s, mc, case_folder if s.get("lora") else None), N.RUN[s["entry"]], s


def inputs_of(out, group, s, modules, case_folder):
    if group != "generate":
        return load_file(f"{case_folder}/inputs.safetensors")
    return P.generate_inputs(f"{out}/{s['model']}", s, modules["vae"], case_folder)


def torch_distance(modules, function, inputs, want, dtype):
    modules = {k: m.to(dtype) for k, m in modules.items()}
    got = function(modules, {k: G._to(v, dtype) for k, v in inputs.items()})
    return {k: G.relative_l2(got[k], v) for k, v in want.items()}


def make(out, group, name, dtype, spec):
    folder = f"{out}/{group}/{name}"
    case = json.load(open(f"{folder}/case.json"))
    modules, function, s = load_modules(out, group, name, spec, folder)
    want = load_file(f"{folder}/expected.safetensors")
    distance = torch_distance(modules, function, inputs_of(out, group, s, modules, folder), want, N.DTYPES[dtype])
    beside = f"../../{group}/{name}"
    keep = {k: case[k] for k in ("entry", "model", "dims", "generate") if k in case}
    keep["compile_flags"] = case["compile_flags"] + ["--dtype", dtype]
    keep["adapter"] = case["adapter"] and os.path.normpath(f"{beside}/{case['adapter']}")
    keep["expected"] = f"{beside}/expected.safetensors"
    if group != "generate":
        keep["inputs"] = f"{beside}/inputs.safetensors"
    elif case["generate"].get("reference"):
        keep["generate"] = dict(case["generate"], reference=f"{beside}/{case['generate']['reference']}")
    keep["rel_l2_torch"] = {k: float(f"{x:.4g}") for k, x in distance.items()}
    keep["max_rel_l2"] = {k: float(f"{FACTOR * x:.4g}") for k, x in distance.items()}
    keep["made_with"] = case["made_with"]
    target = f"{out}/dtypes/{name}_{dtype}"
    G.fresh(target)
    G.write_json(f"{target}/case.json", keep)
    print(f"{name}_{dtype:4s} " + " ".join(f"{k} {x:.2e}" for k, x in distance.items()), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.dirname(N.HERE))
    p.add_argument("--only", nargs="*")
    a = p.parse_args()
    spec = {k: json.load(open(f"{N.HERE}/{k}.json")) for k in ("networks", "pipelines", "dtypes")}
    for group, names in spec["dtypes"]["cases"].items():
        for name in names:
            for dtype in spec["dtypes"]["dtypes"]:
                if not a.only or name in a.only or f"{name}_{dtype}" in a.only:
                    with torch.no_grad():
                        make(a.out, group, name, dtype, spec)


if __name__ == "__main__":
    main()
