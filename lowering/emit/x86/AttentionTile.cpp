#include "lowering/emit/x86/AttentionTile.h"

#include "lowering/emit/x86/Lanes.h"

namespace hb::x86 {

SmallVector<Value> sumTile(KernelBuilder &kb, int64_t rows, int64_t panels, int64_t steps, const TileFactors &factors, const TileVectors &vectors, int64_t chains) {
  const int64_t unroll = 4, whole = steps / unroll * unroll, tile = rows * panels, lanes = kb.lanes();
  SmallVector<Value> rowOffsets;
  for (int64_t row = 0; row < rows; ++row)
    rowOffsets.push_back(kb.add(factors.offset, row * factors.rowStride));
  auto step = [&](Value at, int64_t chain, SmallVector<Value> &current) {
    SmallVector<Value> columns;
    Value from = kb.add(vectors.offset, kb.mul(at, vectors.stepStride));
    for (int64_t panel = 0; panel < panels; ++panel)
      columns.push_back(kb.loadRaw(vectors.base, kb.add(from, panel * lanes), kb.f32(), lanes, panel == panels - 1 ? vectors.tailMask : nullptr));
    for (int64_t row = 0; row < rows; ++row) {
      Value factor = kb.broadcast(kb.loadRaw(factors.base, kb.add(rowOffsets[row], kb.mul(at, factors.stepStride)), kb.f32(), 1), lanes);
      for (int64_t panel = 0; panel < panels; ++panel) {
        Value &sum = current[chain * tile + row * panels + panel];
        sum = kb.fma(factor, columns[panel], sum);
      }
    }
  };
  SmallVector<Value> sums(tile * chains, kb.splat(0, lanes));
  if (whole)
    sums = kb.loop(kb.i(0), kb.i(whole), unroll, sums, [&](Value at, ValueRange carried) {
      SmallVector<Value> current(carried.begin(), carried.end());
      for (int64_t u = 0; u < unroll; ++u)
        step(kb.add(at, u), u % chains, current);
      return current;
    });
  for (int64_t u = whole; u < steps; ++u)
    step(kb.i(u), u % chains, sums);
  for (int64_t chain = 1; chain < chains; ++chain)
    for (int64_t index = 0; index < tile; ++index)
      sums[index] = kb.fadd(sums[index], sums[chain * tile + index]);
  sums.resize(tile);
  return sums;
}

void turnRows(KernelBuilder &kb, const HeadRows &source, Value firstRow, int64_t count, int64_t columns, Value target, Value offset, int64_t stride, double factor) {
  const int64_t lanes = kb.lanes();
  const Type element = source.element ? source.element : Type(kb.f32());
  Value factors = kb.splat(factor, lanes), from = source.row(kb, firstRow);
  auto turn = [&](Value lane, int64_t valid) {
    SmallVector<Value> rowOffsets;
    for (int64_t row = 0; row < lanes; ++row)
      rowOffsets.push_back(kb.add(from, kb.mul(kb.add(lane, std::min(row, valid - 1)), source.stride)));
    auto at = [&](Value column) { return kb.add(kb.add(offset, kb.mul(column, stride)), lane); };
    auto window = [&](Value column) {
      SmallVector<Value> rows;
      for (Value rowOffset : rowOffsets)
        rows.push_back(kb.fmul(kb.widen(kb.loadRaw(source.base, kb.add(rowOffset, column), element, lanes)), factors));
      for (auto [index, vector] : llvm::enumerate(transposeLanes(kb, rows)))
        kb.storeRaw(vector, target, at(kb.add(column, index)));
    };
    if (columns < lanes) {
      // Narrower than a vector: element by element.
      kb.loop(0, columns, 1, [&](Value column) {
        for (int64_t row = 0; row < lanes; ++row) {
          Value scaled = kb.fmul(kb.widen(kb.loadRaw(source.base, kb.add(rowOffsets[row], column), element, 1)), kb.f(factor));
          kb.storeRaw(scaled, target, kb.add(at(column), row));
        }
      });
      return;
    }
    kb.loop(0, columns / lanes * lanes, lanes, window);
    if (columns % lanes) // the last window overlaps its neighbour and stores equal values again
      window(kb.i(columns - lanes));
  };
  const int64_t whole = count / lanes * lanes;
  kb.loop(0, whole, lanes, [&](Value lane) { turn(lane, lanes); });
  if (whole < count)
    turn(kb.i(whole), count - whole);
}

void forRuns(KernelBuilder &kb, int64_t count, int64_t size, const std::function<void(Value, int64_t)> &body) {
  const int64_t whole = count / size * size;
  if (whole == size)
    body(kb.i(0), size);
  else
    kb.loop(0, whole, size, [&](Value first) { body(first, size); });
  if (count % size)
    body(kb.i(whole), count % size);
}

} // namespace hb::x86
