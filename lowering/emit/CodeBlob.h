// What an emitter hands to the package phase: one object per target variant. Sees neither LLVM nor MLIR.
#pragma once

#include <string>
#include <vector>

namespace hb {

/// Machine code of every kernel of a module for one variant of a target.
struct CodeBlob {
  std::string target;                ///< "x86-64"
  std::string cpu;                   ///< the variant's LLVM CPU name, "x86-64-v4"
  std::vector<std::string> features; ///< what the machine must have for this variant, LLVM's feature names ("avx512f")
  std::vector<char> object;          ///< an ELF shared object that exports every kernel symbol of the module
};

} // namespace hb
