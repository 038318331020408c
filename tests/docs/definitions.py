"""Reads the op and pass definitions (.td) of the project: names, descriptions, and the examples in them. Standard library only."""
import os
import re
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OP_FILES = {
    "grad": ["dialects/grad/GradOps.td"],
    "nn": ["dialects/nn/NnOps.td", "dialects/nn/NnVjpOps.td"],
    "kernel": ["dialects/kernel/KernelOps.td"],
    "plan": ["dialects/plan/PlanOps.td"],
}
PASS_FILES = {phase: f"lowering/{phase}/Passes.td" for phase in ("simplify", "fuse", "differentiate", "kernels", "plan")}


@dataclass
class Definition:
    name: str  # nn.linear, or hb-simplify
    file: str
    group: str  # dialect or phase
    description: str

    def examples(self):
        """The ```mlir blocks, without their indentation."""
        blocks = []
        for block in re.findall(r"^[ \t]*```mlir\n(.*?)^[ \t]*```", self.description, re.S | re.M):
            lines = block.splitlines()
            indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
            blocks.append("\n".join(line[indent:] for line in lines) + "\n")
        return blocks


def definitions(file, group, pattern, name):
    """One Definition for every `def` whose head matches `pattern`; `name` turns the match's string into the public name."""
    with open(os.path.join(ROOT, file), encoding="utf-8") as f:
        text = f.read()
    heads = list(re.finditer(r"^def\s+\w+\s*:.*$", text, re.M))
    for head, following in zip(heads, heads[1:] + [None]):
        match = re.search(pattern, head.group(0))
        if match:
            body = text[head.end() : following.start() if following else len(text)]
            description = re.search(r"let description = \[\{\n(.*?)\}\];", body, re.S)
            yield Definition(name(match.group(1)), file, group, description.group(1) if description else "")


def ops():
    for dialect, files in OP_FILES.items():
        for file in files:
            yield from definitions(file, dialect, r'Op<"([a-z0-9_]+)"', lambda mnemonic, dialect=dialect: f"{dialect}.{mnemonic}")


def passes():
    for phase, file in PASS_FILES.items():
        yield from definitions(file, phase, r'Pass<"([a-z0-9-]+)"', lambda name: name)
