// The micro-kernel: a register tile of rows × panels summed over K in chunks.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"
#include "lowering/emit/x86/Tiles.h"

namespace hb::x86 {

/// Addresses of data that is needed soon; the loop fetches from them into L2 while it computes. Null: nothing is fetched.
struct Ahead {
  Value weights; ///< one line of 64 bytes per unrolled step
  std::function<Value(Value)> place = nullptr; ///< when set: bytes from `weights` to the line of a term, which is not a line per step
  Value term;             ///< of the chain's first step (set by the reduction)
  Value rows;    ///< as many bytes per step as the tile's rows take in
  Value nextRow; ///< element of `a` where the next tile's rows start: their terms of the same chunk are fetched into L1
  int64_t nextStride = 0; ///< from one of them to the next
  int64_t rowBytes = 4; ///< of one element of the rows
};

/// One product that is summed into the tile: rows of A (row offsets come with the tile) times packed panels of B.
/// K = segments · length; segment s of a row starts `segmentOffset(s)` elements after the row's start and is contiguous.
struct ProductSource {
  Value a;
  Type aElement;
  Value b;
  Type bElement;
  Value bOffset;    ///< elements, where panel 0 starts
  Value firstPanel; ///< when set: panels of a tile are counted from here instead of from the tile's own panel
  Ahead ahead;
  int64_t length = 0; ///< elements of one segment
  int64_t segments = 1;
  std::function<Value(Value)> segmentOffset = nullptr; ///< null when there is one segment
  Value from, to;        ///< when set: only terms [from, to) differ from zero; for the extra product of a sum
  int64_t rangeUnit = 1; ///< both are multiples of it
  /// When set, for the extra product of a sum: adds the product, which `chain` computes onto accumulators it is given, to accumulators.
  using Chain = std::function<SmallVector<Value>(SmallVector<Value>)>;
  std::function<SmallVector<Value>(SmallVector<Value> acc, const Chain &chain)> blend = nullptr;
  bool resident = false; ///< b stays in the first-level cache meanwhile: nothing of it is fetched ahead
  int64_t heldTerms = 0; ///< when set: b holds only so many terms of every panel; bOffset makes up for those before them
  int64_t terms() const { return length * segments; }
  int64_t panelStride() const { return (heldTerms ? heldTerms : terms()) * 16; }
};

/// Chunk length for one segment: equal chunks of about `wanted` terms, at most `most` unless the segment is shorter.
int64_t chunkLength(int64_t length, int64_t wanted, int64_t most);

class Reduction {
public:
  /// `tile`: private memory for the totals of the largest tile (not an alloca: LLVM would turn its constant offsets into
  /// registers, spill those and copy them around every chunk).
  Reduction(KernelBuilder &kb, Value tile, int64_t wantedTerms, int64_t mostTerms) : kb_(kb), tile_(tile), wanted_(wantedTerms), most_(mostTerms) {}

  /// Where f16 and bf16 rows of `a` are widened, a chunk at a time, and how much room that takes: the micro-kernel reads `a` as scalars, once per
  /// panel and row, and a scalar conversion there would cost as much as the multiplication.
  void stageIn(Value memory) { stage_ = memory; }
  static int64_t stageBytes(int64_t rows, int64_t length, int64_t wantedTerms, int64_t mostTerms);

  int vectorsPerPanel() const { return 16 / kb_.lanes(); }
  Value tile() const { return tile_; }

  /// Sums `main` (in chunks) and then `extra` (may be null; rowsExtra its row offsets, added to the last chunk's chain) for
  /// rows.size() rows and `panels` panels from panel `firstPanel`. Returns accumulators [row][panel·vectorsPerPanel + v].
  SmallVector<Value> sum(const ProductSource &main, ArrayRef<Value> rows, const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel, int panels);
  /// Adds chunks [first, last) of `source` to totals in memory, which lie as `sum` returns accumulators.
  void accumulate(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, Value first, Value last, Value totals);
  /// Totals of `accumulate`, and the chain of `extra` (may be null) added to them.
  SmallVector<Value> finish(const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel, size_t rows, int panels, Value totals);
  /// Chunks of a product, and the term with which one starts (terms() for the chunk behind the last).
  int64_t chunks(const ProductSource &source) const { return chunkPlan(source).count; }
  Value firstTerm(const ProductSource &source, Value chunk);
  /// Writes accumulators to the tile, in order.
  void spill(ArrayRef<Value> accumulators) { spill(accumulators, tile_); }

private:
  /// Equal chunks of `length` terms, `perSegment` in a segment (the last may be shorter), `count` in all.
  struct Chunks {
    int64_t length, perSegment, count;
  };
  Chunks chunkPlan(const ProductSource &source) const;
  SmallVector<Value> panelOffsets(const ProductSource &source, Value firstPanel, int panels);
  SmallVector<Value> zeros(size_t rows, int panels) { return SmallVector<Value>(rows * panels * vectorsPerPanel(), kb_.splat(0.0, kb_.lanes())); }
  /// The sum of one chunk, from zero.
  SmallVector<Value> chunk(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panels, Value index);
  Value reload(Value totals, size_t index);
  void spill(ArrayRef<Value> accumulators, Value to);
  /// `init` plus the whole of `source` (its range, when it has one), in one chain.
  SmallVector<Value> whole(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, SmallVector<Value> init);
  SmallVector<Value> wholeChain(const ProductSource &source, ArrayRef<Value> rows, Value firstPanel, int panels, SmallVector<Value> init);
  /// `source` with `length` elements (at most `most`) of each of `rows` widened in the stage, and `rows` moved there; f32 stays where it is.
  ProductSource staged(const ProductSource &source, SmallVector<Value> &rows, Value length, int64_t most);
  SmallVector<Value> chain(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value length, int64_t knownMultiple,
                           SmallVector<Value> init);
  SmallVector<Value> steps(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value lower, Value upper,
                           int64_t unroll, SmallVector<Value> init);

  KernelBuilder &kb_;
  Value tile_, stage_;
  int64_t wanted_, most_;
};

} // namespace hb::x86
