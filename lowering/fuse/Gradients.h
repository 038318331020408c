// Where fusing has to leave ops as gradient rules know them.
#pragma once

#include "dialects/nn/Nn.h"

namespace hb {

/// Answers for one function, each block looked through once.
class DifferentiatedCode {
public:
  explicit DifferentiatedCode(mlir::Operation *func);

  /// Whether a gradient is asked for in the block of `op`; with `nn.shared_weights` also whether its function asks for one anywhere, or has got it.
  bool contains(mlir::Operation *op);

private:
  bool everywhere_ = false;
  llvm::DenseMap<mlir::Block *, bool> blocks_;
};

} // namespace hb
