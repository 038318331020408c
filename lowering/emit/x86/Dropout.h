// nn.dropout's counter-based mask in registers.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

class DropMask {
public:
  /// Computes the key of the mask where the builder stands. `drop`: probability, seed, step and site as kernel operands.
  DropMask(KernelBuilder &kb, ValueRange drop);

  /// i1: the probability is not zero. Without it nothing has to be masked.
  Value active() const { return active_; }
  /// f32 elements number `number`, `number` + 1, … (i64): zero, or scaled by 1 / (1 − p).
  Value apply(Value x, Value number, int lanes);

private:
  Value mix(Value h);

  KernelBuilder &kb_;
  Value active_, factor_, threshold_, low_, high_; ///< i1, f32, and three i32
};

} // namespace hb::x86
