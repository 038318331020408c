// The float64 reference evaluator of the nn dialect: what every op means, in the plainest code. Passes are tested against
// it, constants are folded by it, `hbc eval` runs it. It is not fast and keeps no weights.
#pragma once

#include "dialects/nn/Nn.h"
#include "dialects/nn/reference/Tensor.h"

#include <functional>
#include <optional>

namespace hb::nn {

/// Supplies a parameter: the elements in row-major order as doubles. An empty vector means that there is no such tensor,
/// which is an error (HB0811), except for adapter factors, which are then zeros.
using ParameterReader = std::function<std::vector<double>(llvm::StringRef scope, llvm::StringRef key, mlir::RankedTensorType type)>;

/// Interprets functions of nn ops.
///
/// Everything is computed in float64 whatever the types say, with one exception: the arguments of `sin` and `cos` are
/// rounded to the op's element type first. Networks build their time embeddings from float32 angles of up to a thousand
/// radians, and it is those angles, not the ideal ones, that they were trained on.
/// Failures throw hb::Error: HB0810 (index), HB0811 (parameter), HB0812 (an op that is not of this dialect), HB0813 (arguments).
class Evaluator {
public:
  explicit Evaluator(ParameterReader parameters) : parameters_(std::move(parameters)) {}

  /// Calls a function; the arguments must have its argument shapes.
  std::vector<Tensor> call(mlir::func::FuncOp function, llvm::ArrayRef<Tensor> arguments);

  /// The results of one op (without regions) on given operands; used for constant folding.
  std::vector<Tensor> evaluate(mlir::Operation &op, llvm::ArrayRef<Tensor> operands);

private:
  using Values = llvm::DenseMap<mlir::Value, Tensor>;
  /// Runs the ops of a block and returns the operands of its terminator; drops every value after its last user.
  std::vector<Tensor> run(mlir::Block &block, llvm::ArrayRef<Tensor> arguments, Values &values);
  std::vector<Tensor> repeat(RepeatOp op, Values &values);
  /// The results of a vector-Jacobian product; nothing for other ops.
  std::optional<std::vector<Tensor>> evaluateVjp(mlir::Operation &op, llvm::ArrayRef<Tensor> operands);
  Tensor parameter(ParamOp op);

  ParameterReader parameters_;
};

/// The elements of a dense constant as doubles. Throws HB0812 for constants kept in another form.
Tensor tensorOf(mlir::ElementsAttr attribute, mlir::Location where);
/// The inverse: rounds to the element type (to nearest, ties to even).
mlir::DenseElementsAttr elementsOf(const Tensor &tensor, mlir::RankedTensorType type);
/// One unary function of a double; `type` only matters for sin and cos (see Evaluator).
double applyUnary(UnaryKind kind, double x, mlir::Type type);
/// Its derivative; 0 at the corners of relu and abs.
double derivative(UnaryKind kind, double x, mlir::Type type);

} // namespace hb::nn
