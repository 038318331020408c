// From nn.param to kernel.weight: which checkpoint tensors a value is made of, and in which layout a kernel reads it.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "mlir/IR/Builders.h"

namespace hb {

/// Hands out kernel.weight and kernel.constant ops at the head of a function, each once.
class WeightTable {
public:
  explicit WeightTable(mlir::func::FuncOp func);

  /// `value` is a parameter, a reshaped one, or parameters side by side along axis 0: something the runtime can load as one
  /// weight without computing.
  static bool isParameter(mlir::Value value);

  /// The parameter as logical `shape` in `layout`. Element type: as stored for packed layouts (f32 when sources differ, are
  /// f64, or the layout demands it); `element` overrides.
  /// `transposed`: `shape` is that of the adjoint contraction's weight, axes 0 and 1 exchanged.
  mlir::Value get(mlir::Value parameter, llvm::ArrayRef<int64_t> shape, kernel::WeightLayout layout, mlir::Type element = {}, bool transposed = false);
  /// The packed weight of one or more products that exists already; null without one.
  mlir::Value find(mlir::Value parameter, llvm::ArrayRef<int64_t> shape, kernel::WeightLayout layout);
  /// Dense f32, in the shape `parameter` has: biases, norms, positions, and everything a map reads.
  mlir::Value dense(mlir::Value parameter);
  /// Dense as stored: embedding tables.
  mlir::Value table(mlir::Value parameter);
  mlir::Value constant(mlir::ElementsAttr value);

private:
  std::pair<mlir::Attribute, mlir::Type> keyOf(mlir::Value parameter, llvm::ArrayRef<int64_t> shape, kernel::WeightLayout layout, mlir::Type element);

  mlir::OpBuilder builder_;
  llvm::DenseMap<std::pair<mlir::Attribute, mlir::Type>, mlir::Value> known_, transposed_;
};

} // namespace hb
