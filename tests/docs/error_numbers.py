#!/usr/bin/env python3
"""The tables of numbered errors and the code agree.

Fails when numbers of the tables are not unique and ascending, when a number is never thrown, when code throws a number that no
table has, when a row stands in the wrong area, and when no test names a number.

usage: error_numbers.py [ROOT]
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools", "dev"))
import error_pages  # noqa: E402  (the reader of the tables)

RANGES = {"Language": 100, "Checkpoint": 200, "Adapter": 300, "Module": 400, "Run": 500, "Pipeline": 600, "Train": 650, "Compile": 700, "Lowering": 800, "System": 900}
# A number counts as thrown where a line of code (not a comment) names it next to one of these words, or spells it HB0123.
THROWS = re.compile(r"rror|fail|Fail|report|refuse|violated|number|throw|number =|k[A-Z]\w*Missing|check|warn")


def sources(folders, suffixes, skip=()):
    for top in folders:
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            if any(part in folder.split(os.sep) for part in skip):
                continue
            for file in files:
                if file.endswith(suffixes):
                    path = os.path.join(folder, file)
                    with open(path, encoding="utf-8", errors="replace") as f:
                        yield os.path.relpath(path, ROOT), f.read()


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    return re.sub(r'^((?:[^"/\n]|"(?:[^"\\\n]|\\.)*"|/(?!/))*)//[^\n]*', r"\1", text, flags=re.M)


def main():
    problems, numbers = [], {}
    for area, _ in error_pages.AREAS:
        before = 0
        for number, exit_name, title, _ in error_pages.rows(area):
            if number in numbers:
                problems.append(f"HB{number:04d} stands in the tables twice")
            if number <= before:
                problems.append(f"HB{number:04d} is not above the row before it ({area}.def)")
            if number != 999 and not RANGES[area] <= number < RANGES[area] + 100:
                problems.append(f"HB{number:04d} does not belong to {area}.def")
            before = number
            numbers[number] = title
    code = {path: without_comments(text) for path, text in sources(["runtime", "frontend", "lowering", "dialects", "tools"], (".cpp", ".h"))}
    lines = [(path, line) for path, text in code.items() for line in text.splitlines()]
    for number, title in numbers.items():
        plain, spelt = re.compile(rf"(?<![\w.]){number}(?![\w.])"), f"HB{number:04d}"
        # A call may be broken before its number, so the line before counts as well.
        thrown = any(spelt in line or (plain.search(line) and (THROWS.search(line) or THROWS.search(last)))
                     for (_, last), (_, line) in zip([("", "")] + lines, lines))
        if not thrown:
            problems.append(f"HB{number:04d} ({title}) is never thrown")
    for path, line in lines:
        for number in re.findall(r"\bError\((\d{3})\b|\bHB0?(\d{3})\b", line):
            value = int(number[0] or number[1])
            if value >= 100 and value not in numbers:
                problems.append(f"{path}: throws HB{value:04d}, which no table has")
    tests = [text for _, text in sources(["tests"], (".cpp", ".h", ".c", ".mlir", ".py", ".hb"), skip=("data",))]
    untested = [n for n in numbers if not any(re.search(rf"(?<![\w.]){n}(?![\w.])|HB0?{n}\b", text) for text in tests)]
    problems += [f"HB{number:04d} ({numbers[number]}) is named by no test" for number in untested]
    print("\n".join(problems) or f"{len(numbers)} numbers: unique, ascending, each thrown")
    return 1 if problems or not numbers else 0


if __name__ == "__main__":
    sys.exit(main())
