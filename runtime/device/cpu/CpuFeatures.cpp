#include "runtime/device/cpu/CpuFeatures.h"

#include <fstream>

namespace hb {

bool cpuHasFeature(const std::string &name) {
  // __builtin_cpu_supports takes literals only; it also asks the operating system whether it saves the registers.
#define HB_FEATURE(NAME)                                                                                                                                                                           \
  if (name == NAME)                                                                                                                                                                                \
    return __builtin_cpu_supports(NAME);
  HB_FEATURE("sse3") HB_FEATURE("ssse3") HB_FEATURE("sse4.1") HB_FEATURE("sse4.2") HB_FEATURE("popcnt") HB_FEATURE("avx") HB_FEATURE("avx2") HB_FEATURE("fma") HB_FEATURE("bmi") HB_FEATURE("bmi2")
  HB_FEATURE("f16c") HB_FEATURE("lzcnt") HB_FEATURE("movbe") HB_FEATURE("avx512f") HB_FEATURE("avx512bw") HB_FEATURE("avx512cd") HB_FEATURE("avx512dq") HB_FEATURE("avx512vl") HB_FEATURE("avx512vbmi") HB_FEATURE("avx512vbmi2")
  HB_FEATURE("avx512vnni") HB_FEATURE("avx512bitalg") HB_FEATURE("avx512vpopcntdq") HB_FEATURE("avx512ifma") HB_FEATURE("avx512bf16") HB_FEATURE("avx512fp16") HB_FEATURE("avxvnni") HB_FEATURE("gfni") HB_FEATURE("vaes") HB_FEATURE("vpclmulqdq")
#undef HB_FEATURE
  return false;
}

std::vector<std::string> missingCpuFeatures(const std::vector<std::string> &wanted) {
  std::vector<std::string> missing;
  for (const std::string &name : wanted)
    if (!cpuHasFeature(name))
      missing.push_back(name);
  return missing;
}

std::string cpuModelName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name"))
      return line.substr(line.find(':') + 2);
  return "unknown processor";
}

} // namespace hb
