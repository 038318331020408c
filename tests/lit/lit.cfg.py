# lit: every .mlir file under this folder is a test; the first lines say how to run it.
import os

import lit.formats

config.name = "hb"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.hb_exec_root
config.environment["PATH"] = os.pathsep.join([config.hb_bin, config.llvm_bin, os.environ.get("PATH", "")])
# A tool that is not there would make its tests vanish: nothing runs without all of them.
for tool in ("hb-opt", "hbc", "hb-rt", "hb-reduce"):
    if not os.path.exists(os.path.join(config.hb_bin, tool)):
        lit_config.fatal(f"{tool} is not in {config.hb_bin}: build it first")
