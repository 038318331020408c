#include "lowering/emit/x86/Reduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::x86 {

int64_t chunkLength(int64_t length, int64_t wanted, int64_t most) {
  int64_t chunks = std::max<int64_t>(1, length / wanted);
  if ((length + chunks - 1) / chunks > most)
    ++chunks;
  int64_t equal = (length + chunks - 1) / chunks;
  return chunks == 1 ? length : (equal + reductionUnroll - 1) / reductionUnroll * reductionUnroll;
}

SmallVector<Value> Reduction::steps(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value lower, Value upper,
                                    int64_t unroll, SmallVector<Value> init) {
  const int lanes = kb_.lanes(), perPanel = vectorsPerPanel();
  const int64_t bytes = source.bElement.getIntOrFloatBitWidth() / 8;
  return kb_.loop(lower, upper, unroll, init, [&](Value k, ValueRange carried) {
    SmallVector<Value> acc(carried);
    Value kb16 = kb_.mul(k, 16);
    SmallVector<Value> panels;
    for (Value offset : panelOffsets)
      panels.push_back(kb_.add(offset, kb16));
    if (ahead.rows && unroll == reductionUnroll) // rows · 4 floats per step
      for (int64_t line = 0; line < static_cast<int64_t>(rows.size()) * reductionUnroll * 4; line += 64)
        kb_.prefetch(ahead.rows, kb_.add(kb_.mul(k, rows.size() * 4), line), kb_.b.getI8Type(), /*nearness=*/2);
    if (ahead.weights && unroll == reductionUnroll)
      kb_.prefetch(ahead.weights, kb_.mul(k, 64 / reductionUnroll), kb_.b.getI8Type(), /*nearness=*/2);
    for (int64_t u = 0; u < unroll; ++u) {
      SmallVector<Value> weights;
      for (Value panel : panels) {
        // One line of 64 bytes each: narrower elements fill it in several steps.
        if (u * 16 * bytes % 64 == 0)
          kb_.prefetch(source.b, kb_.add(panel, u * 16 + prefetchBytes / bytes), source.bElement);
        for (int v = 0; v < perPanel; ++v)
          weights.push_back(kb_.widen(kb_.loadRaw(source.b, kb_.add(panel, u * 16 + v * lanes), source.bElement, lanes)));
      }
      Value ku = kb_.add(k, u);
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value scalar = kb_.widen(kb_.loadRaw(source.a, kb_.add(row, ku), source.aElement, 1));
        Value x = kb_.broadcast(scalar, lanes);
        for (auto [v, weight] : llvm::enumerate(weights))
          acc[r * weights.size() + v] = kb_.fma(x, weight, acc[r * weights.size() + v]);
      }
    }
    return acc;
  });
}

SmallVector<Value> Reduction::chain(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value length,
                                    int64_t knownMultiple, SmallVector<Value> init) {
  if (knownMultiple % reductionUnroll == 0)
    return steps(source, rows, panelOffsets, ahead, kb_.i(0), length, reductionUnroll, init);
  Value whole = kb_.mul(kb_.div(length, reductionUnroll), reductionUnroll);
  init = steps(source, rows, panelOffsets, ahead, kb_.i(0), whole, reductionUnroll, init);
  return steps(source, rows, panelOffsets, {}, whole, length, 1, init);
}

SmallVector<Value> Reduction::sum(const ProductSource &main, ArrayRef<Value> rows, const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel,
                                  int panels) {
  const int lanes = kb_.lanes();
  const size_t count = rows.size() * panels * vectorsPerPanel();
  SmallVector<Value> zeros(count, kb_.splat(0.0, lanes));
  auto panelOffsets = [&](const ProductSource &source) {
    SmallVector<Value> offsets;
    for (int p = 0; p < panels; ++p)
      offsets.push_back(kb_.add(source.bOffset, kb_.mul(kb_.add(source.firstPanel ? source.firstPanel : firstPanel, p), source.panelStride())));
    return offsets;
  };
  SmallVector<Value> mainPanels = panelOffsets(main);
  const int64_t chunk = chunkLength(main.length, wanted_, most_), perSegment = (main.length + chunk - 1) / chunk, chunks = perSegment * main.segments;
  // A whole segment, continuing a chain.
  auto segment = [&](Value index, SmallVector<Value> acc) {
    SmallVector<Value> movedRows, movedPanels;
    for (Value row : rows)
      movedRows.push_back(kb_.add(row, main.segmentOffset(index)));
    for (Value panel : mainPanels)
      movedPanels.push_back(kb_.add(panel, kb_.mul(index, main.length * 16)));
    return chain(main, movedRows, movedPanels, {}, kb_.i(main.length), main.length, acc);
  };
  auto one = [&](Value index) {
    Value inSegment = kb_.rem(index, perSegment), segment = kb_.div(index, perSegment);
    if (main.segments == 1) {
      inSegment = index;
      segment = kb_.i(0);
    }
    Value k = kb_.mul(inSegment, chunk);
    Value move = main.segments == 1 ? k : kb_.add(k, main.segmentOffset(segment));
    SmallVector<Value> movedRows, movedPanels;
    for (Value row : rows)
      movedRows.push_back(kb_.add(row, move));
    Value weightMove = kb_.mul(kb_.add(k, kb_.mul(segment, main.length)), 16);
    for (Value panel : mainPanels)
      movedPanels.push_back(kb_.add(panel, weightMove));
    bool equal = main.length % chunk == 0;
    Value length = equal ? kb_.i(chunk) : kb_.min(kb_.i(chunk), kb_.sub(kb_.i(main.length), k));
    Ahead ahead;
    Value term = kb_.add(k, kb_.mul(segment, main.length));
    if (main.ahead.weights)
      ahead.weights = kb_.address(main.ahead.weights, kb_.mul(term, 64 / reductionUnroll), kb_.b.getI8Type());
    if (main.ahead.rows)
      ahead.rows = kb_.address(main.ahead.rows, kb_.mul(term, rows.size() * 4), kb_.b.getI8Type());
    return chain(main, movedRows, movedPanels, ahead, length, equal ? chunk : main.length, zeros);
  };
  auto withExtra = [&](SmallVector<Value> acc) {
    return extra ? chain(*extra, rowsExtra, panelOffsets(*extra), {}, kb_.i(extra->terms()), extra->terms(), acc) : acc;
  };
  if (chunks == 1)
    return withExtra(one(kb_.i(0)));
  if (main.terms() <= most_ && main.segments <= maxChainedSegments) {
    SmallVector<Value> acc = zeros;
    for (int64_t s = 0; s < main.segments; ++s)
      acc = segment(kb_.i(s), acc);
    return withExtra(acc);
  }
  // The first chunk is stored, those between are added in memory, the last one is added in registers: zeroing and one
  // round trip through the tile are saved.
  auto at = [&](size_t index) { return kb_.loadRaw(tile_, kb_.i(index * lanes), kb_.f32(), lanes); };
  spill(one(kb_.i(0)));
  if (chunks > 2)
    kb_.loop(kb_.i(1), kb_.i(chunks - 1), 1, [&](Value index) {
      SmallVector<Value> acc = one(index);
      for (size_t v = 0; v < count; ++v)
        acc[v] = kb_.fadd(at(v), acc[v]);
      spill(acc);
    });
  SmallVector<Value> acc = withExtra(one(kb_.i(chunks - 1)));
  for (size_t v = 0; v < count; ++v)
    acc[v] = kb_.fadd(at(v), acc[v]);
  return acc;
}

void Reduction::spill(ArrayRef<Value> accumulators) {
  for (auto [index, value] : llvm::enumerate(accumulators))
    kb_.storeRaw(value, tile_, kb_.i(static_cast<int64_t>(index) * kb_.lanes()));
}

} // namespace hb::x86
