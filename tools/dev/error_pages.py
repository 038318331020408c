#!/usr/bin/env python3
"""Prints docs/reference/errors.md: the tables of runtime/base/errors/, which `hbc --explain` shows one page at a time."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
AREAS = [("Language", "The model language"), ("Checkpoint", "Configs and checkpoints"), ("Adapter", "Adapters"), ("Module", "Module files"), ("Run", "Running an entry"),
         ("Pipeline", "Prompts, pictures, schedules"), ("Train", "Training"), ("Compile", "The compiler's command line"), ("Lowering", "Lowering"), ("System", "Files, memory, devices")]
EXIT = {"RunTime": 1, "Usage": 2, "BadFile": 3, "NoMemory": 4, "Internal": 70}
STRING = r'"((?:[^"\\]|\\.)*)"'


def rows(area):
    """(number, exit name, title, page) of every row of an area's table."""
    with open(os.path.join(ROOT, "runtime", "base", "errors", area + ".def"), encoding="utf-8") as f:
        text = re.sub(r"^\s*//.*$", "", f.read(), flags=re.M)
    for match in re.finditer(rf"HB_ERROR\(\s*(\d+),\s*(\w+),\s*{STRING},\s*((?:{STRING}\s*)+)\)", text):
        joined = "".join(re.findall(STRING, match.group(4)))
        unescape = lambda s: re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), s)
        yield int(match.group(1)), match.group(2), unescape(match.group(3)), unescape(joined)


def main():
    print("# Errors\n\nEvery failure has a number: `error HB0123: <where>: expected …; found …; <what to do>`. `hbc --explain HB0123` prints the same text.")
    for area, title in AREAS:
        print(f"\n## {title}")
        for number, exit_name, what, page in rows(area):
            print(f"\n### HB{number:04d}: {what}\n\n{page}\n\nExit code {EXIT[exit_name]}.")


if __name__ == "__main__":
    main()
