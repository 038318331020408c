#!/usr/bin/env python3
"""A run that does not fit the memory ends with exit code 4, says what it planned and what there was, and writes nothing."""
import json
import os
import resource
import struct

from harness import CHECKPOINT, Test, read

# Between its kernels this program keeps two N×N matrices.
PROGRAM = """entry f (x: tensor[N, K]) where N = 16, K = 1 -> (y: tensor[N]) {
  sum(softmax(matmul_t(x, x)) * 0.5, axis: -1)
}
"""


def limit(mebibytes):
    """For a child: so many MiB of address space."""
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))


with Test(__doc__) as test:
    program = test.write("m.hb", PROGRAM)

    def start(n, before=None):
        module, inputs, outputs = test.path(f"{n}.hbm"), test.path(f"{n}.in"), test.path("out", f"{n}.out")
        if not os.path.exists(module):
            test.must("hbc compile", test.run("hbc", "compile", program, "--entry", "f", "--dim", f"N={n}", "-o", module))
            header = json.dumps({"x": {"dtype": "F32", "shape": [n, 1], "data_offsets": [0, 4 * n]}}).encode()
            test.write(f"{n}.in", struct.pack("<Q", len(header)) + header + bytes(4 * n))
        os.makedirs(test.path("out"), exist_ok=True)
        return test.run("hb-rt", "run", module, "f", "--inputs", inputs, "--outputs", outputs, "--threads", "1", preexec_fn=before)

    # 8 TB: no machine has them, so no limit is needed.
    test.expect("more than the machine has", start(1000000), 4, r"error HB0903: .*1000000\.hbm: f: expected 8000000000064 bytes of memory \(the plan's arena\); found \d+ available \(")
    # 200 MB do not fit into 160 MiB of addresses, but fit without that limit; and a small program fits into them.
    test.expect("more than the limit", start(5000, limit(160)), 4, r"HB0903: .*expected 200000064 bytes of memory .*; found \d+ available \(limit of the process, ulimit -v\)")
    test.check("nothing is written", os.listdir(test.path("out")) == [], os.listdir(test.path("out")))
    test.expect("a small program within the limit", start(16, limit(160)), 0)
    test.expect("the same program without the limit", start(5000), 0)
    sums = struct.unpack("<5000f", read(test.path("out", "5000.out"))[-20000:])
    test.check("and it computes", all(abs(s - 0.5) < 1e-5 for s in sums), sums[:4])

    # The compiler, in ever more memory: exit 4 with the number, or a module. LLVM does not check every place: where it writes through a
    # null pointer or over the end of its stack, the process is killed; a module is never left half written.
    unet, target = os.path.join(CHECKPOINT, "unet"), test.path("out", "unet.hbm")
    codes = {}
    for mebibytes in range(200, 4000, 8):
        if list(codes.values())[-3:] == [0, 0, 0]:
            break
        process = test.run("hbc", "compile", unet, "-o", target, preexec_fn=limit(mebibytes))
        said = process.stdout + process.stderr
        if process.returncode == 127 and "shared librar" in said:  # the loader came to its end before the program began
            continue
        codes[mebibytes] = process.returncode
        test.check(f"hbc within {mebibytes} MiB", process.returncode in (0, -11) or process.returncode == 4 and "error HB0903" in said, f"{process.returncode} {said}")
        test.check(f"hbc within {mebibytes} MiB leaves nothing or a module", [f for f in os.listdir(test.path("out")) if "unet" in f] == ["unet.hbm"] * (process.returncode == 0))
        if os.path.exists(target):
            os.remove(target)
    print("hbc by MiB of addresses:", codes)
    test.check("limits that are too small for hbc", list(codes.values()).count(4) >= 2, codes)
