// Rules of the adjoints of resizing and pooling: each source element sums a short run of cotangents with weights known at compile time,
// first along the rows, then along the columns.
#include "lowering/kernels/Former.h"
#include "lowering/kernels/Scalars.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb {

namespace {

/// For each position of the result along one axis: the run of cotangents it sums starts at `start(position)`, with `weights[position][j]`.
struct Runs {
  AffineExpr start; ///< of dimension 0
  int64_t length = 0;
  std::vector<float> weights;

  int64_t end(int64_t extent) const {
    int64_t last = 0;
    for (int64_t i = 0; i < extent; ++i)
      last = std::max(last, cast<AffineConstantExpr>(start.replaceDims(getAffineConstantExpr(i, start.getContext()))).getValue() + length);
    return last;
  }
};

Runs makeRuns(MLIRContext *context, int64_t extent, AffineExpr start, llvm::function_ref<int64_t(int64_t)> first, llvm::function_ref<int64_t(int64_t)> last,
              llvm::function_ref<double(int64_t)> weight) {
  Runs runs{start, 0, {}};
  for (int64_t i = 0; i < extent; ++i)
    runs.length = std::max(runs.length, last(i) - first(i) + 1);
  for (int64_t i = 0; i < extent; ++i)
    for (int64_t j = 0; j < runs.length; ++j)
      runs.weights.push_back(first(i) + j <= last(i) ? static_cast<float>(weight(first(i) + j)) : 0.0f);
  return runs;
}

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

Value sumRuns(Former &f, Location where, Value dy, int64_t axis, int64_t extent, const Runs &runs) {
  OpBuilder &b = f.b;
  SmallVector<int64_t> shape(shapeOf(dy));
  // Runs at the end may reach beyond the cotangents; there the weight is zero, and zeros are there to be read.
  if (int64_t wanted = runs.end(extent); wanted > shape[axis]) {
    SmallVector<int64_t> padded(shape);
    padded[axis] = wanted;
    dy = buildMove(b, where, RankedTensorType::get(padded, b.getF32Type()), {dy, b.getMultiDimIdentityMap(4), true});
  }
  shape[axis] = extent;
  auto type = RankedTensorType::get(shape, b.getF32Type());
  AffineExpr run = b.getAffineDimExpr(4), position = b.getAffineDimExpr(axis);
  SmallVector<AffineExpr> indices;
  for (int64_t i = 0; i < 4; ++i)
    indices.push_back(i == axis ? runs.start.replaceDims(position) + run : b.getAffineDimExpr(i));
  AffineMap map = AffineMap::get(5, 0, indices, b.getContext());
  if (llvm::all_equal(runs.weights) && runs.weights[0] == 1)
    return buildReduce(b, where, type, kernel::Combine::sum, MapInput{dy, map}, runs.length, [](OpBuilder &, ValueRange a) { return a[0]; });
  Value table = f.weights.constant(DenseElementsAttr::get(RankedTensorType::get({extent, runs.length}, b.getF32Type()), ArrayRef(runs.weights)));
  return buildReduce(b, where, type, kernel::Combine::sum, {MapInput{dy, map}, MapInput{table, AffineMap::get(5, 0, {position, run}, b.getContext())}}, runs.length,
                     [&](OpBuilder &in, ValueRange a) -> Value { return arith::MulFOp::create(in, where, a[0], a[1]); });
}

/// Rows, then columns; `runsOf(in, out)` says what the positions of an axis of `in` elements sum of one of `out` cotangents.
template <typename Op> Value sumAxes(Former &f, Op op, llvm::function_ref<Runs(int64_t in, int64_t out)> runsOf) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "a picture with channels last (simplify makes it so)", "layout nchw");
  Value dy = f.operand(op.getDy());
  for (int64_t axis : {1, 2})
    if (int64_t in = f.typeOf(*op).getDimSize(axis), out = shapeOf(dy)[axis]; in != out)
      dy = sumRuns(f, op.getLoc(), dy, axis, in, runsOf(in, out));
  return dy;
}

} // namespace

Value Former::form(nn::ResizeNearestVjpOp op) {
  return sumAxes(*this, op, [&](int64_t in, int64_t out) {
    // Target i copies source ⌊i·in/out⌋, so source y went to ⌈y·out/in⌉ … ⌈(y+1)·out/in⌉ − 1.
    return makeRuns(b.getContext(), in, (b.getAffineDimExpr(0) * out).ceilDiv(in), [&](int64_t i) { return ceilDiv(i * out, in); },
                    [&](int64_t i) { return ceilDiv((i + 1) * out, in) - 1; }, [](int64_t) { return 1.0; });
  });
}

Value Former::form(nn::AdaptiveAvgPoolVjpOp op) {
  return sumAxes(*this, op, [&](int64_t in, int64_t out) {
    // Bin i covers [⌊i·in/out⌋, ⌈(i+1)·in/out⌉), so element y is in bins ⌊y·out/in⌋ … ⌈(y+1)·out/in⌉ − 1.
    return makeRuns(b.getContext(), in, (b.getAffineDimExpr(0) * out).floorDiv(in), [&](int64_t i) { return i * out / in; },
                    [&](int64_t i) { return ceilDiv((i + 1) * out, in) - 1; },
                    [&](int64_t bin) { return 1.0 / static_cast<double>(ceilDiv((bin + 1) * in, out) - bin * in / out); });
  });
}

} // namespace hb
