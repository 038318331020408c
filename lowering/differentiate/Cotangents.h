// The gradients that values have collected so far.
#pragma once

#include "dialects/nn/Nn.h"

#include "mlir/IR/Builders.h"

namespace hb {

/// Contributions are kept apart until a value's gradient is asked for: by then all of its readers have been visited.
class Cotangents {
public:
  explicit Cotangents(mlir::OpBuilder &builder) : builder_(builder) {}

  void add(mlir::Value value, mlir::Value gradient) { parts_[value].push_back(gradient); }
  /// The sum of the contributions, in the order in which they came; null without any. Contributions that are slices which tile one
  /// axis become one concatenation.
  mlir::Value of(mlir::Value value, mlir::Location where);

private:
  mlir::Value tile(llvm::SmallVectorImpl<mlir::Value> &parts, mlir::Location where);

  mlir::OpBuilder &builder_;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> parts_;
};

} // namespace hb
