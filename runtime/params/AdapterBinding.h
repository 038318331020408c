// From loaded adapters to the slots of a module.
#pragma once

#include "runtime/formats/Adapter.h"
#include "runtime/params/WeightStore.h"

namespace hb {

/// What an adapter is checked against for these slots.
AdapterTarget adapterTarget(const AdapterSet &set);

/// An adapter and the strength the user gave it (1: as trained).
struct ScaledAdapter {
  const Adapter *adapter = nullptr;
  double scale = 1;
};

/// Stacks adapters along the rank of each slot: rows one after the other in `a` and `scale`, columns in `b`; the rest is zero.
/// HB0314 when the ranks do not fit.
std::map<std::string, AdapterFactors> stackAdapters(const AdapterSet &set, const std::vector<ScaledAdapter> &adapters);

} // namespace hb
