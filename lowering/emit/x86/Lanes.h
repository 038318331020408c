// Small operations across and on vector lanes that several families share.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// x > y ? x : y, one instruction (NaN in x gives y).
Value laneMax(KernelBuilder &kb, Value x, Value y);
/// vector<lanes x i32> 0, 1, 2, …
Value laneNumbers(KernelBuilder &kb, int lanes);
/// Transposes a square of 8 or 16 vectors of f32.
SmallVector<Value> transposeLanes(KernelBuilder &kb, ArrayRef<Value> rows);
/// 2^x for x ≤ 0 (any magnitude, no NaN), relative error ≤ 8e-8 and exactly 1 at 0; for the running softmax. Far below −126 it gives 0 or
/// the smallest normal float.
Value buildPower(KernelBuilder &kb, Value x);
/// Runs `body(start, lanes)` over [0, count) in vectors of kb.lanes(), then the rest in ever narrower powers of two down to 1: no element
/// outside is touched and no masks are needed. `unroll` vectors are handled per iteration of the main loop.
void forLanes(KernelBuilder &kb, int64_t count, const std::function<void(Value start, int lanes)> &body, int64_t unroll = 1);

} // namespace hb::x86
