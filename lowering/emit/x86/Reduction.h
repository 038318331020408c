// The micro-kernel: a register tile of rows × panels summed over K in chunks.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"
#include "lowering/emit/x86/Tiles.h"

namespace hb::x86 {

/// Addresses of data that is needed soon; the loop fetches from them into L2 while it computes. Null: nothing is fetched.
struct Ahead {
  Value weights; ///< one line of 64 bytes per unrolled step
  Value rows;    ///< as many bytes per step as the tile's rows take in
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
  int64_t terms() const { return length * segments; }
  int64_t panelStride() const { return terms() * 16; }
};

/// Chunk length for one segment: equal chunks of about `wanted` terms, at most `most` unless the segment is shorter.
int64_t chunkLength(int64_t length, int64_t wanted, int64_t most);

class Reduction {
public:
  /// `tile`: private memory for the totals of the largest tile (not an alloca: LLVM would turn its constant offsets into
  /// registers, spill those and copy them around every chunk).
  Reduction(KernelBuilder &kb, Value tile, int64_t wantedTerms, int64_t mostTerms) : kb_(kb), tile_(tile), wanted_(wantedTerms), most_(mostTerms) {}

  int vectorsPerPanel() const { return 16 / kb_.lanes(); }
  Value tile() const { return tile_; }

  /// Sums `main` (in chunks) and then `extra` (may be null; rowsExtra its row offsets, added to the last chunk's chain) for
  /// rows.size() rows and `panels` panels from panel `firstPanel`. Returns accumulators [row][panel·vectorsPerPanel + v].
  SmallVector<Value> sum(const ProductSource &main, ArrayRef<Value> rows, const ProductSource *extra, ArrayRef<Value> rowsExtra, Value firstPanel, int panels);
  /// Writes accumulators to the tile, in order.
  void spill(ArrayRef<Value> accumulators);

private:
  SmallVector<Value> chain(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value length, int64_t knownMultiple,
                           SmallVector<Value> init);
  SmallVector<Value> steps(const ProductSource &source, ArrayRef<Value> rows, ArrayRef<Value> panelOffsets, Ahead ahead, Value lower, Value upper,
                           int64_t unroll, SmallVector<Value> init);

  KernelBuilder &kb_;
  Value tile_;
  int64_t wanted_, most_;
};

} // namespace hb::x86
