// The package phase: a planned module and its machine code become one .hbm file (docs/module-format.md).
#pragma once

#include "lowering/emit/CodeBlob.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hb {

/// Where a scope's checkpoint lay when the module was compiled.
struct PackageScope {
  std::string name; ///< as in weights' sources; empty for a single component
  std::string path;
};

/// One tensor of the compiled signature: a checkpoint fits when every tensor has this name, type and shape.
struct PackageTensor {
  std::string scope, name, dtype; ///< dtype as safetensors spell it
  std::vector<int64_t> shape;
};

/// What the module file says beside the plan: all of it is known before the kernels phase.
struct PackageInfo {
  std::string compiler = "hbc 0.1.0";
  std::vector<std::string> flags;
  std::string modelKind = "component"; ///< component, pipeline or file
  std::string modelPath, modelClass;
  std::vector<PackageScope> scopes;
  std::vector<PackageTensor> signature;
  nlohmann::json adapters = nlohmann::json::array();
  nlohmann::json sources = nlohmann::json::object();
  nlohmann::json training; ///< null when the module has no training entry
  nlohmann::json pipeline; ///< null when the module has no `generate`
};

/// A program for one target: planned, with its machine code. Where there is code, every kernel.def carries the `grid` and `scratch_bytes`
/// (and `block`, `shared_bytes`) that its emitter chose.
struct PackageTarget {
  std::string name; ///< "x86-64", "cuda:sm_80"
  mlir::ModuleOp module;
  llvm::ArrayRef<CodeBlob> code;
};

/// Writes the module: appears whole or not at all. Throws hb::Error: HB0840 when a kernel lacks what its emitter should have set, HB0901
/// when the file cannot be written.
void writeModule(llvm::ArrayRef<PackageTarget> targets, const PackageInfo &info, llvm::StringRef path);

/// The header that writeModule would write, for --stop-after=package and tests.
nlohmann::json moduleHeader(llvm::ArrayRef<PackageTarget> targets, const PackageInfo &info);

} // namespace hb
