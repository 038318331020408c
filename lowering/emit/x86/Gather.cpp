// kernel.gather: rows of a table picked by index, converted to the result's type.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {

FailureOr<Launch> emitGather(KernelBuilder &kb, Operation *op) {
  auto gather = cast<kernel::GatherOp>(op);
  const Operand &table = kb.operand(gather.getTable()), &index = kb.operand(gather.getIndex()), &result = kb.operand(gather.getResult());
  const int64_t batchDims = gather.getBatchDims(), indexRank = index.rank(), firstInner = batchDims + 1;
  const int64_t entries = table.shape()[batchDims];

  // Inner dimensions of one row; as one when both sides allow it.
  SmallVector<int64_t> inner(table.shape().drop_front(firstInner)), tableStrides(ArrayRef(table.strides).drop_front(firstInner)),
      resultStrides(ArrayRef(result.strides).drop_front(indexRank));
  if (inner.empty()) {
    inner.push_back(1);
    tableStrides.push_back(1);
    resultStrides.push_back(1);
  } else if (table.collapses(firstInner, table.rank()) && result.collapses(indexRank, result.rank())) {
    int64_t size = 1;
    for (int64_t extent : inner)
      size *= extent;
    inner = {size};
    tableStrides = {tableStrides.back()};
    resultStrides = {resultStrides.back()};
  }
  int64_t rowSize = 1, rows = 1;
  for (int64_t extent : inner)
    rowSize *= extent;
  for (int64_t extent : index.shape())
    rows *= extent;

  const int64_t chunk = std::clamp<int64_t>(8192 / std::max<int64_t>(rowSize, 1), 1, std::max<int64_t>(rows, 1)), grid = (rows + chunk - 1) / chunk;
  auto row = [&](Value number) {
    SmallVector<Value> place = kb.delinearize(number, index.shape());
    Value indexOffset = kb.i(index.offset), to = kb.i(result.offset), from = kb.i(table.offset);
    for (int64_t dim = 0; dim < indexRank; ++dim) {
      indexOffset = kb.add(indexOffset, kb.mul(place[dim], index.strides[dim]));
      to = kb.add(to, kb.mul(place[dim], result.strides[dim]));
    }
    // The runtime checks indices that come from outside; a computed one that is wrong must not read foreign memory.
    Value entry = kb.max(kb.i(0), kb.min(kb.load(index, indexOffset, 1), kb.i(entries - 1)));
    if (batchDims)
      from = kb.add(from, kb.mul(place[0], table.strides[0]));
    from = kb.add(from, kb.mul(entry, table.strides[batchDims]));

    std::function<void(size_t, Value, Value)> nest = [&](size_t dim, Value source, Value target) {
      if (dim + 1 < inner.size()) {
        kb.loop(0, inner[dim], 1, [&](Value at) { nest(dim + 1, kb.add(source, kb.mul(at, tableStrides[dim])), kb.add(target, kb.mul(at, resultStrides[dim]))); });
        return;
      }
      if (tableStrides[dim] == 1 && resultStrides[dim] == 1)
        forLanes(kb, inner[dim], [&](Value at, int lanes) { kb.store(result, kb.add(target, at), kb.load(table, kb.add(source, at), lanes)); }, 4);
      else
        kb.loop(0, inner[dim], 1, [&](Value at) { kb.store(result, kb.add(target, kb.mul(at, resultStrides[dim])), kb.load(table, kb.add(source, kb.mul(at, tableStrides[dim])), 1)); });
    };
    nest(0, from, to);
  };
  Value first = kb.mul(kb.task, chunk);
  if (chunk == 1)
    row(first);
  else
    kb.loop(first, kb.min(kb.add(first, chunk), kb.i(rows)), 1, row);
  return Launch{std::max<int64_t>(grid, 1), 0};
}

} // namespace hb::x86
