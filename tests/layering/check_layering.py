#!/usr/bin/env python3
"""Enforces section 3 of docs/architecture.md: who may include whom, and the few rules of form that a reader relies on.

usage: check_layering.py [ROOT]        check a tree (default: the one this file is in), exit 1 with one line per violation
       check_layering.py --self-test   break every rule once in a fabricated tree and see that it is noticed

A rule that changes on purpose changes here and in docs/architecture.md in one commit.
"""
import os
import re
import subprocess
import sys
import tempfile

# Longest prefix wins. Value: prefixes that files under the key may include besides their own; "mlir" stands for LLVM and MLIR.
MAY_INCLUDE = {
    "runtime/abi": [],
    "runtime/base": ["runtime/abi"],
    "runtime/formats": ["runtime/abi", "runtime/base"],
    "runtime/module": ["runtime/abi", "runtime/base"],
    "runtime/device": ["runtime/abi", "runtime/base", "runtime/module"],
    "runtime/params": ["runtime/abi", "runtime/base", "runtime/formats", "runtime/module"],
    "runtime/exec": ["runtime/abi", "runtime/base", "runtime/formats", "runtime/module", "runtime/params", "runtime/device"],
    "runtime/pipeline": ["runtime/abi", "runtime/base", "runtime/formats", "runtime/module", "runtime/params", "runtime/exec"],
    "runtime/train": ["runtime/abi", "runtime/base", "runtime/formats", "runtime/module", "runtime/params", "runtime/exec", "runtime/pipeline"],
    "runtime": ["runtime"],
    "dialects": ["mlir", "runtime/base"],
    "frontend": ["mlir", "dialects", "runtime/base", "runtime/formats"],
    "lowering": ["mlir", "dialects", "runtime/abi", "runtime/base", "runtime/formats"],
}
# Folders whose children stand for targets and never see a sibling.
SIBLINGS = ["lowering/emit", "runtime/device"]
# But for what is written once for several of them: the families of devices that run blocks of threads.
SHARED_SIBLINGS = ["lowering/emit/gpu/"]
# Where the order of passes may be written: the pipeline, one function per phase, and a target's own way to machine code.
PASS_ORDER = [r"lowering/Pipeline\.cpp", r"lowering/[^/]+/Phase\.cpp", r"lowering/emit/[^/]+/Compile\.cpp"]
SOURCE_SUFFIXES = (".cpp", ".h", ".c", ".td", ".def", ".inc")
TEXT_SUFFIXES = SOURCE_SUFFIXES + (".py", ".sh", ".cmake", ".txt", ".md", ".hb", ".mlir")
# Data and generated pages, not text that somebody writes: no limits on length.
DATA = re.compile(r"^docs/reference/|^models/[^/]+/(checkpoint|data)/|^tests/parity/(networks|adapters|generate|errors|models|pipeline|shapes|trainer|final)/|^tests/(?:[^/]+/)*(data|corpus|clip|bert|peft)/|/vocab\.txt$|/merges\.txt$")
# Folders whose layout is the published one of a pipeline, with rewards in it.
DEEP = re.compile(r"^models/[^/]+/checkpoint/")
MAX_LINES, MAX_PARTS, MAX_COLUMNS = 1000, 5, 10 ** 9
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]|^include "([^"]+)"', re.M)
FOREIGN = re.compile(r"^(mlir|llvm|lld|clang)([/-]|$)")
MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME)\b")  # in two pieces, so that this file passes
SKIPS = re.compile(r"\bDISABLED_\w|\bXF" r"AIL\b|\bUNSUPP" r"ORTED:|\bGTEST_" r"SKIP\b")
OPTIONS = re.compile(r"\bcl::(opt|list|bits|alias)\b")
ADD_PASS = re.compile(r"\badd(Nested)?Pass(<[^>]*>)?\(")


def tracked(root):
    """Files of the project: what git knows and what it would add; in a folder without git, all of them."""
    done = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if done.returncode == 0:
        return [f for f in done.stdout.splitlines() if os.path.isfile(os.path.join(root, f))]
    return [os.path.relpath(os.path.join(d, f), root) for d, _, files in os.walk(root) for f in files]


def under(path, prefix):
    return path == prefix or path.startswith(prefix + "/")


def owner(path):
    """The longest key of MAY_INCLUDE that holds `path`."""
    return max((key for key in MAY_INCLUDE if under(path, key)), key=len, default=None)


def check_includes(path, text):
    part = owner(path)
    if not part:
        return
    for match in INCLUDE.finditer(text):
        name = match.group(1) or match.group(2)
        if FOREIGN.match(name):
            if "mlir" not in MAY_INCLUDE[part]:
                yield f"{path}: {part}/ includes {name}, but must not know LLVM or MLIR"
            continue
        top = name.split("/")[0]
        if top not in ("runtime", "dialects", "frontend", "lowering", "tools", "tests"):
            if "/" not in name and name.endswith(".h") and match.group(0).rstrip().endswith('"'):
                yield f"{path}: include path {name} does not start at the repository root"
            continue
        if not any(under(name, prefix) for prefix in [part] + MAY_INCLUDE[part]):
            yield f"{path}: {part}/ includes {name}; it may include {', '.join([part] + MAY_INCLUDE[part])}"
        for parent in SIBLINGS:
            mine = re.match(re.escape(parent) + r"/([^/]+)/", path)
            other = re.match(re.escape(parent) + r"/([^/]+)/", name)
            if mine and other and mine.group(1) != other.group(1) and not any(name.startswith(shared) for shared in SHARED_SIBLINGS):
                yield f"{path}: {parent}/{mine.group(1)} includes its sibling {name}"


def check_language(files, read):
    """The language's front half (hb_language) is fuzzed and sanitized, so nothing it reaches may see MLIR."""
    lists = [read(f) for f in files if f == "frontend/CMakeLists.txt"]
    match = re.search(r"add_library\(hb_language STATIC ([^)]*)\)", lists[0]) if lists else None
    work = ["frontend/" + name for name in match.group(1).split() if name.endswith(".cpp") and "$" not in name] if match else []
    seen = set()
    while work:
        path = work.pop()
        if path in seen or path not in files:
            continue
        seen.add(path)
        for include in INCLUDE.finditer(read(path)):
            name = include.group(1) or include.group(2)
            if FOREIGN.match(name) or under(name, "dialects"):
                yield f"{path}: part of hb_language, which must not see {name}"
            elif under(name, "frontend"):
                work.append(name)


def check(root):
    files = tracked(root)
    known = set(files)
    cache = {}

    def read(path):
        if path not in cache:
            with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
                cache[path] = f.read()
        return cache[path]

    found = []
    for path in sorted(files):
        if len(path.split("/")) > MAX_PARTS and not DEEP.search(path):
            found.append(f"{path}: more than {MAX_PARTS} parts in a path")
        if DATA.search(path) or not path.endswith(TEXT_SUFFIXES):
            continue
        text = read(path)
        lines = text.count("\n")
        if lines > MAX_LINES:
            found.append(f"{path}: {lines} lines, more than {MAX_LINES}")
        for number, line in enumerate(text.splitlines(), 1):
            if MARKERS.search(line):
                found.append(f"{path}:{number}: a marker for unfinished work; finish it or file an issue")
            if path.endswith(SOURCE_SUFFIXES + (".py", ".sh", ".hb")) and len(line) > MAX_COLUMNS:
                found.append(f"{path}:{number}: {len(line)} columns, more than {MAX_COLUMNS}")
            if under(path, "tests") and SKIPS.search(line):
                found.append(f"{path}:{number}: a test that is switched off")
        if path.endswith(SOURCE_SUFFIXES):
            found += check_includes(path, text)
            if OPTIONS.search(text) and not under(path, "tools"):
                found.append(f"{path}: a global command-line option outside tools/")
            if ADD_PASS.search(text) and not under(path, "tests") and not any(re.fullmatch(p, path) for p in PASS_ORDER):
                found.append(f"{path}: orders passes; that belongs in lowering/Pipeline.cpp or the phase's Phase.cpp")
    found += check_language(known, read)
    return found


# One file for each way to break a rule, and words of the message that must follow.
BROKEN = [
    ("runtime/base/A.cpp", '#include "mlir/IR/Builders.h"\n', "must not know LLVM"),
    ("runtime/base/A2.h", '#include "runtime/module/Module.h"\n', "may include"),
    ("runtime/formats/B.cpp", '#include "llvm/ADT/STLExtras.h"\n', "must not know LLVM"),
    ("runtime/exec/B2.cpp", '#include "lowering/Dump.h"\n', "may include"),
    ("runtime/train/B3.cpp", '#include "runtime/capi/HbRt.h"\n', "may include"),
    ("frontend/C.cpp", '#include "lowering/Pipeline.h"\n', "may include"),
    ("frontend/C2.cpp", '#include "runtime/exec/Session.h"\n', "may include"),
    ("lowering/fuse/D.cpp", '#include "runtime/exec/Session.h"\n', "may include"),
    ("lowering/fuse/D2.cpp", '#include "frontend/Frontend.h"\n', "may include"),
    ("dialects/nn/E.cpp", '#include "lowering/plan/Passes.h"\n', "may include"),
    ("dialects/nn/E.td", 'include "frontend/X.td"\n', "may include"),
    ("lowering/emit/x86/F.cpp", '#include "lowering/emit/nvvm/Y.h"\n', "its sibling"),
    ("runtime/device/cpu/G.cpp", '#include "runtime/device/cuda/Y.h"\n', "its sibling"),
    ("lowering/plan/H.cpp", "static llvm::cl::opt<int> n;\n", "command-line option"),
    ("lowering/plan/I.cpp", "x\n" * 1001, "1001 lines"),
    ("lowering/a/b/c/d/J.cpp", "\n", "parts in a path"),
    ("tests/parity/networks/unet/adapter/J.safetensors", "\n", "parts in a path"),
    ("docs/K.md", "TO" + "DO: write\n", "unfinished work"),
    ("lowering/fuse/L.cpp", "passes.addPass(createX());\n", "orders passes"),
    ("lowering/fuse/L2.cpp", "passes.addNestedPass<mlir::func::FuncOp>(createX());\n", "orders passes"),
    ("tests/runtime/M.cpp", "TEST(A, DISAB" + "LED_B) {}\n", "switched off"),
    ("tests/lit/N.mlir", "// XF" + "AIL: *\n", "switched off"),
    ("frontend/Lexer.cpp", '#include "frontend/O.h"\n', None),
    ("frontend/O.h", '#include "dialects/nn/Nn.h"\n', "part of hb_language"),
    ("lowering/plan/P.cpp", '#include "Passes.h"\n', "repository root"),
]
# And neighbours that break none.
SOUND = [
    ("frontend/CMakeLists.txt", "add_library(hb_language STATIC Lexer.cpp ${embedded})\n"),
    ("lowering/Pipeline.cpp", '#include "lowering/plan/Passes.h"\n#include "mlir/Pass/PassManager.h"\nvoid f() { passes.addPass(x()); }\n'),
    ("lowering/plan/Phase.cpp", "passes.addPass(x());\n"),
    ("lowering/emit/x86/Ok.cpp", '#include "lowering/emit/x86/Y.h"\n#include "runtime/abi/kernel.h"\n#include <vector>\n'),
    ("tools/hbc/Ok.cpp", '#include "frontend/Frontend.h"\nstatic llvm::cl::opt<int> n;\n'),
    ("models/a/checkpoint/unet/x/y/z.json", "{}\n"),
    ("tests/runtime/data/a/c.txt", "x\n" * 2000),
    ("lowering/plan/Ok.cpp", "// " + "é" * 157 + "\n"),
    ("docs/Ok.md", "x" * 500 + "\n"),
]


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for path, text in SOUND + [(p, t) for p, t, _ in BROKEN]:
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        found = check(root)
    failures = []
    for path, _, words in BROKEN:
        mine = [line for line in found if line.startswith(path + ":")]
        if words and not any(words in line for line in mine):
            failures.append(f"{path}: nothing said about '{words}' (said: {mine})")
    for path, _ in SOUND:
        failures += [f"wrongly refused: {line}" for line in found if line.startswith(path + ":")]
    return failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        problems = self_test()
    else:
        problems = check(sys.argv[1] if sys.argv[1:] else os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    print("\n".join(problems) or "layering: no violations")
    sys.exit(1 if problems else 0)
