#!/usr/bin/env python3
"""Draws several captions after several reference pictures with hb-rt and lays the results out as one page.

Needs Python's standard library only; hb-rt makes the pictures, the page (index.html) shows them in place.
"""
import argparse, html, json, os, subprocess, time

CAPTIONS = ["a red circle", "three blue stars", "two green triangles and a yellow square", "a large purple star at the top", "four orange squares", "a black triangle on the left"]
REFERENCES = ["000", "001", "004", "007"]


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
    print(f"\n{total} pictures in {time.time() - started:.1f} s: {page}")
    print("Next:\n"
          f"  {args.hb_rt} generate -m {args.module} -p 'two red stars' --ref-image {here}/010.png -b 4\n"
          f"  {args.hb_rt} inspect {args.module}\n"
          f"  {args.hb_rt} bench {args.module} generate --threads 1")


if __name__ == "__main__":
    main()
