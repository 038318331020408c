#!/usr/bin/env python3
"""The demo's pages. hb-rt makes the pictures. Needs numpy.

  pictures       several captions after several reference pictures: index.html, and grid.png as one picture (references in the top row)
  before-after   the same captions without and with the adapters of a training run, and the run's rewards: before-after.html, before-after.png
"""
import argparse, html, json, os, struct, subprocess, sys, time, zlib

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "parity"))
from files import read_png  # the reader of the reference tests

CAPTIONS = ["a red circle", "three blue stars", "two green triangles and a yellow square", "a large purple star at the top", "four orange squares", "a black triangle on the left"]
REFERENCES = ["000", "001", "004", "007"]


def write_png(path, pixels):
    """8-bit RGB, unfiltered."""
    height, width, _ = pixels.shape
    raw = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def sheet(rows, gap=8):
    """Equal pictures in rows, white in between."""
    size = rows[0][0].shape[0]
    out = np.full((gap + len(rows) * (size + gap), gap + len(rows[0]) * (size + gap), 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = gap + y * (size + gap), gap + x * (size + gap)
            out[top:top + size, left:left + size] = picture[..., :3]
    return out


HERE = os.path.join("models", "shapes", "data", "val")
STYLE = "body{font:15px sans-serif;margin:2em}th{font-weight:normal;text-align:left;padding:.3em 1em .3em 0}img{width:128px}svg{width:40em;background:#fafafa;border:1px solid #ddd}"


def draw(args, caption, reference, path, options, newer_than):
    """One picture, unless it is there and newer than what it depends on; the seconds it took or none."""
    if os.path.exists(path) and os.path.getmtime(path) > max(os.path.getmtime(p) for p in newer_than):
        return None
    command = [args.hb_rt, "generate", "-m", args.module, "-p", caption, "--ref-image", os.path.join(HERE, reference + ".png"), "--sampling-method", "ddim-hummingbird", "-o", path, "--quiet", "--json"]
    return json.loads(subprocess.run(command + options, check=True, stdout=subprocess.PIPE).stdout)["total_s"]


def pictures(args):
    folder = os.path.join(args.out, "pictures")
    os.makedirs(folder, exist_ok=True)
    started, rows = time.time(), []
    total = len(CAPTIONS) * len(REFERENCES)
    for c, caption in enumerate(CAPTIONS):
        cells = []
        for r, reference in enumerate(REFERENCES):
            seconds = draw(args, caption, reference, os.path.join(folder, f"{c}_{r}.png"), ["--steps", "25", "--cfg-scale", "4", "--seed", str(93 + c)], [args.module])
            if seconds:
                print(f"{c * len(REFERENCES) + r + 1}/{total}  {seconds:.2f} s  {caption}", flush=True)
            cells.append(f'<td><img src="pictures/{c}_{r}.png" title="{html.escape(caption)}"></td>')
        rows.append(f"<tr><th>{html.escape(caption)}</th>{''.join(cells)}</tr>")
    head = "".join(f'<th><img src="../../{HERE}/{r}.png"></th>' for r in REFERENCES)
    page = os.path.join(args.out, "index.html")
    with open(page, "w") as f:
        f.write(f"<!doctype html><meta charset=utf-8><title>Shapes</title><style>{STYLE}</style><h1>Drawn by hb-rt</h1>"
                f'<p><a href="before-after.html">Before and after fine-tuning with a reward</a><table><tr><th>caption, reference &rarr;</th>{head}</tr>{"".join(rows)}</table>\n')
    pixels = [[read_png(os.path.join(HERE, r + ".png")) for r in REFERENCES]]
    pixels += [[read_png(os.path.join(folder, f"{c}_{r}.png")) for r in range(len(REFERENCES))] for c in range(len(CAPTIONS))]
    write_png(os.path.join(args.out, "grid.png"), sheet(pixels))
    print(f"\n{total} pictures in {time.time() - started:.1f} s: {page} (as one picture: {os.path.join(args.out, 'grid.png')})")
    print("Next:\n"
          f"  {args.hb_rt} generate -m {args.module} -p 'two red stars' --ref-image {HERE}/010.png -b 4\n"
          f"  {args.hb_rt} inspect {args.module}\n"
          f"  {args.hb_rt} bench {args.module} generate --threads 1\n")


def curve(series):
    """Rewards over optimizer steps; each series is (label, colour, [(step, value)])."""
    points = [point for _, _, line in series for point in line]
    if not points:
        return ""
    (x0, x1), (y0, y1) = [(min(p[k] for p in points), max(p[k] for p in points)) for k in (0, 1)]
    place = lambda p: f"{40 + 540 * (p[0] - x0) / max(x1 - x0, 1e-9):.1f},{180 - 160 * (p[1] - y0) / max(y1 - y0, 1e-9):.1f}"
    lines = "".join(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(map(place, line))}"/><text x="{50 + 180 * n}" y="14" fill="{colour}" font-size="12">{label}</text>'
                    for n, (label, colour, line) in enumerate(series))
    return (f'<svg viewBox="0 0 600 210">{lines}<text x="2" y="24" font-size="11">{y1:.3f}</text><text x="2" y="184" font-size="11">{y0:.3f}</text>'
            f'<text x="40" y="204" font-size="11">step {x0}</text><text x="540" y="204" font-size="11">step {x1}</text></svg>')


def before_after(args):
    folder, adapter = os.path.join(args.out, "before-after"), os.path.join(args.run, "final")
    os.makedirs(folder, exist_ok=True)
    rows, pixels = [], []
    for c, caption in enumerate(CAPTIONS):
        reference = REFERENCES[c % len(REFERENCES)]
        names = [f"{c}_{kind}.png" for kind in ("before", "after")]
        for name, options in zip(names, ([], ["--lora", adapter + ":1"])):
            draw(args, caption, reference, os.path.join(folder, name), ["--steps", "10", "--cfg-scale", "5", "--seed", str(93 + c)] + options, [args.module, adapter])
        cells = "".join(f'<td><img src="{path}"></td>' for path in [f"../../{HERE}/{reference}.png"] + [f"before-after/{name}" for name in names])
        rows.append(f"<tr><th>{html.escape(caption)}</th>{cells}</tr>")
        pixels.append([read_png(os.path.join(HERE, reference + ".png"))] + [read_png(os.path.join(folder, name)) for name in names])
    with open(os.path.join(args.run, "metrics.jsonl")) as f:
        metrics = [json.loads(line) for line in f]
    held_out = [(m["step"], m["validation/reward/mean"]) for m in metrics if "validation/reward/mean" in m]
    training = [(m["step"], m["reward/mean"]) for m in metrics if "reward/mean" in m]
    page = os.path.join(args.out, "before-after.html")
    with open(page, "w") as f:
        f.write(f"<!doctype html><meta charset=utf-8><title>Shapes: fine-tuning</title><style>{STYLE}</style><h1>Before and after fine-tuning with a reward</h1>"
                f'<p>BLIP-2 contrastive score + matching probability; <a href="{os.path.relpath(args.run, args.out)}/report.html">the whole report</a></p>'
                f'{curve([("training batches", "#9bb", training), ("held-out texts", "#1b6ca8", held_out)])}<table><tr><th></th><th>reference</th><th>before</th><th>after</th></tr>{"".join(rows)}</table>\n')
    write_png(os.path.join(args.out, "before-after.png"), sheet(pixels))
    print(f"fine-tuned for {training[-1][0]} steps, held-out reward {held_out[0][1]:.3f} (step {held_out[0][0]}) to {held_out[-1][1]:.3f} (step {held_out[-1][0]}): {page}")
    print(f"Next:\n  {args.hb_rt} generate -m {args.module} -p 'two red stars' --ref-image {HERE}/010.png --lora {adapter}:1\n  docs/training.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, function in (("pictures", pictures), ("before-after", before_after)):
        command = commands.add_parser(name)
        for flag in ("--hb-rt", "--module", "--out") + (("--run",) if name == "before-after" else ()):
            command.add_argument(flag, required=True)
        command.set_defaults(run_page=function)
    args = parser.parse_args()
    args.run_page(args)


if __name__ == "__main__":
    main()
