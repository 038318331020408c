// A variant of the x86-64 target: which instructions kernels may use and how wide their vectors are.
#pragma once

#include <string>
#include <vector>

namespace hb::x86 {

/// Kernels are compiled for one of two instruction levels and tuned for one CPU. Two levels are enough: nothing the kernels
/// use goes beyond x86-64-v4, and a machine that lacks it runs the x86-64-v3 code.
struct X86Target {
  std::string cpu;                   ///< instruction level, LLVM's name: "x86-64-v3" or "x86-64-v4"
  std::string tune;                  ///< CPU whose scheduling model is used, LLVM's name
  std::vector<std::string> features; ///< what a machine must have to run the code, LLVM's names
  int vectorLanes = 8;               ///< f32 lanes of the widest vector: 8 (AVX2) or 16 (AVX-512)

  bool avx512() const { return vectorLanes == 16; }
};

/// Parses the value of `--target`: `x86-64` (this machine) or `x86-64,cpu=NAME` with a name LLVM knows.
/// Throws Error 730 (another architecture or malformed), 731 (unknown CPU), 732 (CPU without AVX2, FMA and F16C).
X86Target parseTarget(const std::string &spec);

} // namespace hb::x86
