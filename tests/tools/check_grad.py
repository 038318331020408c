#!/usr/bin/env python3
"""hb-rt check-grad: the compiled gradients of four networks follow their difference quotients, and what does not is said."""
import os

from harness import ROOT, Test

MODELS = os.path.join(ROOT, "tests", "parity", "models")
# Model, entry, further arguments of hbc, number of gradients that are then checked.
CASES = [
    ("vae_a", "vae_decode_vjp", ["--dim", "H=4", "--dim", "W=6"], 1),
    ("unet_hd64", "unet_vjp", ["--dim", "H=8", "--dim", "W=8", "--dim", "T=7", "--lora-rank", "2", "--lora-targets", "to_q,to_v,ff.net.0.proj"], 6),
    ("blip2_a", "blip2_reward_vjp", ["--dim", "L=8"], 1),
    ("clip_h", "clip_score_vjp", [], 1),
]

with Test(__doc__) as test:
    module = test.path("m.hbm")

    def compile_entry(model, entry, *arguments):
        test.must(f"hbc compile {entry}", test.run("hbc", "compile", os.path.join(MODELS, model), "--entry", entry, "-o", module, *arguments))

    for model, entry, arguments, count in CASES:
        compile_entry(model, entry, *arguments)
        done = test.expect(entry, test.run("hb-rt", "check-grad", "-m", module, "--directions", "6"), 0)
        test.check(f"{entry}: {count} gradients", done.stdout.count("ok ") == count, done.stdout)
    # No gradient equals its quotient to the last bit: without tolerance it is wrong.
    test.expect("no tolerance", test.run("hb-rt", "check-grad", "-m", module, "--tolerance", "0"), 1, "WRONG")
    compile_entry("vae_a", "vae_decode", "--dim", "H=4", "--dim", "W=6")
    test.expect("nothing to check", test.run("hb-rt", "check-grad", "-m", module), 2, "HB0501", "an entry with gradients")
