// Which of a module's targets a CUDA device runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace hb::cuda {

/// "cuda:sm_80" or "cuda:sm_90a": a compute capability, and whether the code is for that one alone.
struct TargetName {
  int capability = 0;
  bool exact = false;
};
std::optional<TargetName> parseTarget(const std::string &name);

/// The index of the highest target that runs on a device of this capability (80 for 8.0): code for an older one runs on every newer one,
/// code with an architecture's own instructions ("a") on that one alone, and is then preferred.
std::optional<size_t> chooseTarget(const std::vector<std::string> &names, int capability);

} // namespace hb::cuda
