// kernel.adaptive_pool: means over torch's adaptive bins, rows ⌊i·H/h⌋ … ⌈(i+1)·H/h⌉ (and columns alike) of an NHWC picture.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {

FailureOr<Launch> emitAdaptivePool(KernelBuilder &kb, Operation *op) {
  auto pool = cast<kernel::AdaptivePoolOp>(op);
  const Operand &x = kb.operand(pool.getX()), &result = kb.operand(pool.getResult());
  const int64_t height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3], outHeight = result.shape()[1], outWidth = result.shape()[2];
  const bool vectors = x.strides[3] == 1 && result.strides[3] == 1;

  auto bin = [&](Value index, int64_t in, int64_t out) {
    Value start = kb.div(kb.mul(index, in), out), end = kb.div(kb.add(kb.mul(kb.add(index, 1), in), out - 1), out);
    return std::pair(start, end);
  };
  SmallVector<Value> place = kb.delinearize(kb.task, {x.shape()[0], outHeight}); // one task: one row of the result
  auto [rowStart, rowEnd] = bin(place[1], height, outHeight);
  kb.loop(0, outWidth, 1, [&, rowStart = rowStart, rowEnd = rowEnd](Value column) {
    auto [columnStart, columnEnd] = bin(column, width, outWidth);
    Value count = kb.mul(kb.sub(rowEnd, rowStart), kb.sub(columnEnd, columnStart));
    Value from = kb.add(kb.mul(place[0], x.strides[0]), x.offset);
    Value to = kb.add(kb.add(kb.mul(place[0], result.strides[0]), kb.mul(place[1], result.strides[1])), kb.add(kb.mul(column, result.strides[2]), result.offset));
    auto channel = [&, columnStart = columnStart, columnEnd = columnEnd](Value at, int lanes) {
      Value zero = kb.splat(0, lanes), source = kb.add(from, kb.mul(at, x.strides[3]));
      // A row of the bin is summed first, then the rows: short float32 chains also where the bin is the whole picture.
      SmallVector<Value> total = kb.loop(rowStart, rowEnd, 1, ValueRange{zero}, [&](Value row, ValueRange sum) -> SmallVector<Value> {
        Value rowOffset = kb.add(source, kb.mul(row, x.strides[1]));
        SmallVector<Value> part = kb.loop(columnStart, columnEnd, 1, ValueRange{zero}, [&](Value pixel, ValueRange inner) -> SmallVector<Value> {
          return {kb.fadd(inner[0], kb.load(x, kb.add(rowOffset, kb.mul(pixel, x.strides[2])), lanes))};
        });
        return {kb.fadd(sum[0], part[0])};
      });
      Value divisor = kb.broadcast(arith::SIToFPOp::create(kb.b, kb.loc, kb.f32(), count), lanes);
      kb.store(result, kb.add(to, kb.mul(at, result.strides[3])), kb.fdiv(total[0], divisor));
    };
    if (vectors)
      forLanes(kb, channels, channel);
    else
      kb.loop(0, channels, 1, [&](Value at) { channel(at, 1); });
  });
  return Launch{x.shape()[0] * outHeight, 0};
}

} // namespace hb::x86
