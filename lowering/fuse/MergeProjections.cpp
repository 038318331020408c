// Stacks the weights of linears that share an input, and the adapter factors of those that have some. The candidates of one input are partitioned into groups (see the pass's
// description), and each group becomes one op where its first member stood; weights have no operands and move freely.
#include "lowering/fuse/Gradients.h"
#include "lowering/fuse/Passes.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBMERGEPROJECTIONS
#include "lowering/fuse/Passes.h.inc"

namespace {

class MergeProjections : public impl::HbMergeProjectionsBase<MergeProjections> {
public:
  using HbMergeProjectionsBase::HbMergeProjectionsBase;

private:
  /// What the members of a group agree on.
  struct Key {
    Value x;
    Block *block;
    Type weight, bias, result; ///< element types; bias null without one
    Operation *reader;         ///< the one op that reads the results; null when rows are few

    bool operator==(const Key &) const = default;
  };

  static Type elementOf(Value value) { return value ? cast<RankedTensorType>(value.getType()).getElementType() : Type(); }

  /// A linear, adapted or not.
  struct Linear {
    Operation *op;
    Value x, weight, bias, a, b, scale; ///< the last three null without an adapter
  };

  static std::optional<Linear> linearOf(Operation *op, DifferentiatedCode &code) {
    if (auto plain = dyn_cast<nn::LinearOp>(op))
      return Linear{op, plain.getX(), plain.getWeight(), plain.getBias(), {}, {}, {}};
    // The gradient rule is that of one adapted linear: where a gradient is asked for, they stay apart. So do those with dropout, whose
    // updates see different inputs.
    if (auto lora = dyn_cast<nn::LoraLinearOp>(op); lora && !lora.getBlocks() && lora.getDrop().empty() && !code.contains(op))
      return Linear{op, lora.getX(), lora.getWeight(), lora.getBias(), lora.getA(), lora.getB(), lora.getScale()};
    return std::nullopt;
  }

  /// The parameters of a linear; nothing else is stacked.
  static SmallVector<Value> parameters(const Linear &linear) {
    SmallVector<Value> all;
    for (Value value : {linear.weight, linear.bias, linear.a, linear.b, linear.scale})
      if (value)
        all.push_back(value);
    return all;
  }

  std::optional<Key> keyOf(const Linear &linear) {
    if (!llvm::all_of(parameters(linear), [](Value value) { return value.getDefiningOp<nn::ParamOp>(); }))
      return std::nullopt;
    auto type = cast<RankedTensorType>(linear.x.getType());
    bool few = type.getNumElements() <= fewRows * type.getShape().back();
    Operation *op = linear.op, *reader = nullptr;
    if (!few) {
      reader = op->hasOneUse() ? *op->getUsers().begin() : nullptr;
      if (!reader)
        return std::nullopt;
    }
    return Key{linear.x, op->getBlock(), elementOf(linear.weight), elementOf(linear.bias), elementOf(op->getResult(0)), reader};
  }

  static Value stacked(OpBuilder &builder, Location where, ArrayRef<Value> parts) {
    SmallVector<int64_t> shape(cast<RankedTensorType>(parts.front().getType()).getShape());
    shape[0] = 0;
    for (Value part : parts)
      shape[0] += cast<RankedTensorType>(part.getType()).getDimSize(0);
    return nn::ConcatOp::create(builder, where, RankedTensorType::get(shape, elementOf(parts.front())), parts, 0);
  }

  /// Blocks of an adapted op share its rank equally, so adapters of another rank than the first stay apart.
  static void keepOneRank(SmallVector<Linear> &group) {
    int64_t rank = 0;
    llvm::erase_if(group, [&](const Linear &linear) {
      if (!linear.a)
        return false;
      int64_t own = cast<RankedTensorType>(linear.a.getType()).getDimSize(0);
      rank = rank ? rank : own;
      return own != rank;
    });
  }

  void merge(ArrayRef<Linear> group) {
    Operation *first = group.front().op;
    OpBuilder builder(first);
    SmallVector<Location> places;
    for (const Linear &linear : group) {
      places.push_back(linear.op->getLoc());
      for (Value param : parameters(linear))
        if (param.getParentBlock() == first->getBlock())
          param.getDefiningOp()->moveBefore(first->getBlock(), first->getBlock()->begin());
    }
    // Adapted ones first: their rows are then blocks without holes, and what follows has no factors.
    SmallVector<Linear> ordered(group);
    llvm::stable_sort(ordered, [](const Linear &x, const Linear &y) { return x.a && !y.a; });
    SmallVector<Value> weights, biases, as, bs, scales;
    SmallVector<int64_t> blocks;
    int64_t rows = 0;
    for (const Linear &linear : ordered) {
      weights.push_back(linear.weight);
      rows += cast<RankedTensorType>(linear.weight.getType()).getDimSize(0);
      if (linear.bias)
        biases.push_back(linear.bias);
      if (!linear.a)
        continue;
      as.push_back(linear.a);
      bs.push_back(linear.b);
      scales.push_back(linear.scale);
      blocks.push_back(rows);
    }
    Location where = builder.getFusedLoc(places);
    Value weight = stacked(builder, where, weights), bias = biases.empty() ? Value() : stacked(builder, where, biases);
    SmallVector<int64_t> shape(cast<RankedTensorType>(first->getResult(0).getType()).getShape());
    shape.back() = rows;
    auto type = RankedTensorType::get(shape, elementOf(first->getResult(0)));
    Value x = group.front().x, all;
    if (as.empty())
      all = nn::LinearOp::create(builder, where, type, x, weight, bias);
    else
      all = nn::LoraLinearOp::create(builder, where, type, x, weight, bias, stacked(builder, where, as), stacked(builder, where, bs), stacked(builder, where, scales),
                                     ValueRange(), builder.getDenseI64ArrayAttr(blocks));
    SmallVector<int64_t> offsets(shape.size(), 0);
    for (const Linear &linear : ordered) {
      auto partType = cast<RankedTensorType>(linear.op->getResult(0).getType());
      Value part = nn::SliceOp::create(builder, linear.op->getLoc(), partType, all, offsets);
      offsets.back() += partType.getShape().back();
      linear.op->getResult(0).replaceAllUsesWith(part);
      ++merged;
    }
    for (const Linear &linear : group)
      linear.op->erase();
  }

  void runOnOperation() override {
    // Few inputs have more than one linear, so a list of groups per input, searched in order, is enough and deterministic.
    llvm::MapVector<Value, SmallVector<std::pair<Key, SmallVector<Linear>>>> inputs;
    DifferentiatedCode code(getOperation());
    getOperation()->walk([&](Operation *op) {
      std::optional<Linear> linear = linearOf(op, code);
      std::optional<Key> key = linear ? keyOf(*linear) : std::nullopt;
      if (!key)
        return;
      auto &groups = inputs[linear->x];
      auto *found = llvm::find_if(groups, [&](const auto &group) { return group.first == *key; });
      if (found == groups.end())
        groups.push_back({*key, {*linear}});
      else
        found->second.push_back(*linear);
    });
    for (auto &[x, groups] : inputs)
      for (auto &[key, group] : groups) {
        keepOneRank(group);
        if (group.size() > 1)
          merge(group);
      }
  }
};

} // namespace
} // namespace hb
