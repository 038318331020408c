"""What the scripts of this folder share: the tools' paths, a temporary folder, running a command and comparing what it said."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHECKPOINT = os.path.join(ROOT, "models", "shapes", "checkpoint")


class Test:
    """Collects failures; leaving the `with` block prints them and ends the process with 1 if there were any."""

    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--bin", required=True, help="folder of hbc, hb-rt and hb-opt")
        self.bin = parser.parse_args().bin
        self.failures, self.checks = [], 0

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="hb-test-")
        return self

    def __exit__(self, kind, value, trace):
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            print("\n".join(self.failures) or f"{self.checks} checks")
            sys.exit(1 if self.failures or not self.checks else 0)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def run(self, tool, *arguments, **options):
        """A finished process with text output. The timeout is a hang, not a speed limit."""
        command = [os.path.join(self.bin, tool) if "/" not in tool else tool, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)

    def check(self, what, holds, found=""):
        self.checks += 1
        if not holds:
            self.failures.append(f"{what}: {str(found).strip()[:2000]}")
        return holds

    def expect(self, what, process, code, *patterns):
        """The exit code, and every pattern somewhere in what the process said."""
        said = process.stdout + process.stderr
        self.check(f"{what}: exit {code}, got {process.returncode}", process.returncode == code, said)
        for pattern in patterns:
            self.check(f"{what}: no '{pattern}'", re.search(pattern, said), said)
        return process

    def must(self, what, process):
        """A step that the rest of the test stands on."""
        if process.returncode:
            sys.exit(f"{what} failed with {process.returncode}: {process.stderr[:2000]}")
        return process


def read(path):
    with open(path, "rb") as f:
        return f.read()
