// The table of kernel families on devices with blocks of threads: op name → what writes its code.
#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"

namespace hb::gpu {

/// Writes the body of the kernel for one family op into `kb` and says how to launch it. Emits a diagnostic when it fails.
using EmitFamily = FailureOr<Launch> (*)(KernelBuilder &kb, mlir::Operation *op);

/// The family of an op name ("kernel.contract"), or null.
EmitFamily findFamily(llvm::StringRef opName);

// One function per family, each in the file of its name (Contract.cpp …); add the row in Families.cpp with the function.
FailureOr<Launch> emitContract(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitAttention(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitAttentionVjp(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitGroupStats(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitNormalize(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitMap(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitConcat(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitGather(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitDropout(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitReduce(KernelBuilder &kb, mlir::Operation *op);
FailureOr<Launch> emitAdaptivePool(KernelBuilder &kb, mlir::Operation *op);

} // namespace hb::gpu
