// The two halves of group normalisation: partial statistics and their application.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// kernel.normalize of kind group.
FailureOr<Launch> emitGroupApply(KernelBuilder &kb, kernel::NormalizeOp op);

} // namespace hb::x86
