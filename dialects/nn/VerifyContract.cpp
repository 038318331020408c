// Verifiers of the ops that multiply matrices. The labels are those of the descriptions in NnOps.td.
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

namespace {

/// C1–C3 of every linear: `weight` is [rows, K], `bias` [rows], the result `x`'s leading axes and `columns`.
LogicalResult verifyLinear(Operation *op, Value x, Value weight, Value bias, Value result, int64_t rowsPerColumn) {
  if (rankOf(x) < 1)
    return violated(op, "C1", "x as [..., K]", shapeText(shapeOf(x)));
  int64_t k = shapeOf(x).back();
  if (rankOf(weight) != 2 || shapeOf(weight)[1] != k || shapeOf(weight)[0] % rowsPerColumn)
    return violated(op, "C1", "weight as [" + Twine(rowsPerColumn == 2 ? "2N" : "N") + ", K] with K = " + Twine(k), shapeText(shapeOf(weight)));
  int64_t rows = shapeOf(weight)[0];
  if (bias && failed(expectShape(op, "C2", "bias", bias, {rows})))
    return failure();
  SmallVector<int64_t> shape(shapeOf(x));
  shape.back() = rows / rowsPerColumn;
  return expectShape(op, "C3", "the result", result, shape);
}

/// C4: a [R, K], b [rows, R], scale [R]. C5: with blocks, b [last block's end, R / blocks].
LogicalResult verifyLora(Operation *op, Value weight, Value a, Value b, Value scale, ArrayRef<int64_t> blocks = {}) {
  int64_t rows = shapeOf(weight)[0], k = shapeOf(weight)[1];
  if (rankOf(a) != 2 || shapeOf(a)[1] != k)
    return violated(op, "C4", "a as [R, K] with K = " + Twine(k), shapeText(shapeOf(a)));
  int64_t rank = shapeOf(a)[0];
  if (!blocks.empty()) {
    int64_t before = 0;
    for (int64_t end : blocks) {
      if (end <= before)
        return violated(op, "C5", "ends of blocks that ascend", Twine(end) + " after " + Twine(before));
      before = end;
    }
    if (before > rows || rank % static_cast<int64_t>(blocks.size()))
      return violated(op, "C5", "blocks inside the " + Twine(rows) + " rows, and a rank that they share equally", Twine(before) + " rows and rank " + Twine(rank));
    if (failed(expectShape(op, "C5", "b", b, {before, rank / static_cast<int64_t>(blocks.size())})))
      return failure();
    return expectShape(op, "C4", "scale", scale, {rank});
  }
  if (failed(expectShape(op, "C4", "b", b, {rows, rank})))
    return failure();
  return expectShape(op, "C4", "scale", scale, {rank});
}

} // namespace

LogicalResult LinearOp::verify() { return verifyLinear(*this, getX(), getWeight(), getBias(), getResult(), 1); }

LogicalResult LoraLinearOp::verify() {
  if (failed(verifyLinear(*this, getX(), getWeight(), getBias(), getResult(), 1)))
    return failure();
  if (getBlocks() && getBlocks()->empty())
    return violated(*this, "C5", "at least one block", "none");
  if (getBlocks() && !getDrop().empty())
    return violated(*this, "C6", "no blocks with drop", shapeText(*getBlocks()));
  if (failed(verifyDrop(*this, "C6", getDrop(), getX())))
    return failure();
  return verifyLora(*this, getWeight(), getA(), getB(), getScale(), getBlocks().value_or(ArrayRef<int64_t>()));
}

LogicalResult GatedLinearOp::verify() {
  if (failed(verifyLinear(*this, getX(), getWeight(), getBias(), getResult(), 2)))
    return failure();
  bool any = getA() || getB() || getScale(), all = getA() && getB() && getScale();
  if (any && !all)
    return violated(*this, "C4", "all of a, b and scale, or none", "some of them");
  if (!all && !getDrop().empty())
    return violated(*this, "C5", "drop with adapters only", "no adapter");
  if (failed(verifyDrop(*this, "C5", getDrop(), getX())))
    return failure();
  return all ? verifyLora(*this, getWeight(), getA(), getB(), getScale()) : success();
}

LogicalResult MatmulOp::verify() {
  ArrayRef<int64_t> a = shapeOf(getA()), b = shapeOf(getB());
  if (a.size() < 2 || b.size() != a.size() || a.drop_back(2) != b.drop_back(2))
    return violated(*this, "C1", "a and b of equal rank of at least 2 with equal leading axes", shapeText(a) + " and " + shapeText(b));
  int64_t k = getTransposeB() ? b[b.size() - 1] : b[b.size() - 2], n = getTransposeB() ? b[b.size() - 2] : b[b.size() - 1];
  int64_t m = a[a.size() - (getTransposeA() ? 1 : 2)], reduced = a[a.size() - (getTransposeA() ? 2 : 1)];
  if (k != reduced)
    return violated(*this, "C2", "b with K = " + Twine(reduced), shapeText(b) + (getTransposeB() ? " (transpose_b)" : ""));
  SmallVector<int64_t> shape(a.drop_back(2));
  shape.append({m, n});
  return expectShape(*this, "C3", "the result", getResult(), shape);
}

LogicalResult Conv2dOp::verify() {
  if (failed(expectRank(*this, "C1", "x of 4 axes", getX(), 4)) || failed(expectRank(*this, "C1", "weight as [O, I, kh, kw]", getWeight(), 4)))
    return failure();
  bool last = getLayout() == Layout::nhwc;
  ArrayRef<int64_t> x = shapeOf(getX()), w = shapeOf(getWeight());
  int64_t channels = last ? x[3] : x[1];
  if (w[1] != channels)
    return violated(*this, "C2", "weight of " + Twine(channels) + " input channels", shapeText(w));
  if (getBias() && failed(expectShape(*this, "C3", "bias", getBias(), {w[0]})))
    return failure();
  ArrayRef<int64_t> strides = getStrides(), padding = getPadding();
  if (strides.size() != 2 || llvm::any_of(strides, [](int64_t s) { return s < 1; }))
    return violated(*this, "C4", "two strides of at least 1", shapeText(strides));
  if (padding.size() != 4 || llvm::any_of(padding, [](int64_t p) { return p < 0; }))
    return violated(*this, "C4", "four paddings of at least 0", shapeText(padding));
  int64_t height = (last ? x[1] : x[2]) + padding[0] + padding[1] - w[2], width = (last ? x[2] : x[3]) + padding[2] + padding[3] - w[3];
  if (height < 0 || width < 0)
    return violated(*this, "C5", "a kernel no larger than the padded picture", shapeText(w) + " over " + shapeText(x));
  height = height / strides[0] + 1, width = width / strides[1] + 1;
  SmallVector<int64_t> shape = last ? SmallVector<int64_t>{x[0], height, width, w[0]} : SmallVector<int64_t>{x[0], w[0], height, width};
  return expectShape(*this, "C6", "the result", getResult(), shape);
}

LogicalResult AttentionOp::verify() {
  for (auto [value, what] : {std::pair<Value, StringRef>{getQ(), "q as [B, N, heads*d]"}, {getK(), "k as [B, M, heads*d]"}, {getV(), "v as [B, M, heads*dv]"}})
    if (failed(expectRank(*this, "C1", what, value, 3)))
      return failure();
  ArrayRef<int64_t> q = shapeOf(getQ()), k = shapeOf(getK()), v = shapeOf(getV());
  int64_t heads = getHeads();
  if (heads < 1 || q[2] % heads || v[2] % heads)
    return violated(*this, "C2", "widths that are multiples of heads = " + Twine(heads), shapeText(q) + " and " + shapeText(v));
  if (failed(expectShape(*this, "C3", "k", getK(), {q[0], k[1], q[2]})) || failed(expectShape(*this, "C3", "v", getV(), {q[0], k[1], v[2]})))
    return failure();
  if (getMask()) {
    ArrayRef<int64_t> mask = shapeOf(getMask());
    if (mask.size() != 3 || (mask[0] != 1 && mask[0] != q[0]) || (mask[1] != 1 && mask[1] != q[1]) || mask[2] != k[1])
      return violated(*this, "C4", "mask as [" + Twine(q[0]) + " or 1, " + Twine(q[1]) + " or 1, " + Twine(k[1]) + "]", shapeText(mask));
  }
  if (getCausal() && q[1] != k[1])
    return violated(*this, "C5", "as many keys as queries with causal", Twine(k[1]) + " keys and " + Twine(q[1]) + " queries");
  if (getStats() && failed(expectShape(*this, "C7", "stats", getStats(), {q[0], heads, 2, q[1]})))
    return failure();
  return expectShape(*this, "C6", "the result", getResult(), {q[0], q[1], v[2]});
}

} // namespace hb::nn
