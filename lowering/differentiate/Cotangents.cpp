#include "lowering/differentiate/Cotangents.h"

#include "dialects/nn/GradientBuilder.h"

using namespace mlir;

namespace hb {

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// The one axis along which `slice` is shorter than the whole; nothing when there are several.
static std::optional<int64_t> slicedAxis(nn::SliceVjpOp slice) {
  std::optional<int64_t> axis;
  for (auto [i, part, whole] : llvm::enumerate(shapeOf(slice.getDy()), shapeOf(slice.getResult())))
    if (part != whole) {
      if (axis)
        return std::nullopt;
      axis = i;
    }
  return axis;
}

/// Takes the slices along one axis out of `parts`, as long as they do not overlap, and returns them side by side, gaps filled with zeros.
Value Cotangents::tile(SmallVectorImpl<Value> &parts, Location where) {
  SmallVector<nn::SliceVjpOp> slices;
  std::optional<int64_t> axis;
  for (Value part : parts)
    if (auto slice = part.getDefiningOp<nn::SliceVjpOp>(); slice && slice->use_empty())
      if (auto found = slicedAxis(slice); found && (!axis || axis == found)) {
        axis = found;
        slices.push_back(slice);
      }
  if (slices.size() < 2)
    return {};
  llvm::stable_sort(slices, [&](nn::SliceVjpOp a, nn::SliceVjpOp b) { return a.getOffsets()[*axis] < b.getOffsets()[*axis]; });
  int64_t end = 0, whole = shapeOf(slices[0].getResult())[*axis];
  SmallVector<Value> pieces;
  nn::GradientBuilder g(builder_, where);
  auto fill = [&](int64_t until) {
    if (until > end) {
      SmallVector<int64_t> shape(shapeOf(slices[0].getResult()));
      shape[*axis] = until - end;
      pieces.push_back(g.zeros(cast<RankedTensorType>(slices[0].getType()).clone(shape)));
    }
  };
  for (nn::SliceVjpOp slice : slices) {
    int64_t start = slice.getOffsets()[*axis];
    if (start < end)
      return {}; // overlapping slices are added like everything else
    fill(start);
    pieces.push_back(slice.getDy());
    end = start + shapeOf(slice.getDy())[*axis];
  }
  fill(whole);
  llvm::erase_if(parts, [&](Value part) { return llvm::is_contained(slices, part.getDefiningOp()); });
  Value tiled = nn::ConcatOp::create(builder_, where, slices[0].getType(), pieces, *axis);
  for (nn::SliceVjpOp slice : slices)
    slice.erase();
  return tiled;
}

Value Cotangents::of(Value value, Location where) {
  auto found = parts_.find(value);
  if (found == parts_.end() || found->second.empty())
    return {};
  SmallVector<Value, 2> &parts = found->second;
  if (Value tiled = tile(parts, where))
    parts.insert(parts.begin(), tiled);
  Value sum = parts[0];
  for (Value part : llvm::drop_begin(parts))
    sum = nn::GradientBuilder(builder_, where).add(sum, part);
  parts = {sum};
  return sum;
}

} // namespace hb
