"""Unusual but valid files, which must load: errors/accept_….

    near_misses.py [--out DIR]

Each is a sound file of errors/, written another way; its output must be, to the bit, that of the ordinary file ("same_as"). Needs Python alone.
"""
import argparse, json, os, shutil, struct

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = {"compile": {"model": "../../models/text_tiny", "entry": "text_encode", "dims": {"B": 1, "T": 8}},
        "run": {"entry": "text_encode", "inputs": "../good_inputs/text.safetensors", "flags": []}}


def split(path):
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + n]), data[8 + n:]


def pack(header, body, padding=0, separators=None):
    text = json.dumps(header, separators=separators).encode()
    text += b" " * (-len(text) % 8 + padding)
    return struct.pack("<Q", len(text)) + text + body


def reordered(header, body):
    """The same tensors with the data in reverse order of name: nothing says that the header lists them in the order of the data."""
    out, parts, at = {}, [], 0
    for name in sorted((k for k in header if k != "__metadata__"), reverse=True):
        begin, end = header[name]["data_offsets"]
        out[name] = dict(header[name], data_offsets=[at, at + end - begin])
        parts.append(body[begin:end])
        at += end - begin
    return pack({k: out[k] for k in sorted(out)}, b"".join(parts))


def variants(header, body, empty):
    """{name: (bytes, what is unusual)}; `empty` is a tensor name that may hold nothing."""
    plain = {k: v for k, v in header.items() if k != "__metadata__"}
    end = max(v["data_offsets"][1] for v in plain.values())
    return {
        "long_padding": (pack(header, body, padding=64 * 1024), "64 KiB of spaces after the header"),
        "no_metadata": (pack(plain, body), "no __metadata__ entry"),
        "much_metadata": (pack({"__metadata__": {"format": "pt", "note": "ä \u2028 \"quoted\" " * 500, "": ""}, **plain}, body), "a long __metadata__ with escapes and an empty key"),
        "zero_size_tensor": (pack({**header, empty: {"dtype": "I64", "shape": [1, 0], "data_offsets": [end, end]}}, body), "a tensor without elements, at the end of the data"),
        "zero_size_at_start": (pack({**header, empty: {"dtype": "I64", "shape": [0], "data_offsets": [0, 0]}}, body), "a tensor without elements, at the start of the data"),
        "compact_header": (pack(header, body, separators=(",", ":")), "a header without spaces"),
        "reordered": (reordered(header, body), "data in another order than the header's"),
    }


def write(folder, case):
    with open(f"{folder}/case.json", "w") as f:
        json.dump(case, f, indent=1, ensure_ascii=False)
        f.write("\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--out", default=os.path.dirname(HERE))
    errors = f"{p.parse_args().out}/errors"
    model = f"{errors}/../models/text_tiny"
    for name in os.listdir(errors):
        if name.startswith("accept_"):
            shutil.rmtree(f"{errors}/{name}")
    os.makedirs(f"{errors}/accept_ordinary")
    write(f"{errors}/accept_ordinary", {"entry": "accept", **TEXT, "same_as": ".", "note": "the sound model"})
    header, body = split(f"{model}/model.safetensors")
    for name, (data, note) in variants(header, body, "text_model.embeddings.position_ids").items():
        folder = f"{errors}/accept_{name}"
        os.makedirs(folder)
        shutil.copy(f"{model}/config.json", f"{folder}/config.json")
        with open(f"{folder}/model.safetensors", "wb") as f:
            f.write(data)
        write(folder, {"entry": "accept", **TEXT, "compile": dict(TEXT["compile"], model="."), "same_as": "../accept_ordinary", "note": note})
        write_at_run = {"entry": "accept", **TEXT, "run": dict(TEXT["run"], flags=["--weights", f"../accept_{name}"]), "same_as": "../accept_ordinary",
                        "note": note + "; compiled from the ordinary folder, run with --weights"}
        os.makedirs(f"{folder}_at_run")
        write(f"{folder}_at_run", write_at_run)
    with open(f"{errors}/adapter_nan/case.json") as f:          # how the adapter cases compile and run
        unet = {k: v for k, v in json.load(f).items() if k in ("compile", "run")}
    adapter_cases(errors, unet)


def adapter_cases(errors, unet):
    header, body = split(f"{errors}/good_inputs/adapter_model.safetensors")
    config = f"{errors}/adapter_nan/adapter_config.json"
    for name, (data, note) in {"ordinary": (pack(header, body), "the sound adapter"), **variants(header, body, "")}.items():
        if "zero_size" in name:                                # every tensor of an adapter file must belong to a site
            continue
        folder = f"{errors}/accept_adapter_{name}"
        os.makedirs(folder)
        shutil.copy(config, f"{folder}/adapter_config.json")
        with open(f"{folder}/adapter_model.safetensors", "wb") as f:
            f.write(data)
        write(folder, {"entry": "accept", **unet, "same_as": "../accept_adapter_ordinary" if name != "ordinary" else ".", "note": note})


if __name__ == "__main__":
    main()
