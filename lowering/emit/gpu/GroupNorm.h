#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"

namespace hb::gpu {

/// kernel.normalize group: applies the statistics of kernel.group_stats, with the epilogue and the border.
FailureOr<Launch> emitGroupApply(KernelBuilder &kb, kernel::NormalizeOp op);

} // namespace hb::gpu
