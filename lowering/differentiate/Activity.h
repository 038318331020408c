// Which values a gradient passes through.
#pragma once

#include "dialects/grad/Grad.h"

#include "llvm/ADT/DenseSet.h"

namespace hb {

/// The values between `wrt` and `of` of one grad.vjp: those that depend on `wrt` along differentiable operands and that `of` depends on.
class Activity {
public:
  explicit Activity(grad::VjpOp vjp);

  bool isActive(mlir::Value value) const { return active_.contains(value); }
  /// Ops with an active result, in program order.
  llvm::ArrayRef<mlir::Operation *> ops() const { return ops_; }

  /// Whether a gradient passes from the op's results to this operand. An op without the interface passes none, except that asking
  /// for one through it is an error, which `blocked` tells.
  static bool passes(mlir::OpOperand &use);
  /// An op that `of` needs a gradient through and that has none to give; null when all is well.
  mlir::OpOperand *blocked() const { return blocked_; }

private:
  llvm::DenseSet<mlir::Value> active_;
  llvm::SmallVector<mlir::Operation *> ops_;
  mlir::OpOperand *blocked_ = nullptr;
};

} // namespace hb
