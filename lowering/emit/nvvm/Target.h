// A CUDA architecture to compile for.
#pragma once

#include <string>

namespace hb::nvvm {

struct CudaTarget {
  int capability = 80; ///< 80 for sm_80
  std::string arch() const { return "sm_" + std::to_string(capability); }
  std::string name() const { return "cuda:" + arch(); } ///< as a module names it
};

/// Parses `--target cuda:sm_XY`. Throws Error 730 (malformed) or 733 (an architecture this compiler does not know).
CudaTarget parseTarget(const std::string &spec);

} // namespace hb::nvvm
