#include "runtime/params/AdapterBinding.h"

#include <algorithm>

namespace hb {

AdapterTarget adapterTarget(const AdapterSet &set) {
  AdapterTarget target;
  for (const AdapterSlot &slot : set.sites)
    target.sites.push_back({slot.path, slot.in, slot.out});
  for (const AdapterSlot &slot : set.linears)
    target.modulePaths.push_back(slot.path);
  target.maxRank = set.rank;
  if (!set.scope.empty())
    target.component = set.scope;
  return target;
}

std::map<std::string, AdapterFactors> stackAdapters(const AdapterSet &set, const std::vector<ScaledAdapter> &adapters) {
  std::vector<const Adapter *> plain;
  for (const ScaledAdapter &scaled : adapters)
    plain.push_back(scaled.adapter);
  requireRanksFit(plain, set.rank);
  std::map<std::string, AdapterFactors> out;
  std::map<std::string, int64_t> filled;
  for (const ScaledAdapter &scaled : adapters)
    for (const AdapterModule &module : scaled.adapter->modules) {
      std::string key = set.scope + "\n" + module.path;
      AdapterFactors &factors = out[key];
      if (factors.a.empty()) {
        factors.a.resize(set.rank * module.in);
        factors.b.resize(set.rank * module.out);
        factors.scale.resize(set.rank);
      }
      int64_t &row = filled[key];
      std::copy(module.a.begin(), module.a.end(), factors.a.begin() + row * module.in);
      for (int64_t n = 0; n < module.out; ++n)
        std::copy_n(module.b.begin() + n * module.rank, module.rank, factors.b.begin() + n * set.rank + row);
      std::fill_n(factors.scale.begin() + row, module.rank, static_cast<float>(module.scale * scaled.scale));
      row += module.rank;
    }
  return out;
}

} // namespace hb
