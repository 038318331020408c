# lit: every .mlir file under this folder is a test; the first lines say how to run it.
import os

import lit.formats

config.name = "hb"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.hb_exec_root
config.environment["PATH"] = os.pathsep.join([config.hb_bin, config.llvm_bin, os.environ.get("PATH", "")])
for tool in ("hbc", "hb-reduce"):
    if os.path.exists(os.path.join(config.hb_bin, tool)):
        config.available_features.add(tool)
