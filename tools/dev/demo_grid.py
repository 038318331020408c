#!/usr/bin/env python3
"""Draws several captions after several reference pictures with hb-rt and lays the results out as one page.

hb-rt makes the pictures; index.html shows them in place, grid.png is the same as one picture (references in the top row).
Needs numpy.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hb-rt", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=25)
    args = parser.parse_args()
    here = os.path.join("models", "shapes", "data", "val")
    pictures = os.path.join(args.out, "pictures")
    os.makedirs(pictures, exist_ok=True)
    started, rows = time.time(), []
    total = len(CAPTIONS) * len(REFERENCES)
    for c, caption in enumerate(CAPTIONS):
        cells = []
        for r, reference in enumerate(REFERENCES):
            path = os.path.join(pictures, f"{c}_{r}.png")
            command = [args.hb_rt, "generate", "-m", args.module, "-p", caption, "--ref-image", os.path.join(here, reference + ".png"), "--steps", str(args.steps),
                       "--cfg-scale", "4", "--seed", str(93 + c), "--sampling-method", "ddim-hummingbird", "-o", path, "--quiet", "--json"]
            if not (os.path.exists(path) and os.path.getmtime(path) > os.path.getmtime(args.module)):
                result = subprocess.run(command, check=True, stdout=subprocess.PIPE)
                print(f"{c * len(REFERENCES) + r + 1}/{total}  {json.loads(result.stdout)['total_s']:.2f} s  {caption}", flush=True)
            cells.append(f'<td><img src="pictures/{c}_{r}.png" title="{html.escape(caption)}"></td>')
        rows.append(f"<tr><th>{html.escape(caption)}</th>{''.join(cells)}</tr>")
    head = "".join(f'<th><img src="../../{here}/{r}.png"></th>' for r in REFERENCES)
    page = os.path.join(args.out, "index.html")
    with open(page, "w") as f:
        f.write("<!doctype html><meta charset=utf-8><title>Shapes</title><style>body{font:15px sans-serif;margin:2em}th{font-weight:normal;text-align:left;padding:.3em 1em .3em 0}"
                f"img{{width:128px}}</style><h1>Drawn by hb-rt</h1><table><tr><th>caption, reference &rarr;</th>{head}</tr>{''.join(rows)}</table>\n")
    pixels = [[read_png(os.path.join(here, r + ".png")) for r in REFERENCES]]
    pixels += [[read_png(os.path.join(pictures, f"{c}_{r}.png")) for r in range(len(REFERENCES))] for c in range(len(CAPTIONS))]
    write_png(os.path.join(args.out, "grid.png"), sheet(pixels))
    print(f"\n{total} pictures in {time.time() - started:.1f} s: {page} (as one picture: {os.path.join(args.out, 'grid.png')})")
    print("Next:\n"
          f"  {args.hb_rt} generate -m {args.module} -p 'two red stars' --ref-image {here}/010.png -b 4\n"
          f"  {args.hb_rt} inspect {args.module}\n"
          f"  {args.hb_rt} bench {args.module} generate --threads 1")


if __name__ == "__main__":
    main()
