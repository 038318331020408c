// What the compiler decided, in plain words: one sentence per kernel, with the line of the model language it comes from.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace hb {

struct Remark {
  std::string source; ///< `models/sdxl/unet.hb:12 down_blocks.0…` of the first place that uses the kernel
  std::string text;
};

/// What a kernel computes and what was fused into it, as one sentence.
std::string describeKernel(kernel::DefOp def);

/// Describes every kernel of a planned module, in the order of its definition, and the memory of every program.
std::vector<Remark> describeKernels(mlir::ModuleOp module);

} // namespace hb
