// Verifiers of the vector-Jacobian products. The labels are those of NnVjpOps.td.
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

LogicalResult ExtremeVjpOp::verify() {
  if (getKind() != BinaryKind::max && getKind() != BinaryKind::min)
    return violated(*this, "C1", "max or min", stringifyBinaryKind(getKind()));
  return success();
}

LogicalResult LinearVjpOp::verify() {
  if (rankOf(getDy()) < 1)
    return violated(*this, "C1", "dy as [..., N]", shapeText(shapeOf(getDy())));
  int64_t n = shapeOf(getDy()).back();
  if (rankOf(getWeight()) != 2 || shapeOf(getWeight())[0] != n)
    return violated(*this, "C1", "weight as [N, K] with N = " + Twine(n), shapeText(shapeOf(getWeight())));
  int64_t k = shapeOf(getWeight())[1];
  SmallVector<int64_t> shape(shapeOf(getDy()));
  shape.back() = k;
  if (failed(expectShape(*this, "C2", "the result", getResult(), shape)))
    return failure();
  bool any = getA() || getB() || getScale(), all = getA() && getB() && getScale();
  if (any && !all)
    return violated(*this, "C3", "all of a, b and scale, or none", "some of them");
  if (!all && !getDrop().empty())
    return violated(*this, "C4", "drop with adapters only", "no adapter");
  if (failed(verifyDrop(*this, "C4", getDrop(), getResult())))
    return failure();
  if (!all)
    return success();
  if (rankOf(getA()) != 2 || shapeOf(getA())[1] != k)
    return violated(*this, "C3", "a as [R, K] with K = " + Twine(k), shapeText(shapeOf(getA())));
  int64_t rank = shapeOf(getA())[0];
  if (failed(expectShape(*this, "C3", "b", getB(), {n, rank})))
    return failure();
  return expectShape(*this, "C3", "scale", getScale(), {rank});
}

LogicalResult Conv2dVjpOp::verify() {
  if (failed(expectRank(*this, "C1", "dy of 4 axes", getDy(), 4)) || failed(expectRank(*this, "C1", "weight as [O, I, kh, kw]", getWeight(), 4)) ||
      failed(expectRank(*this, "C1", "a result of 4 axes", getResult(), 4)))
    return failure();
  bool last = getLayout() == Layout::nhwc;
  ArrayRef<int64_t> x = shapeOf(getResult()), w = shapeOf(getWeight()), strides = getStrides(), padding = getPadding();
  if (strides.size() != 2 || llvm::any_of(strides, [](int64_t s) { return s < 1; }) || padding.size() != 4 ||
      llvm::any_of(padding, [](int64_t p) { return p < 0; }))
    return violated(*this, "C1", "two strides of at least 1 and four paddings of at least 0", shapeText(strides) + " and " + shapeText(padding));
  if (w[1] != (last ? x[3] : x[1]))
    return violated(*this, "C1", "weight of " + Twine(last ? x[3] : x[1]) + " input channels", shapeText(w));
  int64_t height = (last ? x[1] : x[2]) + padding[0] + padding[1] - w[2], width = (last ? x[2] : x[3]) + padding[2] + padding[3] - w[3];
  if (height < 0 || width < 0)
    return violated(*this, "C1", "a kernel no larger than the padded picture", shapeText(w) + " over " + shapeText(x));
  height = height / strides[0] + 1, width = width / strides[1] + 1;
  SmallVector<int64_t> shape = last ? SmallVector<int64_t>{x[0], height, width, w[0]} : SmallVector<int64_t>{x[0], w[0], height, width};
  return expectShape(*this, "C1", "dy", getDy(), shape);
}

LogicalResult AttentionVjpOp::verify() {
  ArrayRef<int64_t> q = shapeOf(getQ()), k = shapeOf(getK()), v = shapeOf(getV());
  if (q.size() != 3 || k.size() != 3 || v.size() != 3)
    return violated(*this, "C1", "q, k and v of 3 axes", shapeText(q) + ", " + shapeText(k) + " and " + shapeText(v));
  int64_t heads = getHeads();
  if (heads < 1 || q[2] % heads || v[2] % heads)
    return violated(*this, "C1", "heads that divide the widths", Twine(heads));
  if (k[0] != q[0] || v[0] != q[0] || k[1] != v[1] || k[2] != q[2])
    return violated(*this, "C1", "batch, keys and widths that agree", shapeText(q) + ", " + shapeText(k) + " and " + shapeText(v));
  if (getCausal() && q[1] != k[1])
    return violated(*this, "C1", "as many keys as queries with causal", shapeText(q) + " and " + shapeText(k));
  if (getMask()) {
    ArrayRef<int64_t> mask = shapeOf(getMask());
    if (mask.size() != 3 || (mask[0] != 1 && mask[0] != q[0]) || (mask[1] != 1 && mask[1] != q[1]) || mask[2] != k[1])
      return violated(*this, "C1", "mask as [B or 1, N or 1, M]", shapeText(mask));
  }
  if (failed(expectShape(*this, "C1", "y", getY(), {q[0], q[1], v[2]})) || failed(expectShape(*this, "C1", "stats", getStats(), {q[0], heads, 2, q[1]})) ||
      failed(expectShape(*this, "C1", "dy", getDy(), {q[0], q[1], v[2]})) || failed(expectShape(*this, "C2", "dq", getDq(), q)) ||
      failed(expectShape(*this, "C2", "dk", getDk(), k)))
    return failure();
  return expectShape(*this, "C2", "dv", getDv(), v);
}

LogicalResult GroupNormVjpOp::verify() {
  if (failed(expectRank(*this, "C1", "x of 4 axes", getX(), 4)))
    return failure();
  int64_t channels = shapeOf(getX())[getLayout() == Layout::nhwc ? 3 : 1], groups = getGroups();
  if (groups < 1 || channels % groups)
    return violated(*this, "C1", "groups that divide " + Twine(channels) + " channels", Twine(groups));
  if (failed(expectShape(*this, "C1", "weight", getWeight(), {channels})) || failed(expectShape(*this, "C1", "dy", getDy(), shapeOf(getX()))))
    return failure();
  return expectShape(*this, "C1", "the result", getResult(), shapeOf(getX()));
}

LogicalResult LayerNormVjpOp::verify() {
  if (rankOf(getX()) < 1)
    return violated(*this, "C1", "x as [..., D]", shapeText(shapeOf(getX())));
  if (failed(expectShape(*this, "C1", "weight", getWeight(), {shapeOf(getX()).back()})) || failed(expectShape(*this, "C1", "dy", getDy(), shapeOf(getX()))))
    return failure();
  return expectShape(*this, "C1", "the result", getResult(), shapeOf(getX()));
}

LogicalResult ReduceMaxVjpOp::verify() {
  ArrayRef<int64_t> x = shapeOf(getX());
  int64_t axis = getAxisAttr().getInt();
  if (axis < 0 || axis >= static_cast<int64_t>(x.size()))
    return violated(*this, "C1", "an axis of " + Twine(x.size()), Twine(axis));
  SmallVector<int64_t> kept(x);
  kept.erase(kept.begin() + axis);
  if (failed(expectShape(*this, "C2", "dy", getDy(), kept)))
    return failure();
  return expectShape(*this, "C3", "the result", getResult(), x);
}

LogicalResult SliceVjpOp::verify() {
  ArrayRef<int64_t> dy = shapeOf(getDy()), x = shapeOf(getResult()), offsets = getOffsets();
  if (offsets.size() != x.size() || dy.size() != x.size())
    return violated(*this, "C1", "an offset and an extent for each axis", shapeText(offsets) + " and " + shapeText(dy));
  for (size_t i = 0; i < x.size(); ++i)
    if (offsets[i] < 0 || offsets[i] > x[i] - dy[i])
      return violated(*this, "C1", "dy within the result", shapeText(dy) + " at " + shapeText(offsets) + " in " + shapeText(x));
  return success();
}

/// Pictures of equal batch and channels.
static LogicalResult verifyPictures(Operation *op, Value dy, Value result, Layout layout) {
  if (failed(expectRank(op, "C1", "dy of 4 axes", dy, 4)) || failed(expectRank(op, "C1", "a result of 4 axes", result, 4)))
    return failure();
  size_t channels = layout == Layout::nhwc ? 3 : 1;
  if (shapeOf(dy)[0] != shapeOf(result)[0] || shapeOf(dy)[channels] != shapeOf(result)[channels])
    return violated(op, "C1", "equal batch and channels", shapeText(shapeOf(dy)) + " and " + shapeText(shapeOf(result)));
  return success();
}

LogicalResult ResizeNearestVjpOp::verify() { return verifyPictures(*this, getDy(), getResult(), getLayout()); }
LogicalResult AdaptiveAvgPoolVjpOp::verify() { return verifyPictures(*this, getDy(), getResult(), getLayout()); }

} // namespace hb::nn
