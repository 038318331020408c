#!/usr/bin/env python3
"""Runs the C example on a module that doubles its input `count` times, and on a file that is no module.

usage: run_example.py EXAMPLE KERNEL_LIBRARY
"""
import json
import os
import struct
import subprocess
import sys
import tempfile


def module(code):
    """y = 2^count · x, with the hand-written kernel of tests/runtime/exec/twice.c as its code."""
    header = {
        "format": 2, "compiler": "hbc test", "flags": [], "model": {"kind": "file", "path": "/nowhere", "class": "Double"},
        "scopes": [], "adapters": [],
        "targets": [{"name": "x86-64", "weights": [], "constants": {"offset": 0, "size": 64},
        "kernels": [{"symbol": "twice_0", "family": "map", "grid": 4, "scratch_bytes": 64, "flops": 8, "bytes": 64}],
        "code": [{"target": "x86-64", "cpu": "test", "features": [], "offset": 64, "size": len(code)}],
        "programs": [{
            "name": "double", "arena_bytes": 192, "lower_bound_bytes": 96,
            "inputs": [{"name": "x", "dtype": "F32", "shape": [8]}, {"name": "count", "dtype": "I64", "shape": []}],
            "outputs": [{"name": "y", "dtype": "F32", "shape": [8]}],
            "commands": [["copy", ["i", 0], ["a", 0], 32],
                         ["repeat", ["i", 1], 10, ["a", 128], [["launch", 0, [["a", 0], ["a", 64]]], ["copy", ["a", 64], ["a", 0], 32]]],
                         ["copy", ["a", 0], ["o", 0], 32]]}]}],
    }
    text = json.dumps(header).encode()
    head = struct.pack("<Q", len(text)) + text
    return head + bytes(-len(head) % 64) + bytes(64) + code


def main(example, library):
    with open(library, "rb") as f:
        code = f.read()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "double.hbm")
        with open(path, "wb") as f:
            f.write(module(code))
        done = subprocess.run([example, path], capture_output=True, text=True)
        expected = ["double: 192 bytes of working memory", "input x: 8 elements", "input count: 1 elements", "output y: 8 elements",
                    "step 1 of 3", "step 2 of 3", "step 3 of 3", "y = 8 ..."]
        if done.returncode or done.stdout.splitlines() != expected:
            sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
        broken = os.path.join(folder, "broken.hbm")
        with open(broken, "wb") as f:
            f.write(b"no module")
        done = subprocess.run([example, broken], capture_output=True, text=True)
        if done.returncode != 1 or not done.stderr.startswith("error HB0401: "):
            sys.exit(f"a broken module: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print("the example gives what docs/c-api.md says")


if __name__ == "__main__":
    main(*sys.argv[1:])
