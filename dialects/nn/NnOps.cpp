// Verifiers, folders and interface methods of the nn ops.
#include "dialects/nn/Nn.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace hb::nn {

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
OpFoldResult CastOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult SliceOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult ReshapeOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult BroadcastOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult TransposeOp::fold(FoldAdaptor) { return {}; }

SmallVector<Region *> RepeatOp::getLoopRegions() { return {&getBody()}; }

LogicalResult BinaryOp::verify() { return success(); }
LogicalResult CastOp::verify() { return success(); }
LogicalResult LinearOp::verify() { return success(); }
LogicalResult LoraLinearOp::verify() { return success(); }
LogicalResult MatmulOp::verify() { return success(); }
LogicalResult Conv2dOp::verify() { return success(); }
LogicalResult AttentionOp::verify() { return success(); }
LogicalResult GroupNormOp::verify() { return success(); }
LogicalResult LayerNormOp::verify() { return success(); }
LogicalResult ReduceOp::verify() { return success(); }
LogicalResult ArgmaxOp::verify() { return success(); }
LogicalResult ConcatOp::verify() { return success(); }
LogicalResult SliceOp::verify() { return success(); }
LogicalResult ReshapeOp::verify() { return success(); }
LogicalResult TransposeOp::verify() { return success(); }
LogicalResult BroadcastOp::verify() { return success(); }
LogicalResult GatherOp::verify() { return success(); }
LogicalResult ResizeNearestOp::verify() { return success(); }
LogicalResult AdaptiveAvgPoolOp::verify() { return success(); }
LogicalResult RepeatOp::verify() { return success(); }

} // namespace hb::nn

#define GET_OP_CLASSES
#include "dialects/nn/NnOps.cpp.inc"
