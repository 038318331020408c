// One function on its way from nn to kernel ops. The rules of the ops stand in Form*.cpp, grouped by the family they become.
#pragma once

#include "lowering/kernels/MapBuilder.h"
#include "lowering/kernels/Weights.h"

namespace hb {

class Former {
public:
  explicit Former(mlir::func::FuncOp func) : func(func), b(func.getContext()), weights(func) {}

  /// Rewrites the function; false after a diagnostic.
  bool run();

  mlir::func::FuncOp func;
  mlir::OpBuilder b;
  WeightTable weights;

  /// A value as kernels read activations: parameters and constants are materialised dense (f32), others are as they are.
  mlir::Value operand(mlir::Value value);
  /// An operand of a map with its index map by broadcasting to `result`.
  MapInput broadcast(mlir::Value value, mlir::RankedTensorType result);
  mlir::RankedTensorType typeOf(mlir::Operation &op) { return mlir::cast<mlir::RankedTensorType>(op.getResult(0).getType()); }
  /// The result's shape with the element type `x` really has: parameters are read as f32 whatever the checkpoint stores, so ops
  /// that only move elements of a parameter yield f32 too.
  mlir::RankedTensorType movedType(mlir::Operation &op, mlir::Value x) {
    return mlir::RankedTensorType::get(typeOf(op).getShape(), mlir::cast<mlir::RankedTensorType>(x.getType()).getElementType());
  }

  // The rules: the value that takes the op's place, or null after a diagnostic.
  mlir::Value form(nn::UnaryOp op);
  mlir::Value form(nn::BinaryOp op);
  mlir::Value form(nn::ClampOp op);
  mlir::Value form(nn::CastOp op);
  mlir::Value form(nn::SliceOp op);
  mlir::Value form(nn::ReshapeOp op);
  mlir::Value form(nn::TransposeOp op);
  mlir::Value form(nn::BroadcastOp op);
  mlir::Value form(nn::ResizeNearestOp op);
  mlir::Value form(nn::ConcatOp op);
  mlir::Value form(nn::GatherOp op);
  mlir::Value form(nn::ReduceOp op);
  mlir::Value form(nn::ArgmaxOp op);
  mlir::Value form(nn::MatmulOp op);
  mlir::Value form(nn::AdaptiveAvgPoolOp op);
  mlir::Value form(nn::LinearOp op);
  mlir::Value form(nn::LoraLinearOp op);
  mlir::Value form(nn::DropoutOp op);
  mlir::Value form(nn::GatedLinearOp op);
  mlir::Value form(nn::Conv2dOp op);
  mlir::Value form(nn::GroupNormOp op);
  mlir::Value form(nn::LayerNormOp op);
  mlir::Value form(nn::SoftmaxOp op);
  mlir::Value form(nn::L2NormalizeOp op);
  mlir::Value form(nn::UnaryVjpOp op);
  mlir::Value form(nn::ClampVjpOp op);
  mlir::Value form(nn::ExtremeVjpOp op);
  mlir::Value form(nn::LinearVjpOp op);
  mlir::Value form(nn::Conv2dVjpOp op);
  mlir::Value form(nn::GroupNormVjpOp op);
  mlir::Value form(nn::LayerNormVjpOp op);
  mlir::Value form(nn::SoftmaxVjpOp op);
  mlir::Value form(nn::L2NormalizeVjpOp op);
  mlir::Value form(nn::ReduceMaxVjpOp op);
  mlir::Value form(nn::SliceVjpOp op);
  mlir::Value form(nn::ResizeNearestVjpOp op);
  mlir::Value form(nn::AdaptiveAvgPoolVjpOp op);

  // Rules of ops with several results.
  llvm::SmallVector<mlir::Value> formAll(nn::AttentionOp op);
  llvm::SmallVector<mlir::Value> formAll(nn::AttentionVjpOp op);

private:
  bool formBlock(mlir::Block &block);
  std::vector<mlir::Operation *> dead_; // erased at the end: builders may point at them
};

/// HB0801 at the op: what a kernel would need, and what there is.
mlir::Value noKernel(mlir::Operation *op, const llvm::Twine &expected, const llvm::Twine &found);

/// Notes on a program input that `index` shows that its values lie in [0, limit): the runtime checks it before anything runs.
void noteRange(mlir::func::FuncOp func, mlir::Value index, int64_t limit);

} // namespace hb
