// Which weights a program reads, and what they take.
#pragma once

#include "runtime/params/Packing.h"

#include <set>
#include <string_view>

namespace hb {

/// What the scope of an adapter slot's factors starts with.
inline constexpr std::string_view kAdapterScope = "adapter:";

/// The indices of all weights that a program's commands bind.
std::set<size_t> boundWeights(const Program &program);

/// A dense weight in its stored 16-bit type is what the file holds: no copy. Kernels read elements of such tables unaligned.
bool usedInPlace(const WeightSpec &spec);

/// True for a factor of an adapter slot, which no checkpoint holds.
bool isAdapter(const WeightSource &source);

} // namespace hb
