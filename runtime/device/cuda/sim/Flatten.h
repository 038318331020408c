// One entry as one list of statements: calls are replaced by the bodies they call, blocks stand in an order in which a warp's
// lanes meet again.
#pragma once

#include "runtime/device/cuda/sim/Syntax.h"

namespace hb::ptx {

struct FlatEntry {
  std::vector<Type> registers;
  std::vector<Variable> variables;
  std::vector<uint32_t> parameters; ///< of the entry, indices into `variables`
  std::vector<Statement> body;
  uint32_t labels = 0;
  std::map<uint32_t, std::vector<uint32_t>> branchTargets;
};

/// Copies every called function to its calls. HB0981 for recursion and for a call through a register.
FlatEntry flatten(const Syntax &syntax, const Function &entry);

/// Orders the blocks topologically, each loop in one piece behind its header. The simulator always executes the lanes with the lowest
/// position, so in this order diverged lanes wait where their paths join, wherever the compiler had put the blocks.
void orderBlocks(FlatEntry &entry);

} // namespace hb::ptx
