#include "lowering/emit/x86/Target.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include "runtime/base/Error.h"

#include <algorithm>
#include <set>

namespace hb::x86 {
namespace {

/// An instruction level: all listed features must be there. The better one comes first.
struct Level {
  const char *cpu;
  int lanes;
  std::vector<std::string> features;
};

const std::vector<Level> &levels() {
  // The two micro-architecture levels of the x86-64 psABI, reduced to the features that decide (CMOV, SSE… are implied).
  static const std::vector<Level> table = {
      {"x86-64-v4", 16, {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe", "popcnt", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
      {"x86-64-v3", 8, {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe", "popcnt"}}};
  return table;
}

} // namespace

X86Target parseTarget(const std::string &spec) {
  llvm::StringRef rest = spec;
  auto [arch, options] = rest.split(',');
  if (arch != "x86-64" && arch != "x86_64")
    throw Error(730, "--target " + spec, "x86-64[,cpu=NAME]", arch.str(), "use a target this compiler has");
  std::string cpu = "native";
  if (!options.empty()) {
    if (!options.consume_front("cpu=") || options.empty() || options.contains(','))
      throw Error(730, "--target " + spec, "x86-64[,cpu=NAME]", options.str(), "write the CPU as cpu=NAME");
    cpu = options.str();
  }

  std::set<std::string> have;
  std::string tune = cpu;
  if (cpu == "native") {
    tune = llvm::sys::getHostCPUName().str();
    for (auto &feature : llvm::sys::getHostCPUFeatures())
      if (feature.second)
        have.insert(feature.first().str());
  } else {
    llvm::SmallVector<llvm::StringRef> known, features;
    llvm::X86::fillValidCPUArchList(known, /*Only64Bit=*/true);
    if (!llvm::is_contained(known, cpu))
      throw Error(731, "--target " + spec, "a 64-bit x86 CPU name such as x86-64-v3, x86-64-v4, znver4, sapphirerapids", cpu,
                  "leave cpu= out to compile for this machine");
    llvm::X86::getFeaturesForCPU(cpu, features);
    for (llvm::StringRef feature : features)
      have.insert(feature.str());
    if (have.count("avx512vl"))
      have.insert("avx512f"); // LLVM's list leaves implied features out for the psABI levels
  }
  for (const Level &level : levels())
    if (std::all_of(level.features.begin(), level.features.end(), [&](const std::string &f) { return have.count(f) != 0; }))
      return {level.cpu, tune, level.features, level.lanes};
  throw Error(732, "--target " + spec, "a CPU with AVX2, FMA, F16C and BMI2 (x86-64-v3)", tune, "choose a newer CPU");
}

} // namespace hb::x86
