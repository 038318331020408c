// Stacks the weights of linears that share an input. The candidates of one input are partitioned into groups (see the pass's
// description), and each group becomes one op where its first member stood; weights have no operands and move freely.
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

  std::optional<Key> keyOf(nn::LinearOp op) {
    if (!op.getWeight().getDefiningOp<nn::ParamOp>() || (op.getBias() && !op.getBias().getDefiningOp<nn::ParamOp>()))
      return std::nullopt;
    auto type = cast<RankedTensorType>(op.getX().getType());
    bool few = type.getNumElements() <= fewRows * type.getShape().back();
    Operation *reader = nullptr;
    if (!few) {
      reader = op->hasOneUse() ? *op->getUsers().begin() : nullptr;
      if (!reader)
        return std::nullopt;
    }
    return Key{op.getX(), op->getBlock(), elementOf(op.getWeight()), elementOf(op.getBias()), elementOf(op.getResult()), reader};
  }

  static Value stacked(OpBuilder &builder, Location where, ArrayRef<Value> parts) {
    SmallVector<int64_t> shape(cast<RankedTensorType>(parts.front().getType()).getShape());
    shape[0] = 0;
    for (Value part : parts)
      shape[0] += cast<RankedTensorType>(part.getType()).getDimSize(0);
    return nn::ConcatOp::create(builder, where, RankedTensorType::get(shape, elementOf(parts.front())), parts, 0);
  }

  void merge(ArrayRef<nn::LinearOp> group) {
    nn::LinearOp first = group.front();
    OpBuilder builder(first);
    SmallVector<Value> weights, biases;
    SmallVector<Location> places;
    for (nn::LinearOp op : group) {
      places.push_back(op.getLoc());
      for (Value param : {op.getWeight(), op.getBias()})
        if (param && param.getParentBlock() == first->getBlock())
          param.getDefiningOp()->moveBefore(first->getBlock(), first->getBlock()->begin());
      weights.push_back(op.getWeight());
      if (op.getBias())
        biases.push_back(op.getBias());
    }
    Location where = builder.getFusedLoc(places);
    Value weight = stacked(builder, where, weights), bias = biases.empty() ? Value() : stacked(builder, where, biases);
    SmallVector<int64_t> shape(cast<RankedTensorType>(first.getType()).getShape());
    shape.back() = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    Value all = nn::LinearOp::create(builder, where, RankedTensorType::get(shape, elementOf(first.getResult())), first.getX(), weight, bias);
    SmallVector<int64_t> offsets(shape.size(), 0);
    for (nn::LinearOp op : group) {
      Value part = nn::SliceOp::create(builder, op.getLoc(), op.getType(), all, offsets);
      offsets.back() += cast<RankedTensorType>(op.getType()).getShape().back();
      op.replaceAllUsesWith(part);
      ++merged;
    }
    for (nn::LinearOp op : group)
      op.erase();
  }

  void runOnOperation() override {
    // Few inputs have more than one linear, so a list of groups per input, searched in order, is enough and deterministic.
    llvm::MapVector<Value, SmallVector<std::pair<Key, SmallVector<nn::LinearOp>>>> inputs;
    getOperation()->walk([&](nn::LinearOp op) {
      std::optional<Key> key = keyOf(op);
      if (!key)
        return;
      auto &groups = inputs[op.getX()];
      auto *found = llvm::find_if(groups, [&](const auto &group) { return group.first == *key; });
      if (found == groups.end())
        groups.push_back({*key, {op}});
      else
        found->second.push_back(op);
    });
    for (auto &[x, groups] : inputs)
      for (auto &[key, group] : groups)
        if (group.size() > 1)
          merge(group);
  }
};

} // namespace
} // namespace hb
