// Verifiers of the plan ops. What only a whole program can show (that every read finds its value) is hb-verify-plan's.
#include "dialects/plan/Plan.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

namespace hb::plan {

static LogicalResult violated(Operation *op, const Twine &expected, const Twine &found) {
  return op->emitOpError() << "expected " << expected << "; found " << found;
}

/// A binding that exists in its program and, for results, may be written.
static LogicalResult verifyBinding(Operation *op, Attribute binding, bool isWritten) {
  auto program = op->getParentOfType<ProgramOp>();
  if (!program)
    return violated(op, "a plan.program around the command", "none");
  if (auto arena = dyn_cast<ArenaAttr>(binding)) {
    bool inside = arena.getOffset() >= 0 && arena.getSize() >= 0 && arena.getOffset() + arena.getSize() <= static_cast<int64_t>(program.getArenaBytes());
    return inside ? success() : violated(op, "a place inside the arena's " + Twine(program.getArenaBytes()) + " bytes", "offset " + Twine(arena.getOffset()));
  }
  if (auto output = dyn_cast<OutputAttr>(binding)) {
    bool exists = output.getIndex() >= 0 && output.getIndex() < static_cast<int64_t>(program.getOutputs().size());
    return exists ? success() : violated(op, "an output of the program", "output " + Twine(output.getIndex()));
  }
  if (isWritten)
    return violated(op, "the arena or an output to be written", "a place that is only read");
  if (auto input = dyn_cast<InputAttr>(binding)) {
    bool exists = input.getIndex() >= 0 && input.getIndex() < static_cast<int64_t>(program.getInputs().size());
    return exists ? success() : violated(op, "an input of the program", "input " + Twine(input.getIndex()));
  }
  return isa<WeightAttr, ConstantAttr>(binding) ? success() : violated(op, "a plan binding", "another attribute");
}

LogicalResult ProgramOp::verify() {
  for (ArrayAttr list : {getInputs(), getOutputs()})
    for (Attribute entry : list) {
      auto dictionary = dyn_cast<DictionaryAttr>(entry);
      auto type = dictionary ? dictionary.getAs<TypeAttr>("type") : TypeAttr();
      if (!dictionary || !dictionary.getAs<StringAttr>("name") || !type || !isa<RankedTensorType>(type.getValue()))
        return violated(*this, "{name, type} for each input and output", "something else");
    }
  if (getLowerBound() > getArenaBytes())
    return violated(*this, "an arena of at least the lower bound", Twine(getArenaBytes()) + " of " + Twine(getLowerBound()) + " bytes");
  return success();
}

LogicalResult LaunchOp::verify() {
  // Which bindings are results is the kernel's to say; that the last one is written is certain.
  for (auto [i, binding] : llvm::enumerate(getBindings()))
    if (failed(verifyBinding(*this, binding, i + 1 == getBindings().size())))
      return failure();
  return success();
}

LogicalResult CopyOp::verify() {
  if (failed(verifyBinding(*this, getSource(), false)) || failed(verifyBinding(*this, getTarget(), true)))
    return failure();
  for (Attribute place : {getSource(), getTarget()})
    if (auto arena = dyn_cast<ArenaAttr>(place); arena && arena.getSize() != static_cast<int64_t>(getBytes()))
      return violated(*this, "places of " + Twine(getBytes()) + " bytes", Twine(arena.getSize()));
  return success();
}

LogicalResult RepeatOp::verify() {
  if (getCount() && failed(verifyBinding(*this, *getCount(), false)))
    return failure();
  auto counter = dyn_cast<ArenaAttr>(getCounter());
  if (!counter || counter.getSize() != 8)
    return violated(*this, "a counter of 8 bytes in the arena", "another place");
  return verifyBinding(*this, counter, true);
}

} // namespace hb::plan

using namespace hb::plan;
#define GET_OP_CLASSES
#include "dialects/plan/PlanOps.cpp.inc"
