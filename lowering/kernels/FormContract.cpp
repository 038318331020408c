// Rules of the ops that become contractions, attention and normalisations.
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
  bool gated = false;
  ArrayRef<int64_t> loraBlocks = {};
};
} // namespace

static Value build(OpBuilder &b, Location where, RankedTensorType result, const Contraction &c, ScalarBody epilogue) {
  auto op = kernel::ContractOp::create(b, where, result, c.form, c.a, c.weight, c.loraA, c.loraB, c.loraScale, c.extras, b.getAffineMapArrayAttr(c.maps),
                                       c.strides, c.gated);
  if (!c.loraBlocks.empty())
    op.setLoraBlocks(c.loraBlocks);
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

Value Former::form(nn::Conv2dOp op) {
  if (op.getLayout() != nn::Layout::nhwc)
    return noKernel(op, "a picture with channels last (simplify makes it so)", "layout nchw");
  if (!WeightTable::isParameter(op.getWeight()))
    return noKernel(op, "a parameter as weight", "a computed one");
  auto type = typeOf(*op);
  Location where = op.getLoc();
  ArrayRef<int64_t> weight = shapeOf(op.getWeight()), strides = op.getStrides(), padding = op.getPadding();
  Contraction c;
  c.a = operand(op.getX());
  if (llvm::any_of(padding, [](int64_t p) { return p != 0; })) {
    ArrayRef<int64_t> in = shapeOf(c.a);
    auto padded = RankedTensorType::get({in[0], in[1] + padding[0] + padding[1], in[2] + padding[2] + padding[3], in[3]}, tensorOf(c.a).getElementType());
    AffineExpr d0, d1, d2, d3;
    bindDims(b.getContext(), d0, d1, d2, d3);
    c.a = buildMove(b, where, padded, {c.a, AffineMap::get(4, 0, {d0, d1 - padding[0], d2 - padding[2], d3}, b.getContext()), true});
  }
  bool pointwise = weight[2] == 1 && weight[3] == 1 && strides[0] == 1 && strides[1] == 1;
  c.form = pointwise ? kernel::ContractForm::linear : kernel::ContractForm::conv2d;
  c.strides.assign(strides.begin(), strides.end());
  c.weight = weights.get(op.getWeight(), pointwise ? weight.take_front(2) : weight, WeightLayout::panel16);
  if (op.getBias())
    addBias(b, c, operand(op.getBias()), 4);
  return build(b, where, type, c, [&](OpBuilder &in, ValueRange args) { return addBiasToAccumulator(in, where, args); });
}

Value Former::form(nn::AttentionOp op) {
  Value mask = op.getMask() ? operand(op.getMask()) : Value();
  return kernel::AttentionOp::create(b, op.getLoc(), typeOf(*op), operand(op.getQ()), operand(op.getK()), operand(op.getV()), mask, op.getHeads(),
                                     op.getScale(), op.getCausal());
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
