// Verifiers of the elementwise ops, the norms, the reductions and the loop. The labels are those of NnOps.td.
#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

LogicalResult BinaryOp::verify() {
  bool lhs = isa<FloatType>(elementOf(getLhs())), rhs = isa<FloatType>(elementOf(getRhs())), result = isa<FloatType>(elementOf(getResult()));
  if (lhs != rhs)
    return violated(*this, "C1", "two float operands or two of ids", typeText(elementOf(getLhs())) + " and " + typeText(elementOf(getRhs())));
  // Comparing floats for equality is a mistake in a network, so it has no meaning here.
  if (getKind() == BinaryKind::eq && lhs)
    return violated(*this, "C1", "i64 operands of eq", typeText(elementOf(getLhs())));
  if (result != lhs)
    return violated(*this, "C2", lhs ? "a float result" : "an i64 result", typeText(elementOf(getResult())));
  std::optional<SmallVector<int64_t>> shape = broadcastShapes(shapeOf(getLhs()), shapeOf(getRhs()));
  if (!shape)
    return violated(*this, "C3", "operands that broadcast", shapeText(shapeOf(getLhs())) + " and " + shapeText(shapeOf(getRhs())));
  return expectShape(*this, "C4", "the result", getResult(), *shape);
}

LogicalResult CastOp::verify() {
  if (failed(expectShape(*this, "C1", "the result", getResult(), shapeOf(getX()))))
    return failure();
  if (isa<FloatType>(elementOf(getX())) && !isa<FloatType>(elementOf(getResult())))
    return violated(*this, "C2", "a float result of a float", typeText(elementOf(getResult())));
  return success();
}

LogicalResult DropoutOp::verify() {
  if (getDrop().empty())
    return violated(*this, "C1", "a float scalar and three i64 scalars (probability, seed, step, site)", "nothing");
  if (failed(verifyDrop(*this, "C1", getDrop(), getX())))
    return failure();
  return expectShape(*this, "C2", "the result", getResult(), shapeOf(getX()));
}

LogicalResult GroupNormOp::verify() {
  bool last = getLayout() == Layout::nhwc;
  if (failed(expectRank(*this, "C1", "x of 4 axes", getX(), 4)))
    return failure();
  int64_t channels = last ? shapeOf(getX())[3] : shapeOf(getX())[1], groups = getGroups();
  if (groups < 1 || channels % groups)
    return violated(*this, "C2", "groups that divide " + Twine(channels) + " channels", Twine(groups));
  if (failed(expectShape(*this, "C3", "weight", getWeight(), {channels})) || failed(expectShape(*this, "C3", "bias", getBias(), {channels})))
    return failure();
  return expectShape(*this, "C4", "the result", getResult(), shapeOf(getX()));
}

LogicalResult LayerNormOp::verify() {
  if (rankOf(getX()) < 1)
    return violated(*this, "C1", "x as [..., D]", shapeText(shapeOf(getX())));
  int64_t width = shapeOf(getX()).back();
  if (failed(expectShape(*this, "C2", "weight", getWeight(), {width})) || failed(expectShape(*this, "C2", "bias", getBias(), {width})))
    return failure();
  return expectShape(*this, "C3", "the result", getResult(), shapeOf(getX()));
}

LogicalResult ReduceOp::verify() {
  ArrayRef<int64_t> x = shapeOf(getX());
  int64_t previous = -1;
  for (int64_t axis : getAxes()) {
    if (axis <= previous || axis >= static_cast<int64_t>(x.size()))
      return violated(*this, "C1", "ascending axes of " + Twine(x.size()), shapeText(getAxes()));
    previous = axis;
  }
  SmallVector<int64_t> shape;
  for (auto [i, extent] : llvm::enumerate(x))
    if (!llvm::is_contained(getAxes(), static_cast<int64_t>(i)))
      shape.push_back(extent);
  return expectShape(*this, "C2", "the result", getResult(), shape);
}

LogicalResult ArgmaxOp::verify() {
  ArrayRef<int64_t> x = shapeOf(getX());
  if (x.empty() || x.back() == 0)
    return violated(*this, "C1", "a last axis of at least one element", shapeText(x));
  return expectShape(*this, "C2", "the result", getResult(), x.drop_back());
}

LogicalResult RepeatOp::verify() {
  if (getCount() && failed(expectShape(*this, "C1", "count", getCount(), {})))
    return failure();
  // The accessor is unsigned, whatever was written.
  if (int64_t count = getMaxTripCountAttr().getInt(); count < 0)
    return violated(*this, "C1", "a max of at least 0", Twine(count));
  auto iteration = RankedTensorType::get({}, IntegerType::get(getContext(), 64));
  Block &block = getBody().front();
  if (block.getNumArguments() < 1 || block.getArgument(0).getType() != iteration)
    return violated(*this, "C2", "a first block argument of " + typeText(iteration),
                    block.getNumArguments() ? typeText(block.getArgument(0).getType()) : std::string("none"));
  TypeRange carried = getInits().getTypes();
  if (TypeRange(block.getArgumentTypes()).drop_front() != carried)
    return violated(*this, "C3", "one further block argument of the type of each init", Twine(block.getNumArguments() - 1) + " arguments for " +
                                                                                            Twine(carried.size()) + " inits or other types");
  if (getResults().getTypes() != carried)
    return violated(*this, "C4", "one result of the type of each init", Twine(getNumResults()) + " results for " + Twine(carried.size()) + " inits or other types");
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getValues().getTypes() != carried)
    return violated(*this, "C5", "nn.yield of one value of the type of each init", yield ? "other types or another number" : "another terminator");
  return success();
}

} // namespace hb::nn
