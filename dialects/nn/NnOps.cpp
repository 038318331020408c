// Folders and interface methods of the nn ops. The verifiers stand in Verify*.cpp.
#include "dialects/nn/Nn.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace hb::nn {

// Folders only forget ops that change nothing: what needs new ops is a pattern of the simplify phase.
OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
OpFoldResult CastOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult SliceOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }
OpFoldResult BroadcastOp::fold(FoldAdaptor) { return getX().getType() == getType() ? getX() : Value(); }

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getX().getType() == getType())
    return getX();
  if (auto constant = dyn_cast_if_present<DenseElementsAttr>(adaptor.getX()))
    return constant.reshape(cast<ShapedType>(getType()));
  return {};
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  for (auto [i, axis] : llvm::enumerate(getPermutation()))
    if (static_cast<int64_t>(i) != axis)
      return {};
  return getX();
}

SmallVector<Region *> RepeatOp::getLoopRegions() { return {&getBody()}; }
// The first argument of the body is the iteration, which no init feeds.
Block::BlockArgListType RepeatOp::getRegionIterArgs() { return getBody().getArguments().drop_front(); }
std::optional<MutableArrayRef<OpOperand>> RepeatOp::getYieldedValuesMutable() { return cast<YieldOp>(getBody().front().getTerminator()).getValuesMutable(); }
std::optional<ResultRange> RepeatOp::getLoopResults() { return getResults(); }

} // namespace hb::nn

#define GET_OP_CLASSES
#include "dialects/nn/NnOps.cpp.inc"
