// How many floating point operations the kernels of this target really do, beside the algorithmic count of lowering/kernels/Cost.h.
#pragma once

#include "lowering/emit/x86/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"

namespace hb::x86 {

/// Operations of one launch of a family op as built for `target`; a multiply-add is 2. Products count as the kernel does them: Winograd's planes and
/// transforms instead of the direct convolution; panels of 16 columns and vectors of queries, keys or head columns whole, the padding included; blocks
/// of scores that a causal mask hides only where they are computed; the products that attention's gradient does again where keys and queries are tasks
/// of their own. What is no product (epilogues, norms, maps, softmax) counts as in the algorithm: an operation each, once an element.
int64_t executedFlops(mlir::Operation *op, const X86Target &target);

/// Sets `flops_executed` on every kernel.def, for the widest of the variants.
void countExecuted(mlir::ModuleOp module, llvm::ArrayRef<X86Target> targets);

} // namespace hb::x86
