// hb-verify-plan: replays programs on a memory that remembers which value each byte range holds.
#include "dialects/kernel/Kernel.h"
#include "lowering/plan/Arena.h"
#include "lowering/plan/Passes.h"

#include <map>

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBVERIFYPLAN
#include "lowering/plan/Passes.h.inc"

namespace {

/// Which value each byte of the arena holds, as disjoint runs.
class Memory {
public:
  void write(int64_t offset, int64_t size, int64_t value) {
    cut(offset);
    cut(offset + size);
    runs_.erase(runs_.lower_bound(offset), runs_.lower_bound(offset + size));
    if (size > 0)
      runs_[offset] = {offset + size, value};
  }
  bool holds(int64_t offset, int64_t size, int64_t value) const {
    if (size == 0)
      return true;
    auto run = runs_.upper_bound(offset);
    if (run == runs_.begin())
      return false;
    --run;
    return run->second.first >= offset + size && run->second.second == value;
  }

private:
  /// Splits the run around `at`, so that runs begin or end there.
  void cut(int64_t at) {
    auto run = runs_.lower_bound(at);
    if (run == runs_.begin())
      return;
    --run;
    auto [end, value] = run->second;
    if (end <= at)
      return;
    run->second.first = at;
    runs_[at] = {end, value};
  }
  std::map<int64_t, std::pair<int64_t, int64_t>> runs_;
};

class Replay {
public:
  Replay(plan::ProgramOp program, const llvm::StringMap<kernel::DefOp> &kernels) : program_(program), kernels_(kernels) {}
  bool run() { return block(program_.getBody().front()); }

private:
  bool fail(Operation *op, const Twine &expected, const Twine &found) {
    op->emitOpError() << "HB0821: expected " << expected << "; found " << found << "; this is a defect of the planner, please report it";
    return false;
  }
  bool read(Operation *op, Attribute place, int64_t value, unsigned number) {
    if (auto arena = dyn_cast<plan::ArenaAttr>(place); arena && !arena_.holds(arena.getOffset(), arena.getSize(), value))
      return fail(op, "binding " + Twine(number) + " to hold value " + Twine(value), "other bytes in its place");
    if (auto output = dyn_cast<plan::OutputAttr>(place)) {
      auto held = outputs_.find(output.getIndex());
      if (held == outputs_.end() || held->second != value)
        return fail(op, "output " + Twine(output.getIndex()) + " to hold value " + Twine(value), "another one or none");
    }
    return true;
  }
  bool write(Operation *op, Attribute place, int64_t value) {
    if (auto arena = dyn_cast<plan::ArenaAttr>(place)) {
      int64_t usable = static_cast<int64_t>(program_.getArenaBytes()) - kReadablePadding;
      if (arena.getOffset() < 0 || arena.getOffset() % kArenaAlignment || arena.getOffset() + arena.getSize() > usable)
        return fail(op, "an aligned place inside the arena", "offset " + Twine(arena.getOffset()) + ", size " + Twine(arena.getSize()));
      arena_.write(arena.getOffset(), arena.getSize(), value);
    } else if (auto output = dyn_cast<plan::OutputAttr>(place)) {
      outputs_[output.getIndex()] = value;
    } else {
      return fail(op, "results in the arena or an output", "a result in a place that is only read");
    }
    return true;
  }

  static bool overlap(Attribute a, Attribute b) {
    auto x = dyn_cast<plan::ArenaAttr>(a), y = dyn_cast<plan::ArenaAttr>(b);
    if (x && y)
      return x.getOffset() < y.getOffset() + y.getSize() && y.getOffset() < x.getOffset() + x.getSize();
    return a == b && isa<plan::OutputAttr>(a);
  }

  bool launch(plan::LaunchOp op) {
    kernel::DefOp def = kernels_.lookup(op.getKernel());
    if (!def)
      return fail(op, "a kernel.def of this name", op.getKernel());
    auto type = def.getFunctionType();
    auto bindings = op.getBindings().getValue();
    if (bindings.size() != type.getNumInputs() + type.getNumResults())
      return fail(op, Twine(type.getNumInputs() + type.getNumResults()) + " bindings", Twine(bindings.size()));
    auto numbers = op->getAttrOfType<DenseI64ArrayAttr>("values");
    if (!numbers || numbers.size() != static_cast<int64_t>(bindings.size()))
      return fail(op, "a value number for each binding", "none");
    for (unsigned i = 0; i < type.getNumInputs(); ++i)
      if (!read(op, bindings[i], numbers[i], i))
        return false;
    // A kernel that writes a part of its result relies on what is already there.
    if (auto tied = def->getAttrOfType<IntegerAttr>("tied"))
      if (unsigned operand = tied.getInt(); operand >= type.getNumInputs() || bindings[operand] != bindings[type.getNumInputs()])
        return fail(op, "the result in the place of operand " + Twine(operand), "another place");
    for (unsigned r = type.getNumInputs(); r < bindings.size(); ++r) {
      for (unsigned other = 0; other < r; ++other)
        if (overlap(bindings[other], bindings[r]) && !mayShare(def, other, r - type.getNumInputs(), bindings[other] == bindings[r]))
          return fail(op, "binding " + Twine(r) + " apart from the others", "an overlap with binding " + Twine(other));
      if (!write(op, bindings[r], numbers[r]))
        return false;
    }
    return true;
  }

  static bool mayShare(kernel::DefOp def, unsigned operand, unsigned result, bool samePlace) {
    auto pairs = def->getAttrOfType<ArrayAttr>("inplace");
    if (!pairs || !samePlace)
      return false;
    return llvm::any_of(pairs.getAsRange<ArrayAttr>(), [&](ArrayAttr pair) {
      return cast<IntegerAttr>(pair[0]).getInt() == operand && cast<IntegerAttr>(pair[1]).getInt() == result;
    });
  }

  bool block(mlir::Block &commands) {
    for (Operation &op : commands) {
      auto numbers = op.getAttrOfType<DenseI64ArrayAttr>("values");
      if (auto command = dyn_cast<plan::LaunchOp>(op)) {
        if (!launch(command))
          return false;
      } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
        if (!numbers || numbers.size() != 2)
          return fail(&op, "value numbers of source and target", "none");
        if (overlap(copy.getSource(), copy.getTarget()))
          return fail(&op, "source and target apart", "an overlap");
        if (!read(&op, copy.getSource(), numbers[0], 0) || !write(&op, copy.getTarget(), numbers[1]))
          return false;
      } else if (auto loop = dyn_cast<plan::RepeatOp>(op)) {
        if (!numbers || numbers.empty())
          return fail(&op, "the value number of the counter", "none");
        if (loop.getCount() && numbers.size() > 1 && !read(&op, *loop.getCount(), numbers[1], 0))
          return false;
        for (int iteration = 0; iteration < 2; ++iteration)
          if (!write(&op, loop.getCounter(), numbers[0]) || !block(loop.getBody().front()))
            return false;
      }
    }
    return true;
  }

  plan::ProgramOp program_;
  const llvm::StringMap<kernel::DefOp> &kernels_;
  Memory arena_;
  llvm::DenseMap<int64_t, int64_t> outputs_;
};

struct VerifyPlan : impl::HbVerifyPlanBase<VerifyPlan> {
  void runOnOperation() override {
    llvm::StringMap<kernel::DefOp> kernels;
    for (auto def : getOperation().getOps<kernel::DefOp>())
      kernels[def.getSymName()] = def;
    for (auto program : getOperation().getOps<plan::ProgramOp>())
      if (!Replay(program, kernels).run())
        signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
} // namespace hb
