// The ways in which a module can be made smaller.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"

namespace hb::reduce {

/// A kind of change that can be made at many places of a module. Places are numbered in the order of a walk, so that a number means
/// the same place in a module and in its copy.
struct Reduction {
  const char *name;
  size_t (*count)(mlir::ModuleOp module);
  /// Makes the change at places [begin, end). Changes that do not fit together are left out; the result need not verify.
  void (*apply)(mlir::ModuleOp module, size_t begin, size_t end);
};

/// From the coarsest to the finest.
llvm::ArrayRef<Reduction> reductions();

} // namespace hb::reduce
