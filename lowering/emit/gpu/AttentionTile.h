// What attention and its gradient share: a block of 16 × 16 threads, tiles of rows in shared memory and the products between them.
//
// Thread (y, x) of the block owns, of a tile of scores, the queries y + 16·i and the keys x + 16·j. Tiles lie row by row with a row stride
// that is an odd multiple of 16 bytes, so that 16-byte reads of neighbouring rows meet all banks of shared memory once.
// Sums of products are cut: a chain of float32 additions is at most `chainLength` long before it is added to its total.
#pragma once

#include "lowering/emit/gpu/KernelBuilder.h"

namespace hb::gpu {

struct AttentionExtents {
  int64_t batch, queries, keys, heads, width, valueWidth; ///< widths: of one head
  double scale;
  bool causal;

  template <typename Op> static AttentionExtents of(Op op) {
    auto shape = [](Value value) { return cast<mlir::RankedTensorType>(value.getType()).getShape(); };
    ArrayRef<int64_t> q = shape(op.getQ());
    const int64_t heads = op.getHeads();
    return {q[0], q[1], shape(op.getK())[1], heads, q[2] / heads, shape(op.getV())[2] / heads, op.getScale().convertToDouble(), op.getCausal()};
  }
};

/// One head's rows of a tensor [batch, rows, heads·columns].
struct HeadRows {
  const Operand *operand;
  Value offset; ///< of row 0, column 0
  int64_t rows, columns;
  bool vectors; ///< four neighbouring columns can be moved at once
};

/// Rows of a tile in shared memory, f32.
struct SharedRows {
  Value base;
  int64_t rows, stride;
};

class AttentionTile {
public:
  static constexpr int64_t side = 16, threads = side * side;
  static constexpr int64_t groupColumns = 4 * side; ///< what a row of threads covers with four columns each
  static constexpr int64_t chainLength = 32;

  AttentionTile(KernelBuilder &kb, const AttentionExtents &extents, int64_t queries, int64_t keys);

  const int64_t queries, keys; ///< of a tile of scores
  int64_t queriesOfThread() const { return queries / side; }
  int64_t keysOfThread() const { return keys / side; }
  Value x, y; ///< this thread

  /// Which batch element and head `pair` (batch·heads + head) means.
  void selectHead(Value pair);
  HeadRows rows(Value tensor, int64_t columns) const;

  // ---- shared memory
  static int64_t rowStride(int64_t columns);
  SharedRows allocate(int64_t rowCount, int64_t columns);
  SharedRows allocateScores(); ///< [queries][keys]
  /// All threads copy columns [firstColumn, firstColumn + columns) of the rows from `first` on; rows past the last one repeat it, columns are
  /// filled up with zeros to a multiple of four.
  void fill(const SharedRows &tile, const HeadRows &source, Value first, Value firstColumn, int64_t columns);

  // ---- scores: queriesOfThread() × keysOfThread() scalars
  /// sums(query, key) + Σ over `columns` of left(query, ·)·right(key, ·).
  SmallVector<Value> innerProducts(const SharedRows &left, const SharedRows &right, int64_t columns, ValueRange sums);
  /// Scores in base 2 from the products of tile (query, key): scaled, with the mask; hidden ones are the lowest float.
  void finishScores(SmallVector<Value> &scores, Value query, Value key, Value mask);
  void storeScores(const SharedRows &tile, ArrayRef<Value> scores);
  Value queryOf(Value query, int64_t i) { return kb.add(kb.add(query, y), i * side); }
  Value keyOf(Value key, int64_t j) { return kb.add(kb.add(key, x), j * side); }
  /// Whether query or key exist; null where all do.
  Value exists(Value index, int64_t total, int64_t tileSize);

  // ---- products with the columns on threads: column group g holds columns 64·g + 4·x …; a vector of four per row
  static int64_t groups(int64_t columns) { return (columns + groupColumns - 1) / groupColumns; }
  /// For the thread's queries: Σ over the tile's keys of scores(query, key)·right(key, column). `columns`: how many `right` holds.
  SmallVector<Value> sumOverKeys(const SharedRows &scores, const SharedRows &right, int64_t group, int64_t columns);
  /// For keys y·keysOfThread() + i: Σ over the tile's queries of scores(query, key)·right(query, column).
  SmallVector<Value> sumOverQueries(const SharedRows &scores, const SharedRows &right, int64_t group, int64_t columns);
  /// Writes a vector of four columns of row `row` where they exist.
  void storeColumns(const HeadRows &target, Value row, int64_t tileSize, int64_t group, Value four);

  Value four(double value) { return kb.splat(value, 4); }
  Value batchIndex, head;

private:
  /// Chains over `steps` that start from zero, added up: rowCount vectors of four.
  SmallVector<Value> sumInChains(int64_t steps, int64_t rowCount, const std::function<SmallVector<Value>(Value, ValueRange)> &fourSteps);
  Value column(int64_t group, int64_t columns);
  Value element(Value vector, int64_t lane);

  KernelBuilder &kb;
  const AttentionExtents &extents;
};

/// Scores as sums over the columns, `span` at a time: body(first column, columns, sums) returns the next sums. A loop, so that wide heads do
/// not become long code with many addresses alive.
SmallVector<Value> sumPieces(KernelBuilder &kb, int64_t columns, int64_t span, int64_t scores, const std::function<SmallVector<Value>(Value, int64_t, ValueRange)> &body);
/// body(first, columns) for the pieces of at most `span` columns.
void forPieces(int64_t columns, int64_t span, llvm::function_ref<void(int64_t first, int64_t columns)> body);

} // namespace hb::gpu
