#!/usr/bin/env python3
"""Executes the example of every op: it must parse, verify, and come back the same from its printed and its generic form.

usage: op_examples.py HB_OPT

An example is a fragment, as a reader wants it: values it uses without defining them are supplied by a placeholder op. Their
types are asked of the parser, which says what it expects where it finds the placeholder's. A symbol comes from the
example of the op that defines it; ops that live only inside another get that one around them (WITHIN).
"""
import re
import subprocess
import sys

import definitions

PROGRAM = (
    'plan.program @example inputs [{name = "x", type = tensor<16xf32>}, {name = "n", type = tensor<i64>}] '
    'outputs [{name = "y", type = tensor<16xf32>}, {name = "z", type = tensor<16xf32>}] arena 4096 lower_bound 0 {\n{}}\n'
)
WITHIN = {
    "nn.yield": "%r = nn.repeat max 2 inits(%init) : (tensor<2x4xf32>) -> (tensor<2x4xf32>) {\n^bb0(%i: tensor<i64>, %x: tensor<2x4xf32>):\n{}}\n",
    "kernel.return": "kernel.def @outer(%x: tensor<8xf32>) -> tensor<8xf32> {\n"
    "%y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {\n^bb0(%a: f32):\nkernel.yield %a : f32\n}\n{}}\n",
    "kernel.yield": "%r = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {\n^bb0(%y: f32):\n{}}\n",
    "plan.launch": PROGRAM,
    "plan.copy": PROGRAM,
    "plan.repeat": PROGRAM,
}
# Ops that stand beside functions, not in them.
TOP_LEVEL = ("kernel.def", "plan.program")
PLACEHOLDER = "none"


class Example:
    def __init__(self, op, text, symbols):
        self.op = op
        self.text = WITHIN[op].replace("{}", text) if op in WITHIN else text
        results = {v for line in self.text.splitlines() for v in re.findall(r"%[\w$-]+", line.split("=")[0]) if re.match(r"\s*%[^=]*=", line)}
        bound = results | {v for args in re.findall(r"(?:\^bb\d+|kernel\.def @\w+)\(([^)]*)\)", self.text) for v in re.findall(r"%[\w$.-]+", args)}
        self.types = {v: PLACEHOLDER for v in sorted(set(re.findall(r"%[\w$]+", self.text)) - bound)}
        self.symbols = [t for name, t in symbols.items() if f"@{name}" in self.text and t not in self.text]

    def module(self):
        inside = "".join(f'{value} = "example.value"() : () -> {type}\n' for value, type in self.types.items()) + self.text
        if not self.text.startswith(TOP_LEVEL):
            inside = "func.func @example() {\n" + inside + "return\n}\n"
        return "".join(self.symbols) + inside


def hb_opt(tool, text, *flags):
    return subprocess.run([tool, "--allow-unregistered-dialect", *flags, "-"], input=text, capture_output=True, text=True)


def round_trip(tool, example):
    """None, or what went wrong."""
    for _ in range(len(example.types) + 1):
        done = hb_opt(tool, example.module())
        wanted = re.search(r"use of value '(%[\w$]+)' expects different type than prior uses: '(.*?)' vs '" + PLACEHOLDER + "'", done.stderr)
        if not wanted or wanted.group(1) not in example.types:
            break
        example.types[wanted.group(1)] = wanted.group(2)
    if done.returncode:
        return done.stderr.strip()
    printed = done.stdout
    if not re.search(r"\b" + re.escape(example.op) + r"\b", printed):
        return f"the example does not contain {example.op}"
    for text in (printed, hb_opt(tool, printed, "--mlir-print-op-generic").stdout):
        again = hb_opt(tool, text)
        if again.stdout != printed:
            return "comes back changed: " + (again.stderr.strip() or again.stdout)
    return None


def main(tool):
    ops = list(definitions.ops())
    symbols = {}
    for op in ops:
        for text in op.examples():
            for name in re.findall(r"kernel\.def @(\w+)", text):
                symbols[name] = text
    failures = executed = 0
    for op in ops:
        examples = op.examples()
        if not examples:
            print(f"{op.file}: {op.name} has no example")
            failures += 1
        for text in examples:
            problem = round_trip(tool, Example(op.name, text, symbols))
            executed += 1
            if problem:
                print(f"{op.file}: example of {op.name}: {problem}\n{text}")
                failures += 1
    print(f"{len(ops)} ops, {executed} examples executed, {failures} failures")
    return 1 if failures or not ops else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
