"""Adapter files in every spelling (all must give the same numbers), and files that must be refused.

    adapters.py [--out DIR] [--model NAME] [--tiny NAME] [--seed N] [--rank R --alpha A]

NAME is a UNet of networks.json with two layers per block (the sgm names need that); --tiny a small text model of it. Both must have been made.
Cases go to DIR/adapters/… and DIR/errors/….
"""
import argparse, json, os, shutil, struct
import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from peft import PeftModel
from safetensors.torch import load_file, save_file

import reference as G
import networks as N

TARGETS = ["to_q", "to_v", "ff.net.0.proj"]


def sgm_name(path, layers=2):
    """diffusers module path -> LDM path, blocks only"""
    parts = path.split(".")
    if parts[0] == "mid_block":
        return ".".join(["middle_block", "1"] + parts[3:])
    block, j = int(parts[1]), int(parts[3])
    if parts[0] == "down_blocks":
        return ".".join(["input_blocks", str(1 + block * (layers + 1) + j), "1"] + parts[4:])
    return ".".join(["output_blocks", str(block * (layers + 1) + j), "1"] + parts[4:])


def write_formats(folder, peft_folder, rank, alpha):
    tensors = load_file(f"{peft_folder}/adapter_model.safetensors")
    pairs = {}
    for k, v in tensors.items():
        path, which = k[len("base_model.model."):].rsplit(".lora_", 1)
        pairs.setdefault(path, {})[which[0]] = v
    scale = alpha / rank
    made = {}

    def out(name, file, content, metadata=None):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        save_file({k: v.contiguous().clone() for k, v in content.items()}, f"{folder}/{name}/{file}", metadata=metadata or {"format": "pt"})
        made[name] = f"{folder}/{name}/{file}"

    meta = {"unet.r": rank, "unet.lora_alpha": alpha, "unet.target_modules": TARGETS, "unet.lora_dropout": 0.0, "unet.bias": "none", "unet.peft_type": "LORA"}
    new = lambda s: {f"unet.{p}.lora_{w}.weight": t * (s if w == "B" else 1) for p, ab in pairs.items() for w, t in ab.items()}
    out("diffusers_metadata", "pytorch_lora_weights.safetensors", new(1), {"format": "pt", LORA_ADAPTER_METADATA_KEY: json.dumps(meta, sort_keys=True)})
    out("diffusers_folded", "pytorch_lora_weights.safetensors", new(scale))
    mid = {}
    for p, ab in pairs.items():
        mid.update({f"unet.{p}.lora.down.weight": ab["A"], f"unet.{p}.lora.up.weight": ab["B"] * scale})
    out("diffusers_down_up", "pytorch_lora_weights.safetensors", mid)
    kohya, sgm = {}, {}
    for p, ab in pairs.items():
        for d, name in ((kohya, p), (sgm, sgm_name(p))):
            key = "lora_unet_" + name.replace(".", "_")
            d.update({f"{key}.lora_down.weight": ab["A"], f"{key}.lora_up.weight": ab["B"], f"{key}.alpha": torch.tensor(float(alpha))})
    out("kohya", "adapter.safetensors", kohya, {"ss_network_dim": str(rank), "ss_network_alpha": str(alpha), "ss_network_module": "networks.lora"})
    out("kohya_sgm", "adapter.safetensors", sgm)
    half = {k: v.half() for k, v in kohya.items()}
    out("kohya_f16", "adapter.safetensors", half)
    return made


def library_output(load, file, x):
    """Through diffusers' own reader."""
    unet = load()
    state, alphas, *rest = StableDiffusionXLPipeline.lora_state_dict(os.path.dirname(file), weight_name=os.path.basename(file), unet_config=unet.config, return_lora_metadata=True)
    metadata = rest[-1] if rest else None
    StableDiffusionXLPipeline.load_lora_into_unet(state, network_alphas=alphas, unet=unet, metadata=metadata)
    return N.run_unet({"model": unet.eval()}, x)["sample"]


# ---------------------------------------------------------------- broken files

def raw(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + n]), data[8 + n:]


def pack(header, body, text=None):
    h = (text if text is not None else json.dumps(header)).encode() if not isinstance(text, bytes) else text
    h += b" " * (-len(h) % 8)
    return struct.pack("<Q", len(h)) + h + body


def without(path, victim):
    """A sound file that lacks one tensor."""
    temporary = f"{path}.tmp"
    save_file({k: v for k, v in load_file(path).items() if k != victim}, temporary, metadata={"format": "pt"})
    with open(temporary, "rb") as f:
        data = f.read()
    os.remove(temporary)
    return data


def broken_variants(path, victim, other):
    """{name: (bytes, words that the message must contain; of an inner list one is enough)}"""
    header, body = raw(path)
    edit = lambda f: (lambda h: (f(h), pack(h, body))[1])(json.loads(json.dumps(header)))
    name = os.path.basename(path)
    whole = open(path, "rb").read()
    def wrong_shape(h):
        h[victim]["shape"] = h[victim]["shape"][::-1] if len(set(h[victim]["shape"])) > 1 else [1] + h[victim]["shape"]
    duplicate = json.dumps(header)
    at = duplicate.index(f'"{victim}"')
    duplicate = duplicate[:at] + f'"{victim}": {json.dumps(header[victim])}, ' + duplicate[at:]
    return {
        "truncated": (whole[:len(whole) - 100], [name]),
        "empty": (b"", [name]),
        "seven_bytes": (whole[:7], [name]),
        "header_beyond_file": (struct.pack("<Q", len(whole) + 1000) + whole[8:], [name]),
        "header_claims_100mb": (struct.pack("<Q", 100 * 1024 * 1024 + 8) + whole[8:], [name]),
        "header_claims_2_to_63": (struct.pack("<Q", 2 ** 63) + whole[8:], [name]),
        "header_not_json": (pack(None, body, "{this is not json"), [name]),
        "header_not_an_object": (pack(None, body, "[1, 2, 3]"), [name]),
        "header_not_utf8": (pack(None, body, b'{"\xff\xfe": 1}'), [name]),
        "overlapping_offsets": (edit(lambda h: h[victim].update(data_offsets=[h[other]["data_offsets"][0], h[other]["data_offsets"][0] + h[victim]["data_offsets"][1] - h[victim]["data_offsets"][0]])), [name, [victim, other]]),
        "offsets_beyond_file": (edit(lambda h: h[victim].update(data_offsets=[len(body), len(body) + h[victim]["data_offsets"][1] - h[victim]["data_offsets"][0]])), [name, victim]),
        "offsets_reversed": (edit(lambda h: h[victim].update(data_offsets=h[victim]["data_offsets"][::-1])), [name, victim]),
        "offsets_negative": (edit(lambda h: h[victim].update(data_offsets=[-4, h[victim]["data_offsets"][1]])), [name, victim]),
        "size_disagrees_with_shape": (edit(lambda h: h[victim].update(data_offsets=[h[victim]["data_offsets"][0], h[victim]["data_offsets"][1] - 4])), [name, victim]),
        "shape_overflows": (edit(lambda h: h[victim].update(shape=[2 ** 33, 2 ** 33])), [name, victim]),
        "wrong_shape": (edit(wrong_shape), [name, victim]),
        "unknown_dtype": (edit(lambda h: h[victim].update(dtype="F12")), [name, victim, "F12"]),
        "integer_dtype": (edit(lambda h: h[victim].update(dtype="I32")), [name, victim]),
        "missing_tensor": (without(path, victim), [victim]),
        "duplicate_key": (pack(None, body, duplicate), [name, victim]),
    }


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=os.path.dirname(N.HERE))
    p.add_argument("--spec", default=f"{N.HERE}/networks.json")
    p.add_argument("--model", default="unet_sdxl")
    p.add_argument("--tiny", default="text_tiny")
    p.add_argument("--seed", type=int, default=901)
    p.add_argument("--rank", type=int, default=2)
    p.add_argument("--alpha", type=int, default=8)
    a = p.parse_args()
    spec = json.load(open(a.spec))["models"]
    mc = spec[a.model]
    load = lambda: N.load_model(f"{a.out}/models/{a.model}", "unet", mc)
    s = {"dims": {"B": 1, "H": 16, "W": 16, "T": 13}}
    x = N.unet_inputs(s, load(), a.seed)
    root = f"{a.out}/adapters"
    G.fresh(root)
    lora = {"rank": a.rank, "alpha": a.alpha, "targets": TARGETS}
    N.make_adapter(f"{root}/peft", load(), lora, a.seed)
    files = write_formats(root, f"{root}/peft", a.rank, a.alpha)
    base = N.run_unet({"model": load()}, x)["sample"]
    peft = PeftModel.from_pretrained(load(), f"{root}/peft").eval()
    want, deviation, _ = G.evaluate({"model": peft}, N.run_unet, x, a.seed, tables=True)
    print(f"adapter changes the output by {G.relative_l2(base, want['sample']):.3f}")
    flags = ["--lora-rank", str(a.rank), "--lora-targets", ",".join(TARGETS)]
    write = lambda folder, adapter, want, deviation, note, extra=None: G.write_case(
        folder, "unet", f"../../models/{a.model}", s["dims"], x, want, deviation, note, flags, adapter, extra, ("torch", "diffusers", "peft"))
    write(f"{root}/peft", ".", want, deviation, "PEFT folder; scale alpha/r.")
    for name, file in files.items():
        if name == "kohya_f16":
            unet = load()
            halved = f"{root}/_halved"
            shutil.copytree(f"{root}/peft", halved)
            save_file({k: v.half().float() for k, v in load_file(f"{halved}/adapter_model.safetensors").items()}, f"{halved}/adapter_model.safetensors")
            w, d, _ = G.evaluate({"model": PeftModel.from_pretrained(unet, halved).eval()}, N.run_unet, x, a.seed, tables=True)
            shutil.rmtree(halved)
        else:
            w, d = want, deviation
        got = library_output(load, file, x)
        away = G.relative_l2(got, w["sample"])
        print(f"   diffusers' reader on {name}: {away:.2e}")
        assert away < 1e-5, name
        notes = {"diffusers_metadata": "Scale from the header metadata lora_adapter_metadata.", "diffusers_folded": "No alpha anywhere: scale 1, B already multiplied.",
                 "diffusers_down_up": "lora.down / lora.up names, no alpha: scale 1, up already multiplied.", "kohya": "lora_unet_… with .alpha.", "kohya_sgm": "kohya on sgm block names.", "kohya_f16": "kohya stored as float16."}
        write(f"{root}/{name}", os.path.basename(file), w, d, notes[name] + " Same numbers as the PEFT folder." if name != "kohya_f16" else notes[name])
    # the PEFT folder at half strength, and twice the same adapter through a scale
    half = PeftModel.from_pretrained(load(), f"{root}/peft").eval()
    for module in half.modules():
        if hasattr(module, "scaling") and isinstance(module.scaling, dict):
            module.scaling = {k: 0.5 * v for k, v in module.scaling.items()}
    w, d, _ = G.evaluate({"model": half}, N.run_unet, x, a.seed, tables=True)
    write(f"{root}/peft_scale_half", "../peft:0.5", w, d, "The PEFT folder with user scale 0.5 on top of alpha/r.")
    second = f"{root}/two_adapters_second"
    N.make_adapter(second, load(), {"rank": a.rank, "alpha": a.rank, "targets": ["to_q", "to_v"]}, a.seed + 1)
    both = PeftModel.from_pretrained(load(), f"{root}/peft")
    both.load_adapter(second, "second")
    both.base_model.set_adapter(["default", "second"])
    w, d, _ = G.evaluate({"model": both.eval()}, N.run_unet, x, a.seed, tables=True)
    G.write_case(f"{root}/two_adapters", "unet", f"../../models/{a.model}", s["dims"], x, w, d, "Two adapters at once: their effects add. Rank slots: the sum of both.",
                 ["--lora-rank", str(2 * a.rank), "--lora-targets", ",".join(TARGETS)], ["../peft", "../two_adapters_second:1.0"], None, ("torch", "diffusers", "peft"))

    # ---------------- files that must be refused
    errors = f"{a.out}/errors"
    G.fresh(errors)
    tiny = f"{a.out}/models/{a.tiny}"
    config = json.load(open(f"{tiny}/config.json"))
    ids = torch.randint(3, config["vocab_size"] - 1, (1, 8), generator=G.generator(a.seed, "ids"))
    keys = sorted(raw(f"{tiny}/model.safetensors")[0])
    victim = next(k for k in keys if k.endswith("mlp.fc1.weight"))
    other = next(k for k in keys if k.endswith("mlp.fc2.weight"))

    def error_case(name, case):
        os.makedirs(f"{errors}/{name}", exist_ok=True)
        G.write_json(f"{errors}/{name}/case.json", {"entry": "error", **case})

    os.makedirs(f"{errors}/good_inputs")
    save_file({"input_ids": ids}, f"{errors}/good_inputs/text.safetensors")
    save_file(x, f"{errors}/good_inputs/unet.safetensors")
    text_dims = {"B": 1, "T": 8}
    for name, (data, words) in broken_variants(f"{tiny}/model.safetensors", victim, other).items():
        folder = f"{errors}/checkpoint_{name}"
        os.makedirs(folder)
        shutil.copy(f"{tiny}/config.json", f"{folder}/config.json")
        with open(f"{folder}/model.safetensors", "wb") as f:
            f.write(data)
        error_case(f"checkpoint_{name}", {"compile": {"model": ".", "entry": "text_encode", "dims": text_dims}, "run": None,
                                          "expect": {"stage": "compile", "exit": 3, "stderr_has": words}, "note": "hbc compile refuses the folder."})
        error_case(f"checkpoint_{name}_at_run", {"compile": {"model": f"../../models/{a.tiny}", "entry": "text_encode", "dims": text_dims},
                                                 "run": {"entry": "text_encode", "inputs": "../good_inputs/text.safetensors", "flags": ["--weights", f"../checkpoint_{name}"]},
                                                 "expect": {"stage": "run", "exit": 3, "stderr_has": words}, "note": "compiled from the good folder, run with --weights on the broken one."})
    adapter = f"{errors}/good_inputs/adapter_model.safetensors"   # a part of the adapter: small files
    part = {k: v for k, v in load_file(f"{root}/peft/adapter_model.safetensors").items() if ".down_blocks.1.attentions.0." in k}
    save_file(part, adapter, metadata={"format": "pt"})
    akeys = sorted(raw(adapter)[0])
    av = next(k for k in akeys if k.endswith("attn1.to_q.lora_B.weight"))
    ao = next(k for k in akeys if k.endswith("attn1.to_q.lora_A.weight"))
    variants = broken_variants(adapter, av, ao)
    tensors = load_file(adapter)
    def saved(change, meta=None):
        t = {k: v.clone() for k, v in tensors.items()}
        t = change(t) or t
        save_file(t, f"{errors}/temporary", metadata=meta or {"format": "pt"})
        with open(f"{errors}/temporary", "rb") as f:
            data = f.read()
        os.remove(f"{errors}/temporary")
        return data
    def poison(value):
        def f(t):
            t[av][0, 0] = value
        return saved(f)
    short = av[len("base_model.model."):]
    variants.update({
        "nan": (poison(float("nan")), [short]), "infinity": (poison(float("inf")), [short]),
        "nothing_matches": (saved(lambda t: {k.replace("blocks", "bricks"): v for k, v in t.items()}), ["adapter_model.safetensors"]),
        "wrong_rank_pair": (saved(lambda t: t.update({av: torch.zeros(t[av].shape[0], t[av].shape[1] + 1)})), [short]),
        "wrong_in_features": (saved(lambda t: t.update({ao: torch.zeros(t[ao].shape[0], t[ao].shape[1] + 3)})), [ao[len("base_model.model."):]]),
        "rank_above_slot": (saved(lambda t: {k: torch.cat([v] * 4, 0 if ".lora_A." in k else 1) for k, v in t.items()}), ["rank"]),
        "unknown_module": (saved(lambda t: t.update({av.replace("down_blocks.1", "down_blocks.9"): t[av].clone(), ao.replace("down_blocks.1", "down_blocks.9"): t[ao].clone()})), ["down_blocks.9"]),
    })
    for name in ("empty", "seven_bytes", "header_not_an_object", "header_not_utf8", "offsets_reversed", "integer_dtype", "shape_overflows", "header_claims_2_to_63"):
        variants.pop(name)
    variants["missing_tensor"] = (variants["missing_tensor"][0], [short])
    for name, (data, words) in variants.items():
        folder = f"{errors}/adapter_{name}"
        os.makedirs(folder)
        text = json.load(open(f"{root}/peft/adapter_config.json"))
        if name == "rank_above_slot":
            text["r"], text["lora_alpha"] = 4 * a.rank, 4 * a.alpha
        G.write_json(f"{folder}/adapter_config.json", text)
        with open(f"{folder}/adapter_model.safetensors", "wb") as f:
            f.write(data)
        strip = lambda w: [strip(v) for v in w] if isinstance(w, list) else w.replace("base_model.model.", "")
        words = strip(words)
        error_case(f"adapter_{name}", {"compile": {"model": f"../../models/{a.model}", "entry": "unet", "dims": s["dims"], "flags": flags},
                                       "run": {"entry": "unet", "inputs": "../good_inputs/unet.safetensors", "flags": ["--adapter", "."]},
                                       "expect": {"stage": "run", "exit": 3, "stderr_has": words}, "note": "hb-rt refuses the adapter before the network runs."})
    # inputs that must be refused
    bad_inputs = {"inputs_missing": ({}, ["input_ids"]), "inputs_wrong_shape": ({"input_ids": ids[:, :5]}, ["input_ids"]), "inputs_wrong_dtype": ({"input_ids": ids.float()}, ["input_ids"]),
                  "inputs_id_out_of_vocabulary": ({"input_ids": ids + config["vocab_size"]}, ["input_ids"])}
    for name, (t, words) in bad_inputs.items():
        os.makedirs(f"{errors}/{name}")
        save_file({k: v.contiguous().clone() for k, v in t.items()} or {"something_else": ids}, f"{errors}/{name}/inputs.safetensors")
        error_case(name, {"compile": {"model": f"../../models/{a.tiny}", "entry": "text_encode", "dims": text_dims}, "run": {"entry": "text_encode", "inputs": "inputs.safetensors", "flags": []},
                          "expect": {"stage": "run", "exit": 3, "stderr_has": words}, "note": "bad input file."})
    # folders that must be refused at compile time
    def folder_case(name, make, words):
        shutil.copytree(tiny, f"{errors}/{name}")
        make(f"{errors}/{name}")
        error_case(name, {"compile": {"model": ".", "entry": "text_encode", "dims": text_dims}, "run": None, "expect": {"stage": "compile", "exit": 3, "stderr_has": words}, "note": "hbc compile refuses the folder."})
    folder_case("config_missing", lambda d: os.remove(f"{d}/config.json"), ["config.json"])
    folder_case("config_not_json", lambda d: open(f"{d}/config.json", "w").write("{\"hidden_size\": "), ["config.json"])
    folder_case("config_width_disagrees", lambda d: G.write_json(f"{d}/config.json", dict(config, hidden_size=config["hidden_size"] * 2)), ["model.safetensors"])
    folder_case("config_unknown_class", lambda d: G.write_json(f"{d}/config.json", dict(config, architectures=["TurboEncabulator"], model_type="encabulator")), ["TurboEncabulator"])
    folder_case("weights_missing", lambda d: os.remove(f"{d}/model.safetensors"), ["safetensors"])

    def missing_shard(d):
        t = load_file(f"{d}/model.safetensors")
        ks = sorted(t)
        save_file({k: t[k] for k in ks[::2]}, f"{d}/model-00001-of-00002.safetensors", metadata={"format": "pt"})
        G.write_json(f"{d}/model.safetensors.index.json", {"metadata": {"total_size": sum(v.numel() * 4 for v in t.values())},
                                                            "weight_map": {k: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, k in enumerate(ks)}})
        os.remove(f"{d}/model.safetensors")
    folder_case("shard_missing", missing_shard, ["model-00002-of-00002.safetensors"])

    def escaping_shard(d):
        missing_shard(d)
        index = json.load(open(f"{d}/model.safetensors.index.json"))
        index["weight_map"] = {k: v if "00001" in v else "../../outside.safetensors" for k, v in index["weight_map"].items()}
        G.write_json(f"{d}/model.safetensors.index.json", index)
    folder_case("shard_outside_the_folder", escaping_shard, ["index.json"])
    print(f"{len(os.listdir(errors)) - 1} error cases, {G.folder_bytes(errors) / 1e6:.2f} MB; adapters {G.folder_bytes(root) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
