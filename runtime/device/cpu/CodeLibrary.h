// The shared object inside a module, loaded.
#pragma once

#include "runtime/abi/kernel.h"
#include "runtime/module/Module.h"

#include <vector>

namespace hb {

/// Chooses the best code variant this machine can run (the last in the module's order that it has all features of: hbc writes
/// variants from the plainest to the widest), loads it and resolves every kernel. HB0407, HB0408.
class CodeLibrary {
public:
  explicit CodeLibrary(const Module &module);
  ~CodeLibrary();
  CodeLibrary(const CodeLibrary &) = delete;
  CodeLibrary &operator=(const CodeLibrary &) = delete;

  const CodeVariant &variant() const { return *variant_; }
  hb_kernel_fn kernel(size_t index) const { return kernels_[index]; }

private:
  const CodeVariant *variant_ = nullptr;
  void *handle_ = nullptr;
  std::vector<hb_kernel_fn> kernels_;
};

} // namespace hb
