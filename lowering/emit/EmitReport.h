// What an emitter did, for the time report.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace hb {

/// Seconds one kernel spent in each step of its way to machine code.
struct CompileTimes {
  double build = 0, passes = 0, translate = 0, optimise = 0, codegen = 0;
  double total() const { return build + passes + translate + optimise + codegen; }
};

/// One entry per kernel and variant, in the module's order.
struct EmitReport {
  struct Kernel {
    std::string symbol, family, cpu;
    CompileTimes times;
    size_t objectBytes = 0;
  };
  std::vector<Kernel> kernels;
  double linkSeconds = 0, wallSeconds = 0;
};

} // namespace hb
