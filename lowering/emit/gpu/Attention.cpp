// kernel.attention: flash attention forward (Dao et al. 2022) for blocks of threads, in float32 with plain multiply-adds.
//
// A block of the grid is one head's tile of queries, which meets tiles of keys: S = Q·K^T, the running maximum and P = 2^(S − max) with 16
// threads to a row, P through shared memory, O = O·α + P·V with O in registers. Keys and values of a tile use one buffer in turn. Heads
// wider than a tile's columns bring Q and K piece by piece for each tile of keys.
// The softmax runs in base 2: log2 e is folded into the scale.
#include "lowering/emit/FloatMath.h"
#include "lowering/emit/gpu/AttentionTile.h"
#include "lowering/emit/gpu/Families.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cfloat>

using namespace mlir;

namespace hb::gpu {
namespace {

/// Tiles by the wider of a head's two widths: as large as registers (O) and 96 KiB of shared memory allow.
struct TileRow {
  int64_t mostWidth, queries, keys, span; ///< span: columns in shared memory at a time
};
const TileRow tileRows[] = {
    {64, 64, 64, 64}, {128, 64, 64, 128}, {512, 32, 64, 64}, {1024, 16, 64, 64},
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &kb, kernel::AttentionOp op, const TileRow &row)
      : kb(kb), op(op), e(AttentionExtents::of(op)), tile(kb, e, row.queries, row.keys), span(row.span) {}

  Launch run() {
    const int64_t blocks = (e.queries + tile.queries - 1) / tile.queries, whole = e.width <= span;
    const int64_t widest = std::min(std::max(e.width, e.valueWidth), span);
    left = tile.allocate(tile.queries, std::min(e.width, span));
    right = tile.allocate(tile.keys, widest);
    powers = tile.allocateScores();
    tile.selectHead(kb.div(kb.block(), blocks));
    q = tile.rows(op.getQ(), e.width);
    k = tile.rows(op.getK(), e.width);
    v = tile.rows(op.getV(), e.valueWidth);
    query = kb.mul(kb.rem(kb.block(), blocks), tile.queries);
    if (whole)
      tile.fill(left, q, query, kb.i(0), e.width);

    // Carried from tile to tile of keys: maxima, this thread's part of the sums, O.
    const int64_t m = tile.queriesOfThread(), groups = AttentionTile::groups(e.valueWidth);
    SmallVector<Value> state(m, kb.f(-FLT_MAX));
    state.append(m, kb.f(0));
    state.append(m * groups, tile.four(0));
    Value end = kb.i(e.keys);
    if (e.causal) // keys after the last query of the tile are hidden from all of it
      end = kb.min(end, kb.add(query, tile.queries));
    state = kb.loop(kb.i(0), end, tile.keys, state, [&](Value key, ValueRange carried) { return keyTile(key, SmallVector<Value>(carried.begin(), carried.end()), whole); });
    finish(state);
    return {e.batch * e.heads * blocks, AttentionTile::threads, 0};
  }

private:
  SmallVector<Value> keyTile(Value key, SmallVector<Value> state, bool whole) {
    const int64_t m = tile.queriesOfThread(), n = tile.keysOfThread();
    SmallVector<Value> scores = sumPieces(kb, e.width, span, m * n, [&](Value first, int64_t columns, ValueRange sums) {
      kb.barrier(); // what lies there has been read
      if (!whole)
        tile.fill(left, q, query, first, columns);
      tile.fill(right, k, key, first, columns);
      kb.barrier();
      return tile.innerProducts(left, right, columns, sums);
    });
    tile.finishScores(scores, query, key, op.getMask());
    SmallVector<Value> alphas;
    for (int64_t i = 0; i < m; ++i) {
      Value most = scores[i * n];
      for (int64_t j = 1; j < n; ++j)
        most = arith::MaximumFOp::create(kb.b, kb.loc, most, scores[i * n + j]);
      most = arith::MaximumFOp::create(kb.b, kb.loc, state[i], kb.maxThreads(most, AttentionTile::side));
      alphas.push_back(buildExp2(kb, kb.fsub(state[i], most)));
      Value sum;
      for (int64_t j = 0; j < n; ++j) {
        Value power = buildExp2(kb, kb.fsub(scores[i * n + j], most));
        if (Value exists = tile.exists(tile.keyOf(key, j), e.keys, tile.keys))
          power = arith::SelectOp::create(kb.b, kb.loc, exists, power, kb.f(0));
        scores[i * n + j] = power;
        sum = j ? kb.fadd(sum, power) : power;
      }
      state[m + i] = kb.fma(state[m + i], alphas[i], sum);
      state[i] = most;
    }
    tile.storeScores(powers, scores);
    forPieces(e.valueWidth, span, [&](int64_t first, int64_t columns) {
      kb.barrier(); // the keys, or the piece before, have been read
      tile.fill(right, v, key, kb.i(first), columns);
      kb.barrier();
      for (int64_t group = 0; group < AttentionTile::groups(columns); ++group) {
        SmallVector<Value> part = tile.sumOverKeys(powers, right, group, columns);
        for (int64_t i = 0; i < m; ++i) {
          Value &total = state[2 * m + (first / AttentionTile::groupColumns + group) * m + i];
          total = kb.fma(total, kb.broadcast(alphas[i], 4), part[i]);
        }
      }
    });
    return state;
  }

  void finish(ArrayRef<Value> state) {
    const int64_t m = tile.queriesOfThread();
    HeadRows out = tile.rows(op.getResult(), e.valueWidth);
    for (int64_t i = 0; i < m; ++i) {
      Value row = tile.queryOf(query, i), sum = kb.sumThreads(state[m + i], AttentionTile::side), inverse = kb.broadcast(kb.fdiv(kb.f(1), sum), 4);
      for (int64_t group = 0; group < AttentionTile::groups(e.valueWidth); ++group)
        tile.storeColumns(out, row, tile.queries, group, kb.fmul(state[2 * m + group * m + i], inverse));
      if (op.getStats())
        storeStats(row, state[i], sum);
    }
  }

  void storeStats(Value row, Value most, Value sum) {
    const Operand &stats = kb.operand(op.getStats());
    Value to = kb.add(kb.add(kb.mul(tile.batchIndex, stats.strides[0]), kb.mul(tile.head, stats.strides[1])), kb.add(kb.mul(row, stats.strides[3]), stats.offset));
    Value first = kb.less(tile.x, kb.i(1)), exists = tile.exists(row, e.queries, tile.queries);
    kb.ifThen(exists ? arith::AndIOp::create(kb.b, kb.loc, first, exists).getResult() : first, [&] {
      kb.store(stats, to, most);
      kb.store(stats, kb.add(to, stats.strides[2]), sum);
    });
  }

  KernelBuilder &kb;
  kernel::AttentionOp op;
  AttentionExtents e;
  AttentionTile tile;
  int64_t span;
  SharedRows left, right, powers;
  HeadRows q, k, v;
  Value query;
};

} // namespace

FailureOr<Launch> emitAttention(KernelBuilder &kb, Operation *op) {
  auto attention = cast<kernel::AttentionOp>(op);
  const AttentionExtents e = AttentionExtents::of(attention);
  for (const TileRow &row : tileRows)
    if (std::max(e.width, e.valueWidth) <= row.mostWidth)
      return AttentionEmitter(kb, attention, row).run();
  return op->emitError("attention with heads wider than 1024 has no tile");
}

} // namespace hb::gpu
