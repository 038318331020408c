#include "lowering/emit/x86/Reduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::x86 {

static int64_t bytesOf(Type element) { return element.getIntOrFloatBitWidth() / 8; }

int64_t chunkLength(int64_t length, int64_t wanted, int64_t most) {
  int64_t chunks = std::max<int64_t>(1, length / wanted);
  if ((length + chunks - 1) / chunks > most)
    ++chunks;
  int64_t equal = (length + chunks - 1) / chunks;
  return chunks == 1 ? length : (equal + reductionUnroll - 1) / reductionUnroll * reductionUnroll;
}

/// Floats of one staged row: the terms, and as many before them as the widest vector may reach back.
static int64_t stageStride(int64_t terms) { return (terms + 15) / 16 * 16 + 16; }

int64_t Reduction::stageBytes(int64_t rows, int64_t length, int64_t wantedTerms, int64_t mostTerms) {
  return rows * stageStride(chunkLength(length, wantedTerms, mostTerms)) * 4;
}

ProductSource Reduction::staged(const ProductSource &source, SmallVector<Value> &rows, Value length, int64_t most) {
  if (source.aElement.isF32())
    return source;
  const int64_t lanes = kb_.lanes(), stride = stageStride(most);
  SmallVector<Value> targets;
  for (size_t r = 0; r < rows.size(); ++r)
    targets.push_back(kb_.i(static_cast<int64_t>(r) * stride + 16));
  auto move = [&](Value at, int count) {
    for (auto [row, target] : llvm::zip_equal(rows, targets))
      kb_.storeRaw(kb_.widen(kb_.loadRaw(source.a, kb_.add(row, at), source.aElement, count)), stage_, kb_.add(target, at));
  };
  if (source.length < lanes) {
    kb_.loop(kb_.i(0), length, 1, [&](Value at) { move(at, 1); });
  } else {
    kb_.loop(kb_.i(0), kb_.mul(kb_.div(length, lanes), lanes), lanes, [&](Value at) { move(at, lanes); });
    // The last vector ends with the chunk. It may begin before it, with terms of the chunk before: a segment is longer than a vector.
    if (most % lanes || source.length % most)
      move(kb_.sub(length, kb_.i(lanes)), lanes);
  }
  ProductSource wide = source;
  wide.a = stage_;
  wide.aElement = kb_.f32();
  rows.assign(targets.begin(), targets.end());
  return wide;
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
    if (ahead.rows && unroll == reductionUnroll) { // rows · 4 elements per step
      const int64_t rowBytes = static_cast<int64_t>(rows.size()) * ahead.rowBytes;
      for (int64_t line = 0; line < rowBytes * reductionUnroll; line += 64)
        kb_.prefetch(ahead.rows, kb_.add(kb_.mul(k, rowBytes), line), kb_.b.getI8Type(), /*nearness=*/2);
    }
    if (ahead.weights && unroll == reductionUnroll) {
      Value at = ahead.place ? ahead.place(kb_.add(ahead.term, k)) : kb_.mul(k, 64 / reductionUnroll);
      kb_.prefetch(ahead.weights, at, kb_.b.getI8Type(), /*nearness=*/2);
    }
    if (ahead.nextRow && unroll == reductionUnroll) {
      // A line of 16 terms of every row, spread over the steps that the line lasts.
      const int64_t steps = 16 / reductionUnroll, count = static_cast<int64_t>(rows.size()), each = (count + steps - 1) / steps;
      Value step = kb_.rem(kb_.div(k, reductionUnroll), steps);
      for (int64_t i = 0; i < each; ++i) {
        Value row = kb_.min(kb_.add(kb_.mul(step, each), i), kb_.i(count - 1));
        kb_.prefetch(source.a, kb_.add(kb_.add(ahead.nextRow, kb_.mul(row, ahead.nextStride)), k), source.aElement);
      }
    }
    for (int64_t u = 0; u < unroll; ++u) {
      SmallVector<Value> weights;
      for (Value panel : panels) {
        // One line of 64 bytes each: narrower elements fill it in several steps.
        if (!source.resident && u * 16 * bytes % 64 == 0)
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

SmallVector<Value> Reduction::whole(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, SmallVector<Value> init) {
  auto chain = [&](SmallVector<Value> from) { return wholeChain(source, rows, firstPanel, panels, std::move(from)); };
  return source.blend ? source.blend(std::move(init), chain) : chain(std::move(init));
}

SmallVector<Value> Reduction::wholeChain(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, SmallVector<Value> init) {
  SmallVector<Value> movedRows(rows), movedPanels = panelOffsets(source, firstPanel, panels);
  if (!source.from)
    return chain(source, movedRows, movedPanels, {}, kb_.i(source.terms()), source.terms(), init);
  for (Value &row : movedRows)
    row = kb_.add(row, source.from);
  for (Value &panel : movedPanels)
    panel = kb_.add(panel, kb_.mul(source.from, 16));
  return chain(source, movedRows, movedPanels, {}, kb_.sub(source.to, source.from), source.rangeUnit, init);
}

Reduction::Chunks Reduction::chunkPlan(const ProductSource &source) const {
  const int64_t length = chunkLength(source.length, wanted_, most_), perSegment = (source.length + length - 1) / length;
  return {length, perSegment, perSegment * source.segments};
}

Value Reduction::firstTerm(const ProductSource &source, Value chunk) {
  const Chunks plan = chunkPlan(source);
  Value inSegment = kb_.mul(kb_.rem(chunk, plan.perSegment), plan.length), segment = kb_.mul(kb_.div(chunk, plan.perSegment), source.length);
  return source.segments == 1 ? kb_.min(kb_.mul(chunk, plan.length), kb_.i(source.length)) : kb_.add(segment, inSegment);
}

SmallVector<Value> Reduction::panelOffsets(const ProductSource &source, Value firstPanel, int panels) {
  SmallVector<Value> offsets;
  for (int p = 0; p < panels; ++p)
    offsets.push_back(kb_.add(source.bOffset, kb_.mul(kb_.add(source.firstPanel ? source.firstPanel : firstPanel, p), source.panelStride())));
  return offsets;
}

SmallVector<Value> Reduction::chunk(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panels, Value index) {
  const Chunks plan = chunkPlan(source);
  Value inSegment = kb_.rem(index, plan.perSegment), segment = kb_.div(index, plan.perSegment);
  if (source.segments == 1) {
    inSegment = index;
    segment = kb_.i(0);
  }
  Value k = kb_.mul(inSegment, plan.length), term = kb_.add(k, kb_.mul(segment, source.length));
  Value move = source.segments == 1 ? k : kb_.add(k, source.segmentOffset(segment));
  SmallVector<Value> movedRows, movedPanels;
  for (Value row : rows)
    movedRows.push_back(kb_.add(row, move));
  for (Value panel : panels)
    movedPanels.push_back(kb_.add(panel, kb_.mul(term, 16)));
  bool equal = source.length % plan.length == 0;
  Value length = equal ? kb_.i(plan.length) : kb_.min(kb_.i(plan.length), kb_.sub(kb_.i(source.length), k));
  Ahead ahead = source.ahead;
  ahead.term = term;
  if (ahead.weights && !ahead.place)
    ahead.weights = kb_.address(source.ahead.weights, kb_.mul(term, 64 / reductionUnroll), kb_.b.getI8Type());
  ahead.rowBytes = bytesOf(source.aElement);
  if (source.ahead.rows)
    ahead.rows = kb_.address(source.ahead.rows, kb_.mul(term, rows.size() * bytesOf(source.aElement)), kb_.b.getI8Type());
  if (ahead.nextRow)
    ahead.nextRow = source.aElement.isF32() ? kb_.add(ahead.nextRow, move) : Value(); // rows that are widened are read in order
  ProductSource wide = staged(source, movedRows, length, plan.length);
  return chain(wide, movedRows, movedPanels, ahead, length, equal ? plan.length : source.length, zeros(rows.size(), panels.size()));
}

SmallVector<Value> Reduction::sum(const ProductSource &main, ArrayRef<Value> rows, const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel,
                                  int panels) {
  const SmallVector<Value> mainPanels = panelOffsets(main, firstPanel, panels);
  const int64_t chunks = chunkPlan(main).count;
  // A whole segment, continuing a chain.
  auto segment = [&](Value index, SmallVector<Value> acc) {
    SmallVector<Value> movedRows, movedPanels;
    for (Value row : rows)
      movedRows.push_back(kb_.add(row, main.segmentOffset(index)));
    for (Value panel : mainPanels)
      movedPanels.push_back(kb_.add(panel, kb_.mul(index, main.length * 16)));
    ProductSource source = staged(main, movedRows, kb_.i(main.length), main.length);
    return chain(source, movedRows, movedPanels, {}, kb_.i(main.length), main.length, acc);
  };
  auto one = [&](Value index) { return chunk(main, rows, mainPanels, index); };
  auto withExtra = [&](SmallVector<Value> acc) {
    return extra ? whole(*extra, rowsExtra, firstPanel, panels, acc) : acc;
  };
  if (chunks == 1)
    return withExtra(one(kb_.i(0)));
  if (main.terms() <= most_ && main.segments <= maxChainedSegments) {
    SmallVector<Value> acc = zeros(rows.size(), panels);
    for (int64_t s = 0; s < main.segments; ++s)
      acc = segment(kb_.i(s), acc);
    return withExtra(acc);
  }
  // The first chunk is stored, those between are added in memory, the last one is added in registers: zeroing and one
  // round trip through the tile are saved.
  auto addTotals = [&](SmallVector<Value> acc) {
    for (auto [v, value] : llvm::enumerate(acc))
      value = kb_.fadd(reload(tile_, v), value);
    return acc;
  };
  spill(one(kb_.i(0)));
  if (chunks > 2)
    kb_.loop(kb_.i(1), kb_.i(chunks - 1), 1, [&](Value index) { spill(addTotals(one(index))); });
  return addTotals(withExtra(one(kb_.i(chunks - 1))));
}

void Reduction::accumulate(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, Value first, Value last, Value totals) {
  const SmallVector<Value> sourcePanels = panelOffsets(source, firstPanel, panels);
  kb_.loop(first, last, 1, [&](Value index) {
    SmallVector<Value> acc = chunk(source, rows, sourcePanels, index);
    for (auto [v, value] : llvm::enumerate(acc))
      value = kb_.fadd(reload(totals, v), value);
    spill(acc, totals);
  });
}

SmallVector<Value> Reduction::finish(const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel, size_t rows, int panels, Value totals) {
  SmallVector<Value> acc = zeros(rows, panels);
  if (extra)
    acc = whole(*extra, rowsExtra, firstPanel, panels, acc);
  for (auto [v, value] : llvm::enumerate(acc))
    value = extra ? kb_.fadd(reload(totals, v), value) : reload(totals, v);
  return acc;
}

Value Reduction::reload(Value totals, size_t index) {
  // Volatile: LLVM would otherwise keep the totals in registers over the loop around the chunks and spill them around every chunk, across
  // lines of the cache.
  Value where = kb_.address(totals, kb_.i(static_cast<int64_t>(index) * kb_.lanes()), kb_.f32());
  return LLVM::LoadOp::create(kb_.b, kb_.loc, kb_.vec(kb_.lanes(), kb_.f32()), where, /*alignment=*/1, /*isVolatile=*/true);
}

void Reduction::spill(ArrayRef<Value> accumulators, Value to) {
  for (auto [index, value] : llvm::enumerate(accumulators))
    kb_.storeRaw(value, to, kb_.i(static_cast<int64_t>(index) * kb_.lanes()));
}

} // namespace hb::x86
