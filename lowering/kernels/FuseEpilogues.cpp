// hb-fuse-epilogues, and maps that move into the epilogue of their producer.
#include "lowering/kernels/Fuse.h"
#include "lowering/kernels/Passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBFUSEEPILOGUES
#include "lowering/kernels/Passes.h.inc"

/// Extras of one epilogue; each is a stream of its own in the innermost loop.
static constexpr size_t kMostExtras = 6;

namespace {
/// An operand of the map that could become the accumulator of an epilogue.
struct Target {
  Operation *root = nullptr; ///< the contraction, Winograd output or normalisation
  unsigned operand = 0;
};

/// An input of the map as an extra of the epilogue.
struct Extra {
  Value value;
  AffineMap map;
  bool needsView = false; ///< the same elements under the root's shape
};
} // namespace

static bool acceptsExtras(Operation *op) { return isa<kernel::ContractOp, kernel::WinogradOutputOp>(op); }

/// The op whose result a chain of contiguous views with one reader each shows, or null.
static Operation *rootBehindViews(Value value, Operation *reader) {
  while (true) {
    if (!value.hasOneUse() || *value.user_begin() != reader || !isContiguous(value))
      return nullptr;
    Operation *op = value.getDefiningOp();
    auto view = dyn_cast_or_null<kernel::ViewOp>(op);
    if (!view)
      return op;
    reader = op;
    value = view.getX();
  }
}

static bool acceptsEpilogue(Operation *op, size_t inputs) {
  if (auto contract = dyn_cast_or_null<kernel::ContractOp>(op))
    return contract.hasEpilogue();
  if (auto normalize = dyn_cast_or_null<kernel::NormalizeOp>(op))
    return inputs == 1 && llvm::all_of(normalize.getPad(), [](int64_t p) { return p == 0; });
  return isa_and_nonnull<kernel::WinogradOutputOp>(op);
}

/// The latest possible root: what is moved to it (or it to) then crosses the fewest commands.
static Target chooseTarget(kernel::MapOp map, ArrayRef<MapInput> inputs) {
  Target best;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (input.zeroOutside || !isIdentity(input.map, shapeOf(input.value), shapeOf(map.getResult())))
      continue;
    Operation *root = rootBehindViews(input.value, map);
    if (!root || root->getBlock() != map->getBlock() || !acceptsEpilogue(root, inputs.size()))
      continue;
    if (!best.root || best.root->isBeforeInBlock(root))
      best = {root, static_cast<unsigned>(i)};
  }
  return best;
}

/// The map's other inputs as seen from the indices of the root's result.
static std::optional<SmallVector<Extra>> extrasOf(kernel::MapOp map, ArrayRef<MapInput> inputs, const Target &target) {
  ArrayRef<int64_t> rootShape = shapeOf(target.root->getResult(0)), mapShape = shapeOf(map.getResult());
  SmallVector<Extra> extras;
  std::optional<AffineMap> shapeMap;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (i == target.operand)
      continue;
    if (input.zeroOutside || !tensorOf(input.value).getElementType().isF32() || !isContiguous(input.value))
      return std::nullopt;
    Extra extra{input.value, input.map};
    if (rootShape != mapShape) {
      if (isIdentity(input.map, shapeOf(input.value), mapShape)) {
        extra.needsView = true;
        extra.map = AffineMap::getMultiDimIdentityMap(rootShape.size(), map.getContext());
      } else {
        if (!shapeMap)
          shapeMap = reshapeMap(map.getContext(), mapShape, rootShape);
        if (!shapeMap)
          return std::nullopt;
        extra.map = canonicalMap(simplifyAffineMap(input.map.compose(*shapeMap)), shapeOf(input.value), rootShape);
      }
    }
    if (!isBroadcastOnly(extra.map))
      return std::nullopt;
    extras.push_back(extra);
  }
  return extras;
}

static bool isAvailableAt(Value value, Operation *op) {
  Operation *definition = value.getDefiningOp();
  return !definition || definition->getBlock() != op->getBlock() || definition->isBeforeInBlock(op);
}

bool absorbIntoProducer(kernel::MapOp map) {
  if (!tensorOf(map.getResult()).getElementType().isF32())
    return false;
  SmallVector<MapInput> inputs = inputsOf(map);
  Target target = chooseTarget(map, inputs);
  if (!target.root)
    return false;
  auto extras = extrasOf(map, inputs, target);
  if (!extras)
    return false;
  Operation *root = target.root;
  unsigned before = 0; // extras the root has already
  if (auto contract = dyn_cast<kernel::ContractOp>(root))
    before = contract.getExtras().size();
  if (auto output = dyn_cast<kernel::WinogradOutputOp>(root))
    before = output.getExtras().size();
  if (before + extras->size() > kMostExtras)
    return false;

  // The root stays where it is if everything it now reads is there already, else it moves down to the map.
  bool stays = llvm::all_of(*extras, [&](const Extra &extra) { return isAvailableAt(extra.value, root); });
  if (!stays)
    root->moveBefore(map);
  OpBuilder b(root);
  SmallVector<Value> values;
  SmallVector<Attribute> maps;
  auto type = tensorOf(root->getResult(0));
  for (const Extra &extra : *extras) {
    Value value = extra.value;
    if (extra.needsView)
      value = kernel::ViewOp::create(b, map.getLoc(), RankedTensorType::get(type.getShape(), b.getF32Type()), value);
    values.push_back(value);
    maps.push_back(AffineMapAttr::get(extra.map));
  }
  auto append = [&](auto op) {
    op.getExtrasMutable().append(values);
    SmallVector<Attribute> all(op.getMaps().begin(), op.getMaps().end());
    all.append(maps);
    op.setMapsAttr(b.getArrayAttr(all));
  };
  if (auto contract = dyn_cast<kernel::ContractOp>(root))
    append(contract);
  else if (auto output = dyn_cast<kernel::WinogradOutputOp>(root))
    append(output);

  // The epilogue goes on where it ended: its value is the map's argument.
  Block &epilogue = root->getRegion(0).front();
  SmallVector<Value> arguments(inputs.size());
  size_t next = 0;
  Operation *yield = epilogue.getTerminator();
  for (size_t i = 0; i < inputs.size(); ++i)
    arguments[i] = i == target.operand ? yield->getOperand(0) : epilogue.addArgument(b.getF32Type(), map.getLoc());
  OpBuilder inner(yield);
  Value value = inlineScalars(inner, map.getBody(), arguments);
  yield->setOperand(0, value);

  Value result = root->getResult(0);
  SmallVector<Value> old(map.getInputs());
  Value replacement = result;
  if (shapeOf(result) != shapeOf(map.getResult())) {
    OpBuilder after(map);
    replacement = kernel::ViewOp::create(after, map.getLoc(), map.getType(), result);
  }
  map.getResult().replaceAllUsesWith(replacement);
  map.erase();
  eraseDead(old);
  return true;
}

bool absorbPadding(kernel::MapOp map) {
  SmallVector<MapInput> inputs = inputsOf(map);
  if (inputs.size() != 1 || !inputs[0].zeroOutside || scalarOps(map.getBody()) != 0 || !inputs[0].value.hasOneUse())
    return false;
  auto normalize = inputs[0].value.getDefiningOp<kernel::NormalizeOp>();
  if (!normalize || normalize.getKind() != kernel::NormKind::group || llvm::any_of(normalize.getPad(), [](int64_t p) { return p != 0; }))
    return false;
  ArrayRef<int64_t> in = shapeOf(normalize.getResult()), out = shapeOf(map.getResult());
  AffineMap shift = inputs[0].map;
  SmallVector<int64_t> pad(4, 0);
  for (unsigned axis = 0; axis < 4; ++axis) {
    // d − before: the map of zero padding.
    auto before = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(getAffineDimExpr(axis, map.getContext()) - shift.getResult(axis), 4, 0));
    if (!before)
      return false;
    int64_t after = out[axis] - in[axis] - before.getValue();
    bool padded = axis == 1 || axis == 2;
    if (before.getValue() < 0 || after < 0 || (!padded && (before.getValue() || after)))
      return false;
    if (padded) {
      pad[2 * (axis - 1)] = before.getValue();
      pad[2 * (axis - 1) + 1] = after;
    }
  }
  normalize.setPad(pad);
  normalize.getResult().setType(map.getType());
  map.getResult().replaceAllUsesWith(normalize.getResult());
  map.erase();
  return true;
}

namespace {
struct FuseEpilogues : impl::HbFuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    if (!getOperation().isDeclaration())
      fuseBlock(getOperation().getBody().front());
  }

  static void fuseBlock(Block &block) {
    // Forwards: what feeds an op has been fused when the op's turn comes. Only the op itself and ops before it are ever
    // erased, so the iterator behind it stays good.
    for (auto it = block.begin(); it != block.end();) {
      Operation *op = &*it++;
      if (auto repeat = dyn_cast<nn::RepeatOp>(op)) {
        fuseBlock(repeat.getBody().front());
        continue;
      }
      if (!isa<kernel::MapOp, kernel::ReduceOp>(op))
        continue;
      op = fuseProducers(op);
      if (auto map = dyn_cast<kernel::MapOp>(op); map && !absorbIntoProducer(map))
        absorbPadding(map);
    }
  }
};
} // namespace

} // namespace hb
