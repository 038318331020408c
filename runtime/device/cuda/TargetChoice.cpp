#include "runtime/device/cuda/TargetChoice.h"

#include <algorithm>
#include <string_view>

namespace hb::cuda {

std::optional<TargetName> parseTarget(const std::string &name) {
  constexpr std::string_view kPrefix = "cuda:sm_";
  if (!name.starts_with(kPrefix))
    return std::nullopt;
  std::string digits = name.substr(kPrefix.size());
  TargetName target;
  if (digits.ends_with('a')) {
    target.exact = true;
    digits.pop_back();
  }
  if (digits.size() < 2 || digits.size() > 3 || !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  target.capability = std::stoi(digits);
  return target;
}

std::optional<size_t> chooseTarget(const std::vector<std::string> &names, int capability) {
  std::optional<size_t> best;
  TargetName held;
  for (size_t i = 0; i < names.size(); ++i) {
    auto target = parseTarget(names[i]);
    if (!target || (target->exact ? target->capability != capability : target->capability > capability))
      continue;
    if (!best || target->capability > held.capability || (target->capability == held.capability && target->exact && !held.exact)) {
      best = i;
      held = *target;
    }
  }
  return best;
}

} // namespace hb::cuda
