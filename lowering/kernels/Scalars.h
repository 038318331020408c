// Scalar expressions of kernel regions: how the named functions of nn are spelled in arith and math.
#pragma once

#include "dialects/nn/Nn.h"
#include "mlir/IR/Builders.h"

namespace hb {

/// The named function of a float; see nn.unary for the definitions.
mlir::Value emitUnary(mlir::OpBuilder &builder, mlir::Location where, nn::UnaryKind kind, mlir::Value x);
/// The derivative of the named function; 0 at the corners of relu and abs.
mlir::Value emitDerivative(mlir::OpBuilder &builder, mlir::Location where, nn::UnaryKind kind, mlir::Value x);
/// The named function of two scalars of one type (float or i64); `eq` yields i64.
mlir::Value emitBinary(mlir::OpBuilder &builder, mlir::Location where, nn::BinaryKind kind, mlir::Value lhs, mlir::Value rhs);
/// Widens, narrows or converts a scalar to `type`; a scalar of that type is returned as it is.
mlir::Value emitConvert(mlir::OpBuilder &builder, mlir::Location where, mlir::Value x, mlir::Type type);
/// A float constant of `type`.
mlir::Value emitFloat(mlir::OpBuilder &builder, mlir::Location where, mlir::Type type, double value);

/// The value of a scalar region when every argument is zero, or nothing when the region has an op this does not know.
/// Tells whether zero padding may be exchanged with an element-wise function.
std::optional<double> evaluateAtZero(mlir::Region &region);

} // namespace hb
