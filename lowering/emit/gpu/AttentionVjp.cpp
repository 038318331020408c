// kernel.attention_vjp: flash attention backward (Dao et al. 2022, algorithm 4) for blocks of threads, in float32 with plain multiply-adds.
//
// Two kinds of block side by side in one grid. A block for a tile of keys keeps K and V, meets tiles of queries and owns dK and dV
// (four products); a block for a tile of queries keeps Q and dY, meets tiles of keys and owns dQ (three). Nothing is added up between blocks:
// no atomics, and the bits do not depend on the order of blocks. Scores are computed again with the same sums as in the forward kernel:
//   P = 2^(S − max)/Σ, dP = dY·V^T, dS = P∘(dP − D)·scale; dV += P^T·dY, dK += dS^T·Q, dQ += dS·K.
// The gradients stand in registers; P and dS go through shared memory. Heads wider than a tile's columns bring everything piece by piece.
#include "lowering/emit/FloatMath.h"
#include "lowering/emit/gpu/AttentionTile.h"
#include "lowering/emit/gpu/Families.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {
namespace {

/// Tiles by the wider of a head's two widths. Up to 128 columns all four tiles stand in shared memory; beyond, pieces of two of them.
struct TileRow {
  int64_t mostWidth, queries, keys, span;
  bool resident;
};
const TileRow tileRows[] = {
    {64, 32, 64, 64, true}, {128, 32, 32, 128, true}, {256, 32, 32, 64, false}, {512, 32, 16, 64, false}, {1024, 16, 16, 64, false},
};

class AttentionVjpEmitter {
public:
  AttentionVjpEmitter(KernelBuilder &kb, kernel::AttentionVjpOp op, const TileRow &row)
      : kb(kb), op(op), e(AttentionExtents::of(op)), tile(kb, e, row.queries, row.keys), span(row.span), resident(row.resident) {}

  Launch run() {
    const int64_t keyTasks = blocks(e.keys, tile.keys), queryTasks = blocks(e.queries, tile.queries), tasks = keyTasks + queryTasks;
    layout();
    tile.selectHead(kb.div(kb.block(), tasks));
    q = tile.rows(op.getQ(), e.width);
    k = tile.rows(op.getK(), e.width);
    v = tile.rows(op.getV(), e.valueWidth);
    dy = tile.rows(op.getDy(), e.valueWidth);
    Value task = kb.rem(kb.block(), tasks);
    // The longer tasks first: the last blocks to finish are short ones then.
    kb.ifThen(kb.less(task, kb.i(keyTasks)), [&] { keyTask(kb.mul(task, tile.keys)); }, [&] { queryTask(kb.mul(kb.sub(task, kb.i(keyTasks)), tile.queries)); });
    return {e.batch * e.heads * tasks, AttentionTile::threads, 0};
  }

private:
  using State = SmallVector<Value>;
  static int64_t blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

  void layout() {
    const int64_t columns = std::min(std::max(e.width, e.valueWidth), span);
    queryTile = tile.allocate(tile.queries, resident ? e.width : columns);
    keyTile = tile.allocate(tile.keys, resident ? e.width : columns);
    // Pieces of one product at a time: dY follows Q, V follows K.
    cotangentTile = resident ? tile.allocate(tile.queries, e.valueWidth) : queryTile;
    valueTile = resident ? tile.allocate(tile.keys, e.valueWidth) : keyTile;
    powers = tile.allocateScores();
    gradients = tile.allocateScores();
  }

  void keyTask(Value key) {
    const int64_t n = tile.keysOfThread(), keyGroups = AttentionTile::groups(e.width), valueGroups = AttentionTile::groups(e.valueWidth);
    if (resident) {
      tile.fill(keyTile, k, key, kb.i(0), e.width);
      tile.fill(valueTile, v, key, kb.i(0), e.valueWidth);
    }
    State state(n * (keyGroups + valueGroups), tile.four(0)); // dK, then dV
    // Causal: queries before the first key see nothing of the tile.
    Value first = e.causal ? kb.mul(kb.div(key, tile.queries), tile.queries) : kb.i(0);
    state = kb.loop(first, kb.i(e.queries), tile.queries, state, [&](Value query, ValueRange carried) {
      State next(carried.begin(), carried.end());
      if (resident) {
        kb.barrier(); // the tile before has been read
        tile.fill(queryTile, q, query, kb.i(0), e.width);
        tile.fill(cotangentTile, dy, query, kb.i(0), e.valueWidth);
        kb.barrier();
      }
      scores(query, key, /*withPowers=*/true);
      if (resident)
        kb.barrier();
      auto addUp = [&](const SharedRows &factors, const SharedRows &rows, const HeadRows &source, int64_t columns, int64_t at) {
        forPieces(columns, span, [&](int64_t start, int64_t count) {
          if (!resident) {
            kb.barrier();
            tile.fill(rows, source, query, kb.i(start), count);
            kb.barrier();
          }
          for (int64_t group = 0; group < AttentionTile::groups(count); ++group) {
            SmallVector<Value> part = tile.sumOverQueries(factors, rows, group, count);
            for (int64_t i = 0; i < n; ++i) {
              Value &total = next[at + (start / AttentionTile::groupColumns + group) * n + i];
              total = kb.fadd(total, part[i]);
            }
          }
        });
      };
      addUp(powers, cotangentTile, dy, e.valueWidth, n * keyGroups);
      addUp(gradients, queryTile, q, e.width, 0);
      return next;
    });
    auto write = [&](Value tensor, int64_t columns, int64_t at) {
      HeadRows target = tile.rows(tensor, columns);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t group = 0; group < AttentionTile::groups(columns); ++group)
          tile.storeColumns(target, kb.add(key, kb.add(kb.mul(tile.y, n), i)), tile.keys, group, state[at + group * n + i]);
    };
    write(op.getDk(), e.width, 0);
    write(op.getDv(), e.valueWidth, n * keyGroups);
  }

  void queryTask(Value query) {
    const int64_t m = tile.queriesOfThread(), groups = AttentionTile::groups(e.width);
    if (resident) {
      tile.fill(queryTile, q, query, kb.i(0), e.width);
      tile.fill(cotangentTile, dy, query, kb.i(0), e.valueWidth);
    }
    State state(m * groups, tile.four(0));
    Value end = kb.i(e.keys);
    if (e.causal)
      end = kb.min(end, kb.add(query, tile.queries));
    state = kb.loop(kb.i(0), end, tile.keys, state, [&](Value key, ValueRange carried) {
      State next(carried.begin(), carried.end());
      if (resident) {
        kb.barrier();
        tile.fill(keyTile, k, key, kb.i(0), e.width);
        tile.fill(valueTile, v, key, kb.i(0), e.valueWidth);
        kb.barrier();
      }
      scores(query, key, /*withPowers=*/false);
      if (resident)
        kb.barrier();
      forPieces(e.width, span, [&](int64_t start, int64_t count) {
        if (!resident) {
          kb.barrier();
          tile.fill(keyTile, k, key, kb.i(start), count);
          kb.barrier();
        }
        for (int64_t group = 0; group < AttentionTile::groups(count); ++group) {
          SmallVector<Value> part = tile.sumOverKeys(gradients, keyTile, group, count);
          for (int64_t i = 0; i < m; ++i) {
            Value &total = next[(start / AttentionTile::groupColumns + group) * m + i];
            total = kb.fadd(total, part[i]);
          }
        }
      });
      return next;
    });
    HeadRows target = tile.rows(op.getDq(), e.width);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t group = 0; group < groups; ++group)
        tile.storeColumns(target, tile.queryOf(query, i), tile.queries, group, state[group * m + i]);
  }

  /// left·right^T of one tile, piece by piece where they are not resident.
  SmallVector<Value> products(const SharedRows &left, const HeadRows &leftRows, Value query, const SharedRows &right, const HeadRows &rightRows, Value key, int64_t columns) {
    return sumPieces(kb, columns, span, tile.queriesOfThread() * tile.keysOfThread(), [&](Value start, int64_t count, ValueRange sums) {
      if (!resident) {
        kb.barrier();
        tile.fill(left, leftRows, query, start, count);
        tile.fill(right, rightRows, key, start, count);
        kb.barrier();
      }
      return tile.innerProducts(left, right, count, sums);
    });
  }

  /// dS, and P where wanted, of a tile of queries and one of keys, into shared memory.
  void scores(Value query, Value key, bool withPowers) {
    const int64_t m = tile.queriesOfThread(), n = tile.keysOfThread();
    SmallVector<Value> p = products(queryTile, q, query, keyTile, k, key, e.width), ds = products(cotangentTile, dy, query, valueTile, v, key, e.valueWidth);
    tile.finishScores(p, query, key, op.getMask());
    const Operand &stats = kb.operand(op.getStats()), &delta = kb.operand(op.getDelta());
    Value statsAt = kb.add(kb.add(kb.mul(tile.batchIndex, stats.strides[0]), kb.mul(tile.head, stats.strides[1])), stats.offset);
    Value deltaAt = kb.add(kb.add(kb.mul(tile.batchIndex, delta.strides[0]), kb.mul(tile.head, delta.strides[2])), delta.offset);
    for (int64_t i = 0; i < m; ++i) {
      Value row = tile.queryOf(query, i), queryExists = tile.exists(row, e.queries, tile.queries);
      if (queryExists)
        row = kb.min(row, kb.i(e.queries - 1));
      Value at = kb.add(statsAt, kb.mul(row, stats.strides[3])), most = kb.load(stats, at), inverse = kb.fdiv(kb.f(1), kb.load(stats, kb.add(at, stats.strides[2])));
      Value mean = kb.load(delta, kb.add(deltaAt, kb.mul(row, delta.strides[1])));
      for (int64_t j = 0; j < n; ++j) {
        Value &power = p[i * n + j], &gradient = ds[i * n + j];
        Value result = kb.fmul(buildExp2(kb, kb.fsub(power, most)), inverse);
        gradient = kb.fmul(kb.fmul(result, kb.f(e.scale)), kb.fsub(gradient, mean));
        // Rows and columns that do not exist hold copies of the last one.
        for (Value exists : {queryExists, tile.exists(tile.keyOf(key, j), e.keys, tile.keys)})
          if (exists) {
            result = arith::SelectOp::create(kb.b, kb.loc, exists, result, kb.f(0));
            gradient = arith::SelectOp::create(kb.b, kb.loc, exists, gradient, kb.f(0));
          }
        power = result;
      }
    }
    if (withPowers)
      tile.storeScores(powers, p);
    tile.storeScores(gradients, ds);
  }

  KernelBuilder &kb;
  kernel::AttentionVjpOp op;
  AttentionExtents e;
  AttentionTile tile;
  int64_t span;
  bool resident;
  SharedRows queryTile, keyTile, cotangentTile, valueTile, powers, gradients;
  HeadRows q, k, v, dy;
};

} // namespace

FailureOr<Launch> emitAttentionVjp(KernelBuilder &kb, Operation *op) {
  auto attention = cast<kernel::AttentionVjpOp>(op);
  const AttentionExtents e = AttentionExtents::of(attention);
  for (const TileRow &row : tileRows)
    if (std::max(e.width, e.valueWidth) <= row.mostWidth)
      return AttentionVjpEmitter(kb, attention, row).run();
  return op->emitError("the gradient of attention with heads wider than 1024 has no tile");
}

} // namespace hb::gpu
