// kernel.adaptive_pool: means over torch's adaptive bins, rows ⌊i·H/h⌋ … ⌈(i+1)·H/h⌉ (and columns alike) of an NHWC picture; a thread for each mean.
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/gpu/Pointwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {

FailureOr<Launch> emitAdaptivePool(KernelBuilder &kb, Operation *op) {
  auto pool = cast<kernel::AdaptivePoolOp>(op);
  const Operand &x = kb.operand(pool.getX()), &result = kb.operand(pool.getResult());
  const int64_t height = x.shape()[1], width = x.shape()[2], outHeight = result.shape()[1], outWidth = result.shape()[2];
  const int64_t count = result.type.getNumElements(), grid = std::max<int64_t>(1, (count + pointwiseBlock - 1) / pointwiseBlock);
  Value number = kb.add(kb.mul(kb.block(), pointwiseBlock), kb.thread());
  kb.ifThen(kb.less(number, kb.i(count)), [&] {
    SmallVector<Value> place = kb.delinearize(number, result.shape());
    auto bin = [&](Value index, int64_t in, int64_t out) { return std::pair(kb.div(kb.mul(index, in), out), kb.div(kb.add(kb.mul(kb.add(index, 1), in), out - 1), out)); };
    auto [rowStart, rowEnd] = bin(place[1], height, outHeight);
    auto [columnStart, columnEnd] = bin(place[2], width, outWidth);
    Value from = kb.add(kb.add(kb.mul(place[0], x.strides[0]), kb.mul(place[3], x.strides[3])), x.offset), to = kb.i(result.offset);
    for (auto [dim, stride] : llvm::zip_equal(place, result.strides))
      to = kb.add(to, kb.mul(dim, stride));
    // A row of the bin is summed first, then the rows: short float32 chains also where the bin is the whole picture.
    SmallVector<Value> total = kb.loop(rowStart, rowEnd, 1, ValueRange{kb.f(0)}, [&, columnStart = columnStart, columnEnd = columnEnd](Value row, ValueRange sum) -> SmallVector<Value> {
      Value rowOffset = kb.add(from, kb.mul(row, x.strides[1]));
      SmallVector<Value> part = kb.loop(columnStart, columnEnd, 1, ValueRange{kb.f(0)}, [&](Value pixel, ValueRange inner) -> SmallVector<Value> {
        return {kb.fadd(inner[0], kb.load(x, kb.add(rowOffset, kb.mul(pixel, x.strides[2]))))};
      });
      return {kb.fadd(sum[0], part[0])};
    });
    Value bins = kb.mul(kb.sub(rowEnd, rowStart), kb.sub(columnEnd, columnStart));
    kb.store(result, to, kb.fdiv(total[0], arith::SIToFPOp::create(kb.b, kb.loc, kb.f32(), bins)));
  });
  return Launch{grid, pointwiseBlock, 0};
}

} // namespace hb::gpu
