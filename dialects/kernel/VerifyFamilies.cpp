// Verifiers of the families.
#include "dialects/kernel/Verify.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace hb::kernel {

static int64_t product(ArrayRef<int64_t> extents) {
  int64_t total = 1;
  for (int64_t extent : extents)
    total *= extent;
  return total;
}

/// A probability and three i64: seed, step, site.
static LogicalResult verifyDrop(Operation *op, ValueRange drop) {
  bool fits = drop.size() == 4;
  for (auto [i, value] : llvm::enumerate(drop))
    fits &= shape(value).empty() && isa<FloatType>(element(value)) == (i == 0);
  return fits ? success() : violated(op, "a float scalar and three i64 scalars for dropout", Twine(drop.size()) + " operands or others");
}

static LogicalResult verifyLora(ContractOp op, int64_t rows, int64_t depth) {
  if (!op.getLoraA())
    return op.getLoraBlocks() || !op.getDrop().empty() ? violated(op, "blocks and dropout of an adapter only", "no adapter") : success();
  if (!op.getDrop().empty() && (op.getForm() != ContractForm::linear || op.getLoraBlocks() || (op.getGated() && op.getDropResult())))
    return violated(op, "dropout at the one adapter of a linear contraction", "another form");
  if (!op.getDrop().empty() && failed(verifyDrop(op, op.getDrop())))
    return failure();
  if (!op.getLoraB() || !op.getLoraScale())
    return violated(op, "lora_a, lora_b and lora_scale together", "some of them");
  if (failed(expectRank(op, "lora_a", op.getLoraA(), 2)))
    return failure();
  int64_t rank = shape(op.getLoraA())[0], before = 0;
  if (auto blocks = op.getLoraBlocks()) {
    for (int64_t end : *blocks) {
      if (end <= before || end > rows)
        return violated(op, "ends of adapter blocks that ascend to at most " + Twine(rows), Twine(end));
      before = end;
    }
    if (op.getGated())
      return violated(op, "blocks of an adapter without a gate", "a gated contraction");
    if (blocks->empty() || rank % static_cast<int64_t>(blocks->size()))
      return violated(op, "adapter blocks that share the rank equally", Twine(blocks->size()) + " blocks of rank " + Twine(rank));
  }
  return success(succeeded(expectShape(op, "lora_a", op.getLoraA(), {rank, depth})) && succeeded(expectShape(op, "lora_b", op.getLoraB(), {rows, rank})) &&
                 succeeded(expectShape(op, "lora_scale", op.getLoraScale(), {rank})));
}

/// What the result must be, by form; the weight's rows and depth on the way.
static LogicalResult verifyForm(ContractOp op, int64_t &rows, int64_t &depth) {
  SmallVector<int64_t> weight = op.weightShape();
  ArrayRef<int64_t> a = shape(op.getA());
  int64_t columns = op.getGated() ? 2 : 1; // rows of the weight per column of the result
  SmallVector<int64_t> wanted(a);
  switch (op.getForm()) {
  case ContractForm::linear:
    if (weight.size() != 2 || a.empty() || a.back() != weight[1])
      return violated(op, "a as [..., K] and weight as [N, K]", shapeText(a) + " and " + shapeText(weight));
    rows = weight[0], depth = weight[1];
    wanted.back() = rows / columns;
    break;
  case ContractForm::conv2d: {
    if (weight.size() != 4 || a.size() != 4 || a[3] != weight[1] || a[1] < weight[2] || a[2] < weight[3])
      return violated(op, "a as [B, H, W, C] no smaller than the kernel, weight as [O, C, kh, kw]", shapeText(a) + " and " + shapeText(weight));
    ArrayRef<int64_t> strides = op.getStrides();
    if (strides.size() != 2 || strides[0] < 1 || strides[1] < 1)
      return violated(op, "two strides of at least 1", "others");
    rows = weight[0], depth = product(ArrayRef(weight).drop_front());
    wanted = {a[0], (a[1] - weight[2]) / strides[0] + 1, (a[2] - weight[3]) / strides[1] + 1, rows / columns};
    break;
  }
  case ContractForm::planes:
    if (weight.size() != 4 || weight[2] != 3 || weight[3] != 3 || a.size() != 3 || a[2] != weight[1])
      return violated(op, "a as [P, T, K] and weight as [N, K, 3, 3]", shapeText(a) + " and " + shapeText(weight));
    if (a[0] != (layoutOf(op.getWeight()) == WeightLayout::winograd_f2 ? 16 : 24))
      return violated(op, "as many planes as the weight's layout has", Twine(a[0]));
    rows = weight[0], depth = weight[1];
    wanted.back() = rows;
    break;
  case ContractForm::outer:
    if (weight.size() != 2 || a.size() != 2 || a[0] != weight[0])
      return violated(op, "a as [T, M] and weight as [T, N]", shapeText(a) + " and " + shapeText(weight));
    wanted = {a[1], weight[1]};
    if (op.getAdjoint())
      return violated(op, "no adjoint of a sum of outer products", "one");
    break;
  }
  if (!op.hasEpilogue() && (op.getGated() || op.getLoraA() || !op.getExtras().empty()))
    return violated(op, "planes and outer products without gate, adapter or extras", "some");
  if (op.getAdjoint() && (op.getGated() || op.hasPrologue() || (op.getForm() == ContractForm::conv2d && op.getStrides() != ArrayRef<int64_t>{1, 1})))
    return violated(op, "an adjoint product without gate, prologue or strides", "one of them");
  if (op.getAdjoint() && layoutOf(op.getWeight()) == WeightLayout::winograd_f4x2)
    return violated(op, "planes that contain their reversal for an adjoint product (winograd_f2)", "winograd_f4x2");
  if (op.getGated() && rows % 2)
    return violated(op, "an even number of rows for a gated contraction", Twine(rows));
  return expectShape(op, "the result", op.getResult(), wanted);
}

/// A norm with its operands, and a region on elements of `a` as f32.
static LogicalResult verifyPrologue(ContractOp op) {
  if (!op.hasPrologue())
    return op.getStats() || op.getNormWeight() || op.getNormBias() || op.getEps() ? violated(op, "a norm for its operands", "none") : success();
  if (op.getForm() != ContractForm::linear)
    return violated(op, "a prologue on a linear contraction only", stringifyEnum(op.getForm()));
  if (op.getNorm()) {
    bool group = op.getNorm() == NormKind::group;
    if (!group && op.getNorm() != NormKind::layer)
      return violated(op, "a prologue that is a layer or a group norm", stringifyEnum(*op.getNorm()));
    if (group != static_cast<bool>(op.getStats()))
      return violated(op, "statistics for a group norm and for nothing else", group ? "none" : "some");
    if (!op.getNormWeight() || !op.getNormBias() || !op.getEps())
      return violated(op, "weight, bias and eps of the norm", "some of them");
    ArrayRef<int64_t> a = shape(op.getA());
    if (failed(expectShape(op, "the norm's weight", op.getNormWeight(), a.back())) || failed(expectShape(op, "the norm's bias", op.getNormBias(), a.back())))
      return failure();
    if (group) {
      ArrayRef<int64_t> stats = shape(op.getStats());
      if (stats.size() != 4 || stats[3] != 2 || stats[0] < 1 || stats[2] < 1 || a.back() % stats[2] || product(a.drop_back()) % stats[0])
        return violated(op, "statistics [B, chunks, groups, 2] of images and groups that divide a", shapeText(stats) + " and " + shapeText(a));
    }
  }
  return op.getPrologue().empty() ? success() : expectScalars(op, op.getPrologue(), 1, {}, Float32Type::get(op.getContext()));
}

SmallVector<int64_t> ContractOp::weightShape() {
  SmallVector<int64_t> extents(shape(getWeight()));
  if (getAdjoint() && extents.size() > 1)
    std::swap(extents[0], extents[1]);
  return extents;
}

LogicalResult ContractOp::verify() {
  int64_t rows = 0, depth = 0;
  if (failed(verifyForm(*this, rows, depth)) || failed(verifyPrologue(*this)) || failed(verifyLora(*this, rows, depth)) ||
      failed(expectMaps(*this, getMaps(), getExtras(), shape(getResult()).size())))
    return failure();
  WeightLayout layout = layoutOf(getWeight());
  if (getForm() == ContractForm::outer) {
    if (isa_and_nonnull<PackedAttr>(cast<RankedTensorType>(getWeight().getType()).getEncoding()))
      return violated(*this, "a computed tensor as the second factor of outer products", stringifyEnum(layout));
    return expectScalars(*this, getEpilogue(), 1, {}, element(getResult()));
  }
  bool fits = getForm() == ContractForm::planes ? layout == WeightLayout::winograd_f2 || layout == WeightLayout::winograd_f4x2
                                                : layout == (getGated() ? WeightLayout::gated_panel16 : WeightLayout::panel16);
  if (!fits)
    return violated(*this, "a weight packed for this form", stringifyEnum(layout));
  return expectScalars(*this, getEpilogue(), getGated() ? 2 : 1, getExtras(), element(getResult()));
}

/// What attention and its gradient have in common.
template <typename Op> static LogicalResult verifyAttention(Op op) {
  for (auto [name, value] : {std::pair<StringRef, Value>{"q", op.getQ()}, {"k", op.getK()}, {"v", op.getV()}})
    if (failed(expectRank(op, name, value, 3)))
      return failure();
  ArrayRef<int64_t> q = shape(op.getQ()), k = shape(op.getK()), v = shape(op.getV());
  int64_t heads = op.getHeads();
  if (heads < 1 || q[2] % heads || v[2] % heads)
    return violated(op, "heads that divide the widths", Twine(heads));
  if (failed(expectShape(op, "k", op.getK(), {q[0], k[1], q[2]})) || failed(expectShape(op, "v", op.getV(), {q[0], k[1], v[2]})))
    return failure();
  if (op.getCausal() && q[1] != k[1])
    return violated(op, "as many keys as queries for causal attention", Twine(k[1]) + " and " + Twine(q[1]));
  if (op.getStats() && failed(expectShape(op, "stats", op.getStats(), {q[0], heads, 2, q[1]})))
    return failure();
  if (!op.getMask())
    return success();
  ArrayRef<int64_t> mask = shape(op.getMask());
  if (!element(op.getMask()).isF32())
    return violated(op, "an f32 mask", "another");
  bool fits = mask.size() == 3 && (mask[0] == 1 || mask[0] == q[0]) && (mask[1] == 1 || mask[1] == q[1]) && mask[2] == k[1];
  return fits ? success() : violated(op, "a mask [B or 1, N or 1, M]", shapeText(mask));
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  return expectShape(*this, "the result", getResult(), {shape(getQ())[0], shape(getQ())[1], shape(getV())[2]});
}

LogicalResult AttentionVjpOp::verify() {
  if (failed(verifyAttention(*this)))
    return failure();
  ArrayRef<int64_t> q = shape(getQ());
  return success(succeeded(expectShape(*this, "dy", getDy(), {q[0], q[1], shape(getV())[2]})) &&
                 succeeded(expectShape(*this, "delta", getDelta(), {q[0], q[1], static_cast<int64_t>(getHeads())})) && succeeded(expectShape(*this, "dq", getDq(), q)) &&
                 succeeded(expectShape(*this, "dk", getDk(), shape(getK()))) && succeeded(expectShape(*this, "dv", getDv(), shape(getV()))));
}

static LogicalResult verifyGroups(Operation *op, ArrayRef<int64_t> x, int64_t groups) {
  return x.size() == 4 && groups >= 1 && x[3] % groups == 0 ? success() : violated(op, "x as [B, H, W, C] and groups that divide C", shapeText(x));
}

LogicalResult GroupStatsOp::verify() {
  ArrayRef<int64_t> x = shape(getX());
  if (failed(verifyGroups(*this, x, getGroups())))
    return failure();
  if (getChunks() < 1)
    return violated(*this, "at least one chunk", Twine(getChunks()));
  return expectShape(*this, "the result", getResult(), {x[0], static_cast<int64_t>(getChunks()), static_cast<int64_t>(getGroups()), 2});
}

LogicalResult NormalizeOp::verify() {
  ArrayRef<int64_t> x = shape(getX()), pad = getPad();
  SmallVector<int64_t> wanted(x);
  bool isGroup = getKind() == NormKind::group, scales = isGroup || getKind() == NormKind::layer;
  if (x.empty() || pad.size() != 4)
    return violated(*this, "at least one axis and four paddings", shapeText(x));
  if (isGroup != static_cast<bool>(getStats()))
    return violated(*this, "statistics for a group norm and for nothing else", isGroup ? "none" : "some");
  if (scales != static_cast<bool>(getWeight()) || scales != static_cast<bool>(getBias()))
    return violated(*this, "weight and bias for layer and group norm and for nothing else", scales ? "none" : "some");
  if (scales && (failed(expectShape(*this, "weight", getWeight(), x.back())) || failed(expectShape(*this, "bias", getBias(), x.back()))))
    return failure();
  if (isGroup) {
    if (failed(verifyGroups(*this, x, getGroups())) || failed(expectRank(*this, "stats", getStats(), 4)) ||
        failed(expectShape(*this, "stats", getStats(), {x[0], shape(getStats())[1], static_cast<int64_t>(getGroups()), 2})))
      return failure();
    wanted[1] += pad[0] + pad[1];
    wanted[2] += pad[2] + pad[3];
  } else if (llvm::any_of(pad, [](int64_t p) { return p != 0; })) {
    return violated(*this, "padding on a group norm only", "some");
  }
  if (failed(expectShape(*this, "the result", getResult(), wanted)))
    return failure();
  return expectScalars(*this, getEpilogue(), 1, {}, element(getResult()));
}

LogicalResult MapOp::verify() {
  if (failed(expectMaps(*this, getMaps(), getInputs(), shape(getResult()).size())))
    return failure();
  if (getZeroOutside() && getZeroOutside()->size() != getInputs().size())
    return violated(*this, "zero_outside for each operand", Twine(getZeroOutside()->size()));
  return expectScalars(*this, getBody(), 0, getInputs(), element(getResult()));
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty() || getAxis() >= shape(getResult()).size())
    return violated(*this, "inputs and an axis of the result", "none");
  SmallVector<int64_t> wanted(shape(getInputs()[0]));
  if (wanted.size() != shape(getResult()).size())
    return violated(*this, "inputs of the result's rank", shapeText(wanted));
  wanted[getAxis()] = 0;
  for (Value input : getInputs()) {
    bool converts = isa<FloatType>(element(input)) && isa<FloatType>(element(getResult()));
    if (shape(input).size() != wanted.size() || !(converts || element(input) == element(getResult())))
      return violated(*this, "inputs of the result's rank, and of its element type or floats like it", shapeText(shape(input)));
    SmallVector<int64_t> other(shape(input));
    other[getAxis()] = wanted[getAxis()];
    if (other != wanted)
      return violated(*this, "inputs that agree on the other axes", shapeText(shape(input)));
    wanted[getAxis()] += shape(input)[getAxis()];
  }
  return expectShape(*this, "the result", getResult(), wanted);
}

LogicalResult GatherOp::verify() {
  ArrayRef<int64_t> table = shape(getTable()), index = shape(getIndex());
  if (!element(getIndex()).isInteger(64))
    return violated(*this, "i64 indices", "others");
  int64_t batch = getBatchDims();
  if (batch > 1 || static_cast<int64_t>(table.size()) < batch + 1 || (batch == 1 && (index.size() != 1 || index[0] != table[0])))
    return violated(*this, "batch_dims 0, or 1 with one index per batch entry", Twine(batch));
  SmallVector<int64_t> wanted(index);
  wanted.append(table.begin() + batch + 1, table.end());
  return expectShape(*this, "the result", getResult(), wanted);
}

LogicalResult DropoutOp::verify() {
  if (failed(verifyDrop(*this, getDrop())))
    return failure();
  return expectShape(*this, "the result", getResult(), shape(getX()));
}

LogicalResult ReduceOp::verify() {
  ArrayRef<int64_t> extents = getExtents(), result = shape(getResult());
  if (extents.size() < result.size() || extents.take_front(result.size()) != result)
    return violated(*this, "extents that begin with the result's", shapeText(extents));
  if (failed(expectMaps(*this, getMaps(), getInputs(), extents.size())))
    return failure();
  bool argmax = getCombine() == Combine::argmax;
  if (argmax && extents.size() != result.size() + 1)
    return violated(*this, "one reduced dimension for argmax", Twine(extents.size() - result.size()));
  if (argmax ? !element(getResult()).isInteger(64) : !isa<FloatType>(element(getResult())))
    return violated(*this, argmax ? "an i64 result" : "a float result", "another");
  return expectScalars(*this, getBody(), 0, getInputs(), Float32Type::get(getContext()));
}

LogicalResult AdaptivePoolOp::verify() {
  if (failed(expectRank(*this, "x", getX(), 4)) || failed(expectRank(*this, "the result", getResult(), 4)))
    return failure();
  return expectShape(*this, "the result", getResult(), {shape(getX())[0], shape(getResult())[1], shape(getResult())[2], shape(getX())[3]});
}

/// Tiles of m[0] × m[1] outputs; a transformed tile has (m + 2) points a side: the 3x3 kernel's reach.
static LogicalResult verifyTiles(Operation *op, ArrayRef<int64_t> m, ArrayRef<int64_t> picture, Value planes, Value first) {
  if (m.size() != 2 || m[0] < 1 || m[1] < 1 || picture[1] % m[0] || picture[2] % m[1])
    return violated(op, "output tiles that divide the picture", shapeText(picture));
  int64_t row = picture[2] / m[1], tiles = picture[0] * (picture[1] / m[0]) * row;
  if (first) {
    auto type = cast<RankedTensorType>(first.getType());
    if (type.getRank() != 0 || !type.getElementType().isInteger(64))
      return violated(op, "the first row of a slab as a scalar i64", shapeText(type.getShape()));
    if (failed(expectRank(op, "the planes", planes, 3)))
      return failure();
    int64_t held = shape(planes)[1];
    if (held < 1 || held % row || held > tiles)
      return violated(op, "a slab of whole rows of " + Twine(row) + " tiles, at most " + Twine(tiles), Twine(held));
    tiles = held;
  }
  return expectShape(op, "the planes", planes, {(m[0] + 2) * (m[1] + 2), tiles, picture[3]});
}

LogicalResult WinogradInputOp::verify() {
  if (failed(expectRank(*this, "x", getX(), 4)))
    return failure();
  ArrayRef<int64_t> x = shape(getX());
  return verifyTiles(*this, getM(), {x[0], x[1] - 2, x[2] - 2, x[3]}, getResult(), getFirst());
}

LogicalResult WinogradOutputOp::verify() {
  if (failed(expectRank(*this, "the result", getResult(), 4)) || failed(verifyTiles(*this, getM(), shape(getResult()), getPlanes(), getFirst())) ||
      failed(expectMaps(*this, getMaps(), getExtras(), 4)))
    return failure();
  if (getInto() && (!getFirst() || getInto().getType() != getResult().getType()))
    return violated(*this, "a slab that goes into a picture of the result's type", getFirst() ? "another type" : "no slab");
  return expectScalars(*this, getEpilogue(), 1, getExtras(), element(getResult()));
}

} // namespace hb::kernel
