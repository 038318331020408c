// Branches, exits and barriers.
#include "runtime/device/cuda/sim/Decoder.h"

namespace hb::ptx {
namespace {

void doNothing(Worker &, Warp &, const Instruction &, uint32_t) {}

void trap(Worker &worker, Warp &warp, const Instruction &i, uint32_t mask) {
  worker.stop("trap", i, warp, static_cast<unsigned>(std::countr_zero(mask)), "the kernel stops itself");
}

/// Modes of Flow::Barrier in Instruction::mode.
uint8_t reductionMode(const Statement &statement) { return statement.has("popc") ? 1 : statement.has("and") ? 2 : statement.has("or") ? 3 : 0; }

} // namespace

bool Decoder::control(const Statement &statement, const std::vector<uint32_t> &positions, Instruction &result) {
  std::string_view name = statement.opcode[0];
  auto label = [&](const Operand &operand) {
    if (operand.is != Operand::Is::Label || positions[operand.index] == kNone)
      refuse("a label of this function");
    return positions[operand.index];
  };
  if (name == "bra") {
    if (statement.operands.size() != 1)
      refuse("one label");
    result.flow = Flow::Branch;
    result.target = label(statement.operands[0]);
    return true;
  }
  if (name == "brx") {
    if (statement.operands.size() != 2 || statement.operands[1].is != Operand::Is::Label)
      refuse("an index and the label of a list");
    auto list = flat_.branchTargets.find(statement.operands[1].index);
    if (list == flat_.branchTargets.end())
      refuse("a label with .branchtargets");
    result.flow = Flow::BranchIndexed;
    result.operand[0] = read(statement.operands[0], 32);
    result.target = static_cast<uint32_t>(entry_.branchLists.size());
    std::vector<uint32_t> targets;
    for (uint32_t target : list->second)
      targets.push_back(positions[target]);
    entry_.branchLists.push_back(std::move(targets));
    return true;
  }
  if (name == "ret" || name == "exit") {
    result.flow = Flow::Exit;
    return true;
  }
  if (name == "trap") {
    result.run = trap;
    return true;
  }
  if (name == "nanosleep" || name == "prefetch" || name == "prefetchu" || name == "applypriority" || name == "discard" || name == "brkpt" || name == "pmevent") {
    result.run = doNothing;
    return true;
  }
  if ((name == "bar" && !statement.has("warp")) || name == "barrier") {
    // bar.sync a{, b}; bar.arrive a, b; bar.red.and.pred p, a{, b}, q; also as barrier{.cta}.…{.aligned}
    bool reduction = statement.has("red"), arrives = statement.has("arrive");
    if (statement.has("cluster") || (!reduction && !arrives && !statement.has("sync")))
      return false;
    result.flow = arrives ? Flow::BarrierArrive : Flow::Barrier;
    size_t at = reduction ? 1 : 0, end = statement.operands.size() - (reduction ? 1 : 0);
    if (statement.operands.size() < (reduction ? 3u : 1u) || end > at + 2 || (arrives && end != at + 2))
      refuse("a barrier and a number of threads");
    result.operand[1] = read(statement.operands[at], 32);
    result.operand[2] = end == at + 2 ? read(statement.operands[at + 1], 32) : kNone;
    if (reduction) {
      result.mode = reductionMode(statement);
      const Operand &condition = statement.operands.back();
      result.count = condition.negated;
      Operand plain = condition;
      plain.negated = false;
      result.operand[3] = read(plain, 1);
      result.operand[0] = write(statement.operands[0], result.mode == 1 ? 32 : 1);
    }
    return true;
  }
  return false;
}

} // namespace hb::ptx
