// kernel.gather: rows of a table picked by index, converted to the result's type; a thread for each element.
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/gpu/Pointwise.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {

FailureOr<Launch> emitGather(KernelBuilder &kb, Operation *op) {
  auto gather = cast<kernel::GatherOp>(op);
  const Operand &table = kb.operand(gather.getTable()), &index = kb.operand(gather.getIndex()), &result = kb.operand(gather.getResult());
  const int64_t batchDims = gather.getBatchDims(), indexRank = index.rank(), entries = table.shape()[batchDims];
  const int64_t count = result.type.getNumElements(), grid = std::max<int64_t>(1, (count + pointwiseBlock - 1) / pointwiseBlock);
  Value number = kb.add(kb.mul(kb.block(), pointwiseBlock), kb.thread());
  kb.ifThen(kb.less(number, kb.i(count)), [&] {
    SmallVector<Value> dims = kb.delinearize(number, result.shape());
    auto offset = [&](int64_t start, ArrayRef<int64_t> strides, ArrayRef<Value> at) {
      Value sum = kb.i(start);
      for (auto [stride, dim] : llvm::zip_equal(strides, at))
        sum = kb.add(sum, kb.mul(dim, stride));
      return sum;
    };
    // The runtime checks indices that come from outside; a computed one that is wrong must not read foreign memory.
    Value entry = kb.load(index, offset(index.offset, index.strides, ArrayRef(dims).take_front(indexRank)));
    Value zero = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI64IntegerAttr(0)), most = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI64IntegerAttr(entries - 1));
    entry = arith::MaxSIOp::create(kb.b, kb.loc, zero, arith::MinSIOp::create(kb.b, kb.loc, entry, most));
    if (kb.indexType() != entry.getType())
      entry = arith::TruncIOp::create(kb.b, kb.loc, kb.indexType(), entry);
    SmallVector<Value> place(ArrayRef(dims).take_front(batchDims));
    place.push_back(entry);
    place.append(dims.begin() + indexRank, dims.end());
    kb.store(result, offset(result.offset, result.strides, dims), kb.load(table, offset(table.offset, table.strides, place)));
  });
  return Launch{grid, pointwiseBlock, 0};
}

} // namespace hb::gpu
