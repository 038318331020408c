#!/usr/bin/env python3
"""Executes the example of every pass: run on what stands behind `// Before.` the pass must give what stands behind `// After.`,
or fail with the words behind `// Error.`. Every pass must also have a lit test of its own.

usage: pass_examples.py HB_OPT

Both sides are printed by hb-opt before they are compared, so names of values and line breaks are free. Attributes that hold
a place in a source file (source = "…") are not compared.
"""
import os
import re
import subprocess
import sys

import definitions


def hb_opt(tool, text, *flags):
    return subprocess.run([tool, *flags, "-"], input=text, capture_output=True, text=True)


def normal(text):
    return re.sub(r'source = "[^"]*"', 'source = "…"', text).strip()


def problem_of(tool, name, example):
    match = re.fullmatch(r"// Before\.\n(.*?)^// (After|Error)\.\n(.*)", example, re.S | re.M)
    if not match:
        return "an example has the lines `// Before.` and `// After.` (or `// Error.`)"
    before, kind, after = match.groups()
    done = hb_opt(tool, before, f"--{name}")
    if kind == "Error":
        words = after.replace("//", "").strip()
        return None if done.returncode and words in done.stderr else f"expected the error '{words}'; found: {done.stderr or done.stdout}"
    if done.returncode:
        return done.stderr.strip()
    if normal(done.stdout) == normal(hb_opt(tool, before).stdout):
        return "the pass changes nothing"
    wanted = hb_opt(tool, after)
    if wanted.returncode:
        return "behind After: " + wanted.stderr.strip()
    if normal(wanted.stdout) != normal(done.stdout):
        return f"gives another result:\n{done.stdout}"
    return None


def lit_tests(name, phase):
    """Lit files of the phase whose RUN lines name the pass."""
    folder = os.path.join(definitions.ROOT, "tests", "lit", "lowering", phase)
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, file), encoding="utf-8") as f:
            if any("RUN:" in line and re.search(rf"(?<![\w-])(--?)?{name}\b(?!-)", line) for line in f):
                yield file


def main(tool):
    failures = executed = 0
    passes = list(definitions.passes())
    for one in passes:
        complaints = []
        if not one.examples():
            complaints.append("has no example")
        for example in one.examples():
            executed += 1
            problem = problem_of(tool, one.name, example)
            if problem:
                complaints.append(problem)
        if not list(lit_tests(one.name, one.group)):
            complaints.append(f"no test under tests/lit/lowering/{one.group} runs it")
        for complaint in complaints:
            print(f"{one.file}: {one.name}: {complaint}")
        failures += len(complaints)
    print(f"{len(passes)} passes, {executed} examples executed, {failures} failures")
    return 1 if failures or not passes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
