#!/usr/bin/env python3
"""What --stop-after and --dump-intermediates write is the whole program: hb-opt reads it back without losing a location or a constant,
and the next phase run on the text gives what the compiler has after that phase. With real networks and with large constants."""
import os

from harness import CHECKPOINT, Test, read

# A table of 4,096 elements that simplify folds, and literals in a kernel: constants that a printer may like to leave out.
CONSTANTS = """entry f (x: tensor[B, D]) where B = 2, D = 4096 -> (y: tensor[B, D]) {
  let table = sin(cast(iota(D)) * 0.37)
  softmax(x * table + exp(x * -0.125))
}
"""

# The phases that end before machine code; hb-opt has them as pipelines.
PHASES = ["import", "simplify", "fuse", "differentiate", "kernels", "plan", "emit"]


def check_model(test, name, arguments):
    dump = test.path(name)
    test.must(f"hbc compile {name}", test.run("hbc", "compile", *arguments, "--dump-intermediates", dump, "-o", test.path(name + ".hbm")))
    texts = {phase: os.path.join(dump, f"{number}-{phase}.mlir") for number, phase in enumerate(PHASES, 1)}
    page = read(os.path.join(dump, "index.html")).decode()
    for phase, path in texts.items():
        text = read(path)
        test.check(f"{name}, {phase}: linked by the page", os.path.basename(path) in page, page)
        test.check(f"{name}, {phase}: nothing left out", b"elided" not in text)
        again = test.must("hb-opt", test.run("hb-opt", "--mlir-print-debuginfo", path)).stdout.encode()
        test.check(f"{name}, {phase}: read back", again.rstrip(b"\n") == text.rstrip(b"\n"), f"{len(text)} bytes became {len(again)}")
        alone = test.must("hbc --stop-after", test.run("hbc", "compile", *arguments, "--stop-after", phase)).stdout.encode()
        test.check(f"{name}, {phase}: --stop-after prints what the dump has", alone == text)
    for before, after in zip(PHASES, PHASES[1:-1]):
        out = test.path("next.mlir")
        test.must("hb-opt", test.run("hb-opt", texts[before], f"--hb-phase-{after}", "-o", out, "--mlir-print-debuginfo"))
        test.check(f"{name}: {after} of the text is the compiler's {after}", read(out).rstrip(b"\n") == read(texts[after]).rstrip(b"\n"))


with Test(__doc__) as test:
    check_model(test, "constants", [test.write("m.hb", CONSTANTS), "--entry", "f"])
    test.check("the table is a constant", b'nn.constant dense<"0x' in read(test.path("constants", "2-simplify.mlir")))
    check_model(test, "unet", [os.path.join(CHECKPOINT, "unet")])
    check_model(test, "text", [os.path.join(CHECKPOINT, "text_encoder_2")])
    check_model(test, "generate", [CHECKPOINT, "--entry", "generate", "--lora-rank", "4"])
