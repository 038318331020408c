// Small operations across and on vector lanes that several families share.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// x > y ? x : y, one instruction (NaN in x gives y).
Value laneMax(KernelBuilder &kb, Value x, Value y);
/// Transposes a square of 8 or 16 vectors of f32.
SmallVector<Value> transposeLanes(KernelBuilder &kb, ArrayRef<Value> rows);
/// The same for 16 vectors of 16 elements of 16 bits, for vectors of 512 bits: two rows share one, which halves the shuffles.
SmallVector<Value> transposeHalves(KernelBuilder &kb, ArrayRef<Value> rows);
/// 2^x for x ≤ 0 (any magnitude, no NaN), relative error ≤ 8e-8 and exactly 1 at 0; for the running softmax. Far below −126 it gives 0 or
/// the smallest normal float.
Value buildPower(KernelBuilder &kb, Value x);
/// Runs `body(start, lanes)` over [0, count) in vectors of kb.lanes(), then the rest in ever narrower powers of two down to 1: no element
/// outside is touched and no masks are needed. `unroll` vectors are handled per iteration of the main loop.
void forLanes(KernelBuilder &kb, int64_t count, const std::function<void(Value start, int lanes)> &body, int64_t unroll = 1);

/// Part of a row: a vector of `lanes` elements at `offset`.
struct Piece {
  int64_t offset;
  int lanes;
};
/// As forLanes, but hands out up to `group` vectors at once, so that as many independent chains are in flight; `base` is to be added to the
/// pieces' offsets. The remainder of the row, narrow pieces included, comes as one last group.
void forPieces(KernelBuilder &kb, int64_t count, int64_t group, const std::function<void(Value base, ArrayRef<Piece> pieces)> &body);

/// Elements offset, offset + stride, … of an operand as f32 (gathered one by one where stride ≠ 1); lanes == 1 gives a scalar.
Value loadStrided(KernelBuilder &kb, const Operand &operand, Value offset, int64_t stride, int lanes);
void storeStrided(KernelBuilder &kb, const Operand &operand, Value offset, int64_t stride, Value value, int lanes);

/// Folds a row of `count` elements into `results` scalars at once: `step` takes the running values (vectors or scalars) and the position of
/// the next `lanes` elements. Eight vectors are in flight, combined as a tree in the end.
struct RowFold {
  double init = 0;
  std::function<Value(Value, Value)> merge;   ///< of two running values
  std::function<Value(Value)> mergeLanes;     ///< vector → scalar
};
SmallVector<Value> foldRow(KernelBuilder &kb, int64_t count, int results, const RowFold &fold,
                           const std::function<SmallVector<Value>(ArrayRef<Value> running, Value at, int lanes)> &step, int64_t inFlight = 8);
RowFold sumFold(KernelBuilder &kb);
RowFold maxFold(KernelBuilder &kb);
/// Sums of a row of any length as f64: float32 chains stay short. `step` as for foldRow.
SmallVector<Value> sumRow(KernelBuilder &kb, int64_t count, int results, const std::function<SmallVector<Value>(ArrayRef<Value> running, Value at, int lanes)> &step,
                          int64_t inFlight = 8);

/// f64 arithmetic for the few scalars that decide accuracy.
Value toF64(KernelBuilder &kb, Value x);
Value toF32(KernelBuilder &kb, Value x);

} // namespace hb::x86
