// The tables that all programs of a module share: weights and constants.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include <vector>

namespace hb {

/// Collects weights and constants, each once, and writes them as module attributes.
class Tables {
public:
  explicit Tables(mlir::ModuleOp module) : module_(module) {}

  plan::WeightAttr weight(kernel::WeightOp op);
  plan::ConstantAttr constant(kernel::ConstantOp op);
  /// Sets `plan.weights` (array of {sources, layout, type}) and `plan.constants` (bytes; absent when there are none).
  void finish();

private:
  mlir::ModuleOp module_;
  llvm::DenseMap<std::pair<mlir::Attribute, mlir::Type>, int64_t> weightNumbers_;
  llvm::DenseMap<mlir::Attribute, plan::ConstantAttr> constantPlaces_;
  std::vector<mlir::Attribute> weights_;
  std::vector<char> bytes_;
};

} // namespace hb
