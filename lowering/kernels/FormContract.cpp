// Rules of the ops that become contractions and normalisations.
#include "lowering/kernels/Former.h"
#include "lowering/kernels/Scalars.h"

using namespace mlir;

namespace hb {

using kernel::WeightLayout;

namespace {
/// What a contraction is made of, before the op exists.
struct Contraction {
  kernel::ContractForm form = kernel::ContractForm::linear;
  Value a, weight, loraA, loraB, loraScale;
  SmallVector<Value> extras;
  SmallVector<AffineMap> maps;
  SmallVector<int64_t> strides = {1, 1};
  bool gated = false, adjoint = false;
  ArrayRef<int64_t> loraBlocks = {};
  SmallVector<Value> drop = {};
  bool dropResult = false;
};
} // namespace

static Value build(OpBuilder &b, Location where, RankedTensorType result, const Contraction &c, ScalarBody epilogue) {
  auto op = kernel::ContractOp::create(b, where, result, c.form, c.a, c.weight, c.loraA, c.loraB, c.loraScale, c.extras, b.getAffineMapArrayAttr(c.maps),
                                       c.strides, c.gated);
  if (!c.loraBlocks.empty())
    op.setLoraBlocks(c.loraBlocks);
  op.setAdjoint(c.adjoint);
  op.getDropMutable().assign(c.drop);
  op.setDropResult(c.dropResult);
  Block &block = op.getEpilogue().emplaceBlock();
  for (int i = 0; i < (c.gated ? 2 : 1); ++i)
    block.addArgument(b.getF32Type(), where);
  for (Value extra : c.extras)
    block.addArgument(tensorOf(extra).getElementType(), where);
  OpBuilder inner = OpBuilder::atBlockBegin(&block);
  kernel::YieldOp::create(inner, where, epilogue(inner, block.getArguments()));
  return op.getResult();
}

/// The bias as an extra that depends on the last index only, `shift` rows further down.
static void addBias(OpBuilder &b, Contraction &c, Value bias, int64_t rank, int64_t shift = 0) {
  c.extras.push_back(bias);
  c.maps.push_back(AffineMap::get(rank, 0, {b.getAffineDimExpr(rank - 1) + shift}, b.getContext()));
}

static Value addBiasToAccumulator(OpBuilder &b, Location where, ValueRange args) {
  return args.size() > 1 ? arith::AddFOp::create(b, where, args[0], args[1]).getResult() : args[0];
}

static void setLora(Former &f, Contraction &c, Value a, Value loraB, Value scale, WeightLayout layout, ArrayRef<int64_t> shape) {
  Type f32 = f.b.getF32Type();
  c.loraA = f.weights.get(a, shapeOf(a), WeightLayout::panel16, f32);
  c.loraB = f.weights.get(loraB, shape, layout, f32);
  c.loraScale = f.weights.dense(scale);
}

static SmallVector<Value> dropOperands(Former &f, ValueRange drop) {
  return llvm::map_to_vector(drop, [&](Value value) { return f.operand(value); });
}

Value Former::form(nn::DropoutOp op) {
  return kernel::DropoutOp::create(b, op.getLoc(), typeOf(*op), operand(op.getX()), dropOperands(*this, op.getDrop()));
}

Value Former::form(nn::LinearOp op) {
  auto type = typeOf(*op);
  Value x = operand(op.getX());
  if (!WeightTable::isParameter(op.getWeight())) {
    // A computed weight is never packed: a plain sum of products, with the bias behind it.
    Value w = operand(op.getWeight());
    int64_t rank = type.getRank();
    SmallVector<AffineExpr> row;
    for (int64_t i = 0; i < rank - 1; ++i)
      row.push_back(b.getAffineDimExpr(i));
    row.push_back(b.getAffineDimExpr(rank));
    MapInput inputs[] = {{x, AffineMap::get(rank + 1, 0, row, b.getContext())},
                         {w, AffineMap::get(rank + 1, 0, {b.getAffineDimExpr(rank - 1), b.getAffineDimExpr(rank)}, b.getContext())}};
    Value product = buildReduce(b, op.getLoc(), type, kernel::Combine::sum, inputs, shapeOf(x).back(), [&](OpBuilder &in, ValueRange args) -> Value {
      return arith::MulFOp::create(in, op.getLoc(), args[0], emitConvert(in, op.getLoc(), args[1], args[0].getType()));
    });
    if (!op.getBias())
      return product;
    return buildMap(b, op.getLoc(), type, {broadcast(product, type), broadcast(op.getBias(), type)},
                    [&](OpBuilder &in, ValueRange args) { return addBiasToAccumulator(in, op.getLoc(), args); });
  }
  Contraction c;
  c.a = x;
  c.weight = weights.get(op.getWeight(), shapeOf(op.getWeight()), WeightLayout::panel16);
  if (op.getBias())
    addBias(b, c, operand(op.getBias()), type.getRank());
  return build(b, op.getLoc(), type, c, [&](OpBuilder &in, ValueRange args) { return addBiasToAccumulator(in, op.getLoc(), args); });
}

Value Former::form(nn::LoraLinearOp op) {
  auto type = typeOf(*op);
  for (Value weight : {op.getWeight(), op.getA(), op.getB(), op.getScale()})
    if (!WeightTable::isParameter(weight))
      return noKernel(op, "parameters as weight and adapter factors", "a computed one");
  Contraction c;
  c.a = operand(op.getX());
  c.weight = weights.get(op.getWeight(), shapeOf(op.getWeight()), WeightLayout::panel16);
  if (op.getBlocks()) { // merged linears: the factors of each at its place on the diagonal
    c.loraBlocks = *op.getBlocks();
    setLora(*this, c, op.getA(), op.getB(), op.getScale(), WeightLayout::diagonal_panel16, {type.getShape().back(), shapeOf(op.getA())[0]});
  } else {
    setLora(*this, c, op.getA(), op.getB(), op.getScale(), WeightLayout::panel16, shapeOf(op.getB()));
    c.drop = dropOperands(*this, op.getDrop());
  }
  if (op.getBias())
    addBias(b, c, operand(op.getBias()), type.getRank());
  return build(b, op.getLoc(), type, c, [&](OpBuilder &in, ValueRange args) { return addBiasToAccumulator(in, op.getLoc(), args); });
}

Value Former::form(nn::GatedLinearOp op) {
  auto type = typeOf(*op);
  for (Value weight : {op.getWeight(), op.getA(), op.getB(), op.getScale()})
    if (weight && !WeightTable::isParameter(weight))
      return noKernel(op, "parameters as weight and adapter factors", "a computed one");
  Contraction c;
  c.gated = true;
  c.a = operand(op.getX());
  c.weight = weights.get(op.getWeight(), shapeOf(op.getWeight()), WeightLayout::gated_panel16);
  if (op.getA())
    setLora(*this, c, op.getA(), op.getB(), op.getScale(), WeightLayout::gated_panel16, shapeOf(op.getB()));
  c.drop = dropOperands(*this, op.getDrop());
  if (op.getBias()) {
    // One bias vector, read twice: the gate's half starts N further.
    Value bias = operand(op.getBias());
    addBias(b, c, bias, type.getRank());
    addBias(b, c, bias, type.getRank(), type.getShape().back());
  }
  Location where = op.getLoc();
  return build(b, where, type, c, [&](OpBuilder &in, ValueRange args) -> Value {
    Value value = args[0], gate = args[1];
    if (args.size() == 4) {
      value = arith::AddFOp::create(in, where, value, args[2]);
      gate = arith::AddFOp::create(in, where, gate, args[3]);
    }
    return arith::MulFOp::create(in, where, value, emitUnary(in, where, op.getKind(), gate));
  });
}

/// The weight of an adjoint product, `stored` its shape in the checkpoint: the copy that the product itself reads where there is one, else one
/// of its own, transposed.
static void setAdjointWeight(Former &f, Contraction &c, Value parameter, ArrayRef<int64_t> stored) {
  c.weight = f.weights.find(parameter, stored, WeightLayout::panel16);
  c.adjoint = static_cast<bool>(c.weight);
  if (c.adjoint)
    return;
  SmallVector<int64_t> exchanged(stored);
  std::swap(exchanged[0], exchanged[1]);
  c.weight = f.weights.get(parameter, exchanged, WeightLayout::panel16, {}, true);
}

/// False after a diagnostic when a convolution or its gradient has no kernel.
template <typename Op> static bool hasKernel(Op op) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "a picture with channels last (simplify makes it so)", "layout nchw"), false;
  if (!WeightTable::isParameter(op.getWeight()))
    return noKernel(op, "a parameter as weight", "a computed one"), false;
  return true;
}

/// The picture `before` rows and columns further inside one of `size` rows and columns, zeros around it.
static Value bordered(OpBuilder &b, Location where, Value x, ArrayRef<int64_t> before, ArrayRef<int64_t> size) {
  ArrayRef<int64_t> shape = shapeOf(x);
  if (before[0] == 0 && before[1] == 0 && size[0] == shape[1] && size[1] == shape[2])
    return x;
  AffineExpr d0, d1, d2, d3;
  bindDims(b.getContext(), d0, d1, d2, d3);
  return buildMove(b, where, RankedTensorType::get({shape[0], size[0], size[1], shape[3]}, tensorOf(x).getElementType()),
                   {x, AffineMap::get(4, 0, {d0, d1 - before[0], d2 - before[1], d3}, b.getContext()), true});
}

Value Former::form(nn::Conv2dOp op) {
  if (!hasKernel(op))
    return {};
  auto type = typeOf(*op);
  Location where = op.getLoc();
  ArrayRef<int64_t> weight = shapeOf(op.getWeight()), strides = op.getStrides(), padding = op.getPadding();
  Contraction c;
  ArrayRef<int64_t> in = shapeOf(op.getX());
  c.a = bordered(b, where, operand(op.getX()), {padding[0], padding[2]}, {in[1] + padding[0] + padding[1], in[2] + padding[2] + padding[3]});
  bool pointwise = weight[2] == 1 && weight[3] == 1 && strides[0] == 1 && strides[1] == 1;
  c.form = pointwise ? kernel::ContractForm::linear : kernel::ContractForm::conv2d;
  c.strides.assign(strides.begin(), strides.end());
  c.weight = weights.get(op.getWeight(), pointwise ? weight.take_front(2) : weight, WeightLayout::panel16);
  if (op.getBias())
    addBias(b, c, operand(op.getBias()), 4);
  return build(b, where, type, c, [&](OpBuilder &in, ValueRange args) { return addBiasToAccumulator(in, where, args); });
}

/// The picture a convolution's gradient is a plain convolution of: the cotangents `stride` apart with zeros between, and a border.
static Value dilated(Former &f, Location where, Value dy, ArrayRef<int64_t> strides, ArrayRef<int64_t> before, ArrayRef<int64_t> padded) {
  OpBuilder &b = f.b;
  ArrayRef<int64_t> shape = shapeOf(dy);
  Type element = tensorOf(dy).getElementType();
  if (strides[0] != 1 || strides[1] != 1) {
    // [B, h, sh, w, sw, O] whose elements beside index 0 of the new axes lie outside dy, then seen as [B, h·sh, w·sw, O].
    auto spread = RankedTensorType::get({shape[0], shape[1], strides[0], shape[2], strides[1], shape[3]}, element);
    auto source = RankedTensorType::get({shape[0], shape[1], 1, shape[2], 1, shape[3]}, element);
    Value wide = buildMove(b, where, spread, {kernel::ViewOp::create(b, where, source, dy), b.getMultiDimIdentityMap(6), true});
    dy = kernel::ViewOp::create(b, where, RankedTensorType::get({shape[0], shape[1] * strides[0], shape[2] * strides[1], shape[3]}, element), wide);
  }
  return bordered(b, where, dy, before, padded);
}

Value Former::form(nn::Conv2dVjpOp op) {
  if (!hasKernel(op))
    return {};
  auto type = typeOf(*op);
  Location where = op.getLoc();
  ArrayRef<int64_t> stored = shapeOf(op.getWeight()), strides = op.getStrides(), padding = op.getPadding();
  // dx[y] = Σ dy′[y + top − ky]·W[ky], dy′ dilated: a convolution with the taps reversed and a border of kh − 1 − top in front.
  Contraction c;
  c.a = dilated(*this, where, operand(op.getDy()), strides, {stored[2] - 1 - padding[0], stored[3] - 1 - padding[2]},
                {type.getDimSize(1) + stored[2] - 1, type.getDimSize(2) + stored[3] - 1});
  bool pointwise = stored[2] == 1 && stored[3] == 1;
  c.form = pointwise ? kernel::ContractForm::linear : kernel::ContractForm::conv2d;
  setAdjointWeight(*this, c, op.getWeight(), stored.take_front(pointwise ? 2 : 4));
  return build(b, where, type, c, [](OpBuilder &, ValueRange args) { return args[0]; });
}

/// [N, K] as [K, N].
static SmallVector<int64_t> turned(ArrayRef<int64_t> shape) { return {shape[1], shape[0]}; }

Value Former::form(nn::LinearVjpOp op) {
  for (Value weight : {op.getWeight(), op.getA(), op.getB(), op.getScale()})
    if (weight && !WeightTable::isParameter(weight))
      return noKernel(op, "parameters as weight and adapter factors", "a computed one");
  Contraction c;
  c.a = operand(op.getDy());
  setAdjointWeight(*this, c, op.getWeight(), shapeOf(op.getWeight()));
  if (op.getA()) {
    // The factors exchange their roles: ((dy·B)∘s)·A.
    Type f32 = b.getF32Type();
    c.loraA = weights.get(op.getB(), turned(shapeOf(op.getB())), WeightLayout::panel16, f32, true);
    c.loraB = weights.get(op.getA(), turned(shapeOf(op.getA())), WeightLayout::panel16, f32, true);
    c.loraScale = weights.dense(op.getScale());
    c.drop = dropOperands(*this, op.getDrop());
    c.dropResult = !c.drop.empty();
  }
  return build(b, op.getLoc(), typeOf(*op), c, [](OpBuilder &, ValueRange args) { return args[0]; });
}

static bool hasContiguousRows(Value value) {
  auto strided = dyn_cast_if_present<kernel::StridedAttr>(tensorOf(value).getEncoding());
  return tensorOf(value).getElementType().isF32() && (!strided || strided.getStrides().back() == 1);
}

Value Former::form(nn::MatmulOp op) {
  auto type = typeOf(*op);
  if (WeightTable::isParameter(op.getB()) && type.getRank() == 2 && !op.getTransposeA()) {
    ArrayRef<int64_t> stored = shapeOf(op.getB());
    Contraction c;
    c.a = operand(op.getA());
    c.weight = weights.get(op.getB(), op.getTransposeB() ? SmallVector<int64_t>(stored) : turned(stored), WeightLayout::panel16, {}, !op.getTransposeB());
    return build(b, op.getLoc(), type, c, [](OpBuilder &, ValueRange args) { return args[0]; });
  }
  Value left = operand(op.getA()), right = operand(op.getB());
  int64_t rank = type.getRank();
  if (rank == 2 && op.getTransposeA() && !op.getTransposeB() && hasContiguousRows(left) && hasContiguousRows(right)) {
    Contraction c;
    c.form = kernel::ContractForm::outer;
    c.a = left;
    c.weight = right;
    return build(b, op.getLoc(), type, c, [](OpBuilder &, ValueRange args) { return args[0]; });
  }
  AffineExpr m = b.getAffineDimExpr(rank - 2), n = b.getAffineDimExpr(rank - 1), k = b.getAffineDimExpr(rank);
  SmallVector<AffineExpr> a, c;
  for (int64_t i = 0; i < rank - 2; ++i)
    a.push_back(b.getAffineDimExpr(i));
  c = a;
  a.append(op.getTransposeA() ? std::initializer_list<AffineExpr>{k, m} : std::initializer_list<AffineExpr>{m, k});
  c.append(op.getTransposeB() ? std::initializer_list<AffineExpr>{n, k} : std::initializer_list<AffineExpr>{k, n});
  return buildReduce(b, op.getLoc(), type, kernel::Combine::sum,
                     {MapInput{left, AffineMap::get(rank + 1, 0, a, b.getContext())}, MapInput{right, AffineMap::get(rank + 1, 0, c, b.getContext())}},
                     shapeOf(left)[rank - (op.getTransposeA() ? 2 : 1)],
                     [&](OpBuilder &inner, ValueRange args) -> Value { return arith::MulFOp::create(inner, op.getLoc(), args[0], args[1]); });
}

static Value normalize(Former &f, Operation *op, kernel::NormKind kind, Value x, Value stats, Value weight, Value bias, double eps, int64_t groups) {
  auto normalized = kernel::NormalizeOp::create(f.b, op->getLoc(), f.typeOf(*op), kind, x, stats, weight, bias, llvm::APFloat(eps), groups);
  Block &block = normalized.getEpilogue().emplaceBlock();
  Value arg = block.addArgument(f.b.getF32Type(), op->getLoc());
  OpBuilder inner = OpBuilder::atBlockBegin(&block);
  kernel::YieldOp::create(inner, op->getLoc(), arg);
  return normalized.getResult();
}

/// Runs of pixels of about this many bytes: long enough to be worth a task, short enough to stay in a first-level cache,
/// and a function of shapes alone, so that every target and thread count adds in the same order.
static constexpr int64_t kRunBytes = 32 * 1024;

Value Former::form(nn::GroupNormOp op) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "a picture with channels last (simplify makes it so)", "layout nchw");
  Value x = operand(op.getX());
  ArrayRef<int64_t> shape = shapeOf(x);
  int64_t pixels = shape[1] * shape[2], groups = op.getGroups();
  int64_t run = std::clamp<int64_t>(kRunBytes / (shape[3] * 4), 1, std::max<int64_t>(pixels, 1));
  int64_t chunks = llvm::divideCeil(pixels, run);
  chunks = llvm::divideCeil(pixels, llvm::divideCeil(pixels, chunks)); // no empty run at the end
  auto stats = kernel::GroupStatsOp::create(b, op.getLoc(), RankedTensorType::get({shape[0], chunks, groups, 2}, b.getF32Type()), x, groups, chunks);
  return normalize(*this, op, kernel::NormKind::group, x, stats, operand(op.getWeight()), operand(op.getBias()), op.getEps().convertToDouble(), groups);
}

Value Former::form(nn::LayerNormOp op) {
  return normalize(*this, op, kernel::NormKind::layer, operand(op.getX()), {}, operand(op.getWeight()), operand(op.getBias()),
                   op.getEps().convertToDouble(), 0);
}

Value Former::form(nn::SoftmaxOp op) { return normalize(*this, op, kernel::NormKind::softmax, operand(op.getX()), {}, {}, {}, 0.0, 0); }

Value Former::form(nn::L2NormalizeOp op) {
  return normalize(*this, op, kernel::NormKind::l2, operand(op.getX()), {}, {}, {}, op.getEps().convertToDouble(), 0);
}

} // namespace hb
