// Maps composed with the maps that feed them.
#include "lowering/kernels/Fuse.h"
#include "lowering/kernels/Scalars.h"

using namespace mlir;

namespace hb {

/// A fused kernel reads at most this many tensors (registers and memory streams run out) and computes at most this many ops.
static constexpr size_t kMostOperands = 8;
static constexpr int kMostScalarOps = 64;
/// A slice is short when its reader has this many times its elements.
static constexpr int64_t kShortSlice = 8;
/// Work that may be repeated when the consumer reads an element several times.
static constexpr int kCheapScalarOps = 2;

int scalarOps(Region &region) {
  int count = 0;
  for (Operation &op : region.front().without_terminator())
    count += !isa<arith::ConstantOp>(op);
  return count;
}

void eraseDead(ArrayRef<Value> values) {
  llvm::SetVector<Operation *> work;
  auto add = [&](Value value) {
    if (Operation *op = value.getDefiningOp(); op && isa<kernel::KernelDialect>(op->getDialect()))
      work.insert(op);
  };
  llvm::for_each(values, add);
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!op->use_empty())
      continue;
    llvm::for_each(op->getOperands(), add);
    op->erase();
  }
}

namespace {

/// A consumer as fusion sees it: a space of indices, inputs, a scalar region.
struct Consumer {
  Operation *op;
  SmallVector<MapInput> inputs;
  SmallVector<int64_t> space;
  Region *body;

  static std::optional<Consumer> of(Operation *op) {
    if (auto map = dyn_cast<kernel::MapOp>(op))
      return Consumer{op, inputsOf(map), SmallVector<int64_t>(shapeOf(map.getResult())), &map.getBody()};
    if (auto reduce = dyn_cast<kernel::ReduceOp>(op)) {
      SmallVector<MapInput> inputs;
      for (auto [value, map] : llvm::zip(reduce.getInputs(), reduce.getMaps().getAsValueRange<AffineMapAttr>()))
        inputs.push_back({value, map});
      return Consumer{op, inputs, SmallVector<int64_t>(reduce.getExtents()), &reduce.getBody()};
    }
    return std::nullopt;
  }
};

/// A map that can be read instead of its result: the op and how the consumer's indices reach its result.
struct Producer {
  kernel::MapOp map;
  AffineMap access;
};

} // namespace

static bool movesOnly(kernel::MapOp map) { return scalarOps(map.getBody()) == 0; }

/// Some input is read from a fixed distance on: a slice that does not start at the first element.
static bool hasOffset(kernel::MapOp map) {
  return llvm::any_of(inputsOf(map), [](const MapInput &input) {
    return llvm::any_of(input.map.getResults(), [](AffineExpr index) {
      auto constant = dyn_cast<AffineConstantExpr>(index);
      return constant ? constant.getValue() != 0 : index.getKind() == AffineExprKind::Add;
    });
  });
}

/// A broadcast, or a slice: every axis shifted, none moved.
static bool picksInOrder(const MapInput &input) {
  if (input.zeroOutside)
    return false;
  bool isSlice = input.map.getNumResults() == input.map.getNumDims();
  for (auto [axis, index] : llvm::enumerate(input.map.getResults()))
    isSlice = isSlice && index.isFunctionOfDim(axis);
  return isSlice || isBroadcastOnly(input.map);
}

/// Whether everything that reads `value`, through views too, is `reader`.
static bool onlyReader(Value value, Operation *reader) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    if (auto view = dyn_cast<kernel::ViewOp>(user))
      return onlyReader(view.getResult(), reader);
    return user == reader;
  });
}

/// Reading outside the producer's result must read zero through the producer as well: every input leaves its own bounds
/// whenever the result is left, and the function of zeros is zero. The maps are monotone in each dimension (sums, positive
/// multiples, floordiv; no mod), so looking at the first index on either side is enough.
static bool keepsZeroOutside(kernel::MapOp producer) {
  ArrayRef<int64_t> result = shapeOf(producer.getResult());
  for (const MapInput &input : inputsOf(producer)) {
    if (input.zeroOutside || input.map.getNumResults() != input.map.getNumDims())
      return false;
    SmallVector<bool> covered(result.size(), false);
    for (auto [axis, expr] : llvm::enumerate(input.map.getResults())) {
      int64_t dim = -1;
      for (unsigned i = 0; i < result.size(); ++i)
        if (expr.isFunctionOfDim(i))
          dim = dim == -1 && !covered[i] ? static_cast<int64_t>(i) : -2; // the cast keeps -2 negative
      bool hasMod = false;
      expr.walk([&](AffineExpr part) { hasMod |= part.getKind() == AffineExprKind::Mod; });
      if (dim < 0 || hasMod)
        return false;
      covered[dim] = true;
      auto at = [&](int64_t index) {
        AffineExpr value = expr.replace(getAffineDimExpr(dim, expr.getContext()), getAffineConstantExpr(index, expr.getContext()));
        return cast<AffineConstantExpr>(simplifyAffineExpr(value, result.size(), 0)).getValue();
      };
      if (at(-1) >= 0 || at(result[dim]) < shapeOf(input.value)[axis])
        return false;
    }
  }
  return evaluateAtZero(producer.getBody()) == 0.0;
}

static std::optional<Producer> producerOf(const Consumer &consumer, const MapInput &input) {
  Value value = input.value;
  AffineMap access = input.map;
  while (auto view = value.getDefiningOp<kernel::ViewOp>()) {
    if (!isContiguous(view.getX()) || !isContiguous(view.getResult()) || input.zeroOutside)
      return std::nullopt;
    auto map = expansionMap(access.getContext(), shapeOf(view.getX()), shapeOf(view.getResult()));
    if (!map)
      return std::nullopt;
    access = map->compose(access);
    value = view.getX();
  }
  auto producer = value.getDefiningOp<kernel::MapOp>();
  if (!producer || producer->getBlock() != consumer.op->getBlock())
    return std::nullopt;
  if (input.zeroOutside && !keepsZeroOutside(producer))
    return std::nullopt;
  int64_t points = 1;
  for (int64_t extent : consumer.space)
    points *= extent;
  // A short slice that is broadcast (one block's part of all time shifts) costs nothing to cut out, and the large kernel that
  // reads it stays equal to its siblings, which read other slices.
  if (hasOffset(producer) && tensorOf(value).getNumElements() * kShortSlice <= points)
    return std::nullopt;
  if (points > tensorOf(value).getNumElements() && scalarOps(producer.getBody()) > kCheapScalarOps)
    return std::nullopt;
  if (onlyReader(value, consumer.op))
    return Producer{producer, access};
  // Several readers: only what merely picks elements in order is cheaper read at its source.
  bool picks = movesOnly(producer) && llvm::all_of(inputsOf(producer), picksInOrder);
  return picks ? std::optional(Producer{producer, access}) : std::nullopt;
}

Operation *fuseProducers(Operation *op) {
  while (true) {
    auto consumer = Consumer::of(op);
    if (!consumer)
      return op;
    SmallVector<std::optional<Producer>> producers;
    size_t operands = consumer->inputs.size();
    int work = scalarOps(*consumer->body);
    bool any = false;
    for (const MapInput &input : consumer->inputs) {
      auto producer = producerOf(*consumer, input);
      if (producer) {
        operands += producer->map.getInputs().size() - 1;
        work += scalarOps(producer->map.getBody());
        if (operands > kMostOperands || work > kMostScalarOps) {
          operands -= producer->map.getInputs().size() - 1;
          work -= scalarOps(producer->map.getBody());
          producer.reset();
        }
      }
      any |= producer.has_value();
      producers.push_back(producer);
    }
    if (!any)
      return op;

    SmallVector<MapInput> inputs;
    SmallVector<std::pair<size_t, size_t>> slots; // first scalar and number of scalars behind each old input
    for (auto [input, producer] : llvm::zip(consumer->inputs, producers)) {
      size_t first = inputs.size();
      if (!producer) {
        inputs.push_back(input);
      } else {
        for (const MapInput &inner : inputsOf(producer->map)) {
          AffineMap access = simplifyAffineMap(inner.map.compose(producer->access));
          inputs.push_back({inner.value, access, inner.zeroOutside || input.zeroOutside});
        }
      }
      slots.push_back({first, inputs.size() - first});
    }
    auto body = [&](OpBuilder &b, ValueRange scalars) {
      SmallVector<Value> arguments;
      for (auto [i, slot] : llvm::enumerate(slots)) {
        ValueRange own = scalars.slice(slot.first, slot.second);
        arguments.push_back(producers[i] ? inlineScalars(b, producers[i]->map.getBody(), own) : own[0]);
      }
      return inlineScalars(b, *consumer->body, arguments);
    };
    OpBuilder b(op);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Value result;
    if (auto reduce = dyn_cast<kernel::ReduceOp>(op))
      result = buildReduce(b, op->getLoc(), type, reduce.getCombine(), inputs, ArrayRef<int64_t>(consumer->space).drop_front(type.getRank()), body);
    else
      result = buildMap(b, op->getLoc(), type, inputs, body);
    SmallVector<Value> old(op->getOperands());
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
    op = result.getDefiningOp();
    eraseDead(old);
  }
}

} // namespace hb
