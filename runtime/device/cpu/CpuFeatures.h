// What this machine's processor can execute, in the names compilers use.
#pragma once

#include <string>
#include <vector>

namespace hb {

/// True when the processor (and the operating system) support the feature, e.g. "avx2", "fma", "f16c", "avx512f", "avx512bf16".
/// Unknown names are not supported.
bool cpuHasFeature(const std::string &name);
/// The features of `wanted` that are lacking here.
std::vector<std::string> missingCpuFeatures(const std::vector<std::string> &wanted);
/// The model name the system reports, e.g. for `hb-rt devices`.
std::string cpuModelName();

} // namespace hb
