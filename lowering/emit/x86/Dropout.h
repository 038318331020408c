// nn.dropout's mask for the operands of a kernel.
#pragma once

#include "lowering/emit/DropMask.h"
#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// The mask of `drop` (probability, seed, step and site as kernel operands), its key computed where the builder stands.
DropMask loadDropMask(KernelBuilder &kb, ValueRange drop);

} // namespace hb::x86
