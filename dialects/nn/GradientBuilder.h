// Short spellings of the ops that gradient rules are made of. Everything is built at one place with one location.
#pragma once

#include "dialects/nn/Nn.h"

namespace hb::nn {

class GradientBuilder {
public:
  GradientBuilder(mlir::OpBuilder &builder, mlir::Location where) : b(builder), where(where) {}

  mlir::Value binary(BinaryKind kind, mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, mlir::Value y) { return binary(BinaryKind::add, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) { return binary(BinaryKind::mul, x, y); }
  mlir::Value div(mlir::Value x, mlir::Value y) { return binary(BinaryKind::div, x, y); }
  mlir::Value neg(mlir::Value x) { return UnaryOp::create(b, where, x.getType(), UnaryKind::neg, x); }
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  mlir::Value slice(mlir::Value x, llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<int64_t> shape);
  /// `x` repeated to `shape`, aligned at the last axis.
  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  /// The adjoint of broadcasting `like` to the shape of `x`: sums over the axes that were repeated; of the shape of `like`.
  mlir::Value sumTo(mlir::Value x, mlir::Value like);
  mlir::Value matmul(mlir::Value x, mlir::Value y, bool transposeX, bool transposeY);
  /// `[…, N]` as `[rows, N]`.
  mlir::Value rows(mlir::Value x);
  /// A scalar constant of the element type of `like`.
  mlir::Value scalar(double value, mlir::Value like);
  mlir::Value zeros(mlir::RankedTensorType type);
  /// `x` with the element type of `like`.
  mlir::Value castTo(mlir::Value x, mlir::Value like);

  mlir::OpBuilder &b;
  mlir::Location where;
};

} // namespace hb::nn
