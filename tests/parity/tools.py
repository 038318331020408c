"""Running hbc and hb-rt from the parity tests."""
import os, shlex, subprocess

# what the CPU needs to execute code of a target (flags of /proc/cpuinfo; psABI levels, https://gitlab.com/x86-psABIs/x86-64-ABI)
NEEDS = {"x86-64-v3": {"avx2", "fma", "f16c", "bmi1", "bmi2"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}}


def cpu_flags():
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    return set()


def executable_here(targets):
    """Whether this CPU can run a module compiled for `targets` (none given: for this machine)."""
    levels = [word[4:] for target in targets or [] for word in target.split(",") if word.startswith("cpu=")]
    return not levels or any(NEEDS.get(level, set()) <= cpu_flags() for level in levels)


def tail(text, lines=3):
    return " | ".join(line.strip() for line in text.strip().splitlines()[-lines:])[:400]


def remove(*paths):
    for path in paths:
        if os.path.exists(path):
            os.remove(path)


def add_arguments(parser):
    parser.add_argument("--hbc", required=True, help="the compiler")
    parser.add_argument("--hb-rt", required=True, help="the runtime")
    parser.add_argument("--target", action="append", help="passed to hbc compile; repeatable")
    parser.add_argument("--device", default="cpu", help="passed to hb-rt")
    parser.add_argument("--threads", default="1,2", help="numbers of threads; every case runs once with each, and the bytes must be the same")
    parser.add_argument("--timeout", type=float, default=600, help="seconds per command")
    parser.add_argument("--math", choices=["strict", "fast"], default="strict", help="passed to hbc compile")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the commands")


class Tools:
    """hbc and hb-rt with the options of the command line. Modules are compiled once per different command: cases share them."""

    def __init__(self, args, temp):
        self.args, self.temp, self.modules = args, temp, {}
        self.hbc, self.rt = os.path.abspath(args.hbc), os.path.abspath(args.hb_rt)
        self.threads = [int(n) for n in args.threads.split(",")]
        self.executes = executable_here(args.target)
        self.math, self.uses_fast = args.math, 0

    def path(self, name):
        return os.path.join(self.temp, name)

    def call(self, command):
        """(exit status, stderr)"""
        if self.args.verbose:
            print("   $ " + " ".join(shlex.quote(c) for c in command), flush=True)
        try:
            r = subprocess.run(command, cwd=self.temp, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=self.args.timeout)
        except subprocess.TimeoutExpired:
            return 124, f"ran longer than {self.args.timeout} s"
        return r.returncode, r.stderr.decode("utf-8", "replace")

    def compile(self, model, entry, dims, flags=()):
        """((exit status, stderr), module). `dims`: {NAME: size}, or {--option: value} for a pipeline."""
        command = [self.hbc, "compile", model, "--entry", entry]
        for k, v in dims.items():
            command += [k, str(v)] if k.startswith("--") else ["--dim", f"{k}={v}"]
        command += flags
        command += ["--math", self.math] if self.math != "strict" else []
        for target in self.args.target or []:
            command += ["--target", target]
        key = tuple(command)
        if key not in self.modules:
            out = self.path(f"module{len(self.modules)}.hbm")
            self.modules[key] = (self.call(command + ["-o", out]), out)
            self.uses_fast += "kernels make use of it" in self.modules[key][0][1]
        return self.modules[key]

    def run(self, module, entry, inputs, outputs, threads, flags=()):
        remove(outputs)
        return self.call([self.rt, "run", module, entry, "--inputs", inputs, "--outputs", outputs, "--threads", str(threads), "--device", self.args.device, *flags])
