// nn.dropout's counter-based mask in registers.
#pragma once

#include "lowering/emit/CodeBuilder.h"

namespace hb::emit {

class DropMask {
public:
  /// Computes the key of the mask where the builder stands. `scalars`: probability (f32), seed, step and site (i64), loaded.
  DropMask(CodeBuilder &kb, ArrayRef<Value> scalars);

  /// i1: the probability is not zero. Without it nothing has to be masked.
  Value active() const { return active_; }
  /// f32 elements number `number`, `number` + 1, … (an index, counted modulo 2^32): zero, or scaled by 1 / (1 − p).
  Value apply(Value x, Value number, int lanes);

private:
  Value mix(Value h);

  CodeBuilder &kb_;
  Value active_, factor_, threshold_, low_, high_; ///< i1, f32, and three i32
};

} // namespace hb::emit
