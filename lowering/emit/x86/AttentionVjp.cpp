// kernel.attention_vjp: flash attention backward (Dao et al. 2022, algorithm 4) in natural layouts.
//
// A block of 64 to 512 keys meets blocks of about 64 queries. Only K and V of the key block are turned onto the lanes; with keys on lanes
//   S = Q·K^T, P = 2^(S − max)/Σ, dP = dY·V^T, dS = P∘(dP − D)·scale
// stand in scratch, queries as rows. The other three products have the head width on lanes, and elements of P and dS are the scalars:
// dV += P^T·dY, dK += dS^T·Q, dQ += dS·K. They sweep dY, Q and K again and again; the blocks are copied side by side for that, because rows
// of one head lie a power of two apart often enough, and then all of them share a few sets of the first-level cache.
//
// Where heads give tasks enough, a task is one head: all five products in one pass, dQ running in its place. Otherwise tasks are blocks: of
// keys (dK and dV, four products) and of queries (dQ, three), in turn, so that any even split of them is even in work too.
#include "lowering/emit/x86/AttentionBlocks.h"
#include "lowering/emit/x86/AttentionTile.h"
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"

#include <cfloat>
#include <cmath>

using namespace mlir;

namespace hb::x86 {
namespace {

constexpr int64_t shortChain = 64, longChain = 128; ///< float32 chains: over a head's width up to the first as they are, up to twice that halved
constexpr int64_t maxChain = 160;                   ///< over keys

int64_t roundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

class AttentionVjpEmitter {
public:
  AttentionVjpEmitter(KernelBuilder &kb, kernel::AttentionVjpOp op) : kb(kb), op(op), lanes(kb.lanes()) {
    const AttentionExtents extents = extentsOf(op);
    batch = extents.batch, queries = extents.queries, keys = extents.keys, heads = extents.heads, width = extents.width, valueWidth = extents.valueWidth;
    scale = op.getScale().convertToDouble();
    causal = extents.causal;
    const AttentionVjpBlocks blocks = attentionVjpBlocks(extents, kb.target.avx512());
    byHeads = blocks.byHeads;
    blockQueries = blocks.queries, taskQueries = blocks.taskQueries, blockKeys = blocks.keys;
    fetchesAhead = byHeads && width + valueWidth <= attentionWideHead / 2;
    blockLanes = roundUp(blockKeys, lanes) + 16; // columns of P are swept too: an odd number of lines between rows spreads them over the cache
  }

  Launch run() {
    layoutScratch();
    const int64_t keyTasks = blocks(keys, blockKeys), queryTasks = blocks(queries, taskQueries), tasks = byHeads ? 1 : keyTasks + queryTasks;
    Value pair = kb.div(kb.task, tasks), task = kb.rem(kb.task, tasks);
    head = kb.rem(pair, heads);
    batchIndex = kb.div(pair, heads);
    q = rows(op.getQ(), width);
    k = rows(op.getK(), width);
    v = rows(op.getV(), valueWidth);
    dy = rows(op.getDy(), valueWidth);
    dq = rows(op.getDq(), width);
    dk = rows(op.getDk(), width);
    dv = rows(op.getDv(), valueWidth);
    if (byHeads) {
      clear(dq, kb.i(0), queries, width);
      forBlocks(keys, blockKeys, nullptr, nullptr, [&](Value key, int64_t count) { keyBlock(key, count, /*alsoQ=*/true); });
    } else {
      // Task t is a block of keys where ⌊(t+1)·keyTasks/tasks⌋ steps: the two kinds are spread evenly.
      Value keyBlocks = kb.div(kb.mul(task, keyTasks), tasks), next = kb.div(kb.mul(kb.add(task, 1), keyTasks), tasks);
      kb.ifThen(
          kb.less(keyBlocks, next), [&] { atBlock(keyBlocks, keys, blockKeys, [&](Value key, int64_t count) { keyBlock(key, count, /*alsoQ=*/false); }); },
          [&] { atBlock(kb.sub(task, keyBlocks), queries, taskQueries, [&](Value query, int64_t count) { queryBlock(query, count); }); });
    }
    return {batch * heads * tasks, scratchBytes};
  }

private:
  using BlockBody = std::function<void(Value first, int64_t count)>;

  static int64_t blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

  /// body(first, count) over the blocks from the one that holds `from` to the one that holds `last` (null: all).
  void forBlocks(int64_t total, int64_t size, Value from, Value last, const BlockBody &body) {
    const int64_t whole = total / size * size;
    Value lower = from ? kb.mul(kb.div(from, size), size) : kb.i(0), upper = kb.i(whole);
    if (last)
      upper = kb.min(upper, kb.mul(kb.add(kb.div(last, size), 1), size));
    if (whole == size && !from && !last)
      body(kb.i(0), size);
    else if (whole)
      kb.loop(lower, upper, size, [&](Value first) { body(first, size); });
    if (whole == total)
      return;
    if (last)
      kb.ifThen(kb.less(kb.i(whole - 1), last), [&] { body(kb.i(whole), total - whole); });
    else
      body(kb.i(whole), total - whole);
  }
  /// body(first, count) for one block.
  void atBlock(Value index, int64_t total, int64_t size, const BlockBody &body) {
    const int64_t whole = total / size;
    auto inside = [&] { body(kb.mul(index, size), size); };
    if (total % size == 0)
      inside();
    else
      kb.ifThen(kb.less(index, kb.i(whole)), inside, [&] { body(kb.i(whole * size), total % size); });
  }

  // ---- places
  HeadRows rows(Value tensor, int64_t headWidth) {
    const Operand &operand = kb.operand(tensor);
    return {operand.base, kb.add(kb.add(kb.mul(batchIndex, operand.strides[0]), kb.mul(head, headWidth)), operand.offset), operand.strides[1]};
  }
  Value piece(int64_t floats) {
    Value result = kb.addressBytes(kb.scratch, scratchBytes);
    scratchBytes += roundUp(floats * 4, 64);
    return result;
  }
  void layoutScratch() {
    const int64_t rowCount = std::max(blockQueries, byHeads ? 0 : taskQueries);
    keysT = piece(width * blockLanes);
    valuesT = piece(valueWidth * blockLanes);
    probabilities = piece(rowCount * blockLanes);
    scoreGradients = piece(rowCount * blockLanes);
    keysDense = piece(blockKeys * roundUp(width, lanes));
    queriesDense = piece(rowCount * roundUp(width, lanes));
    cotangentsDense = piece(rowCount * roundUp(valueWidth, lanes));
    keyGradients = piece(blockKeys * roundUp(width, lanes));
    valueGradients = piece(blockKeys * roundUp(valueWidth, lanes));
  }
  HeadRows scratchRows(Value base, int64_t rowWidth) { return {base, kb.i(0), roundUp(rowWidth, lanes)}; }

  /// Lane vectors side by side, as many as a register tile spans.
  struct Group {
    Value first;    ///< element
    int64_t panels; ///< vectors
    int64_t valid;  ///< elements
  };
  /// Equal groups over `count` elements; the last vector may be part of one.
  void forGroups(int64_t count, const std::function<void(const Group &)> &body) {
    const int64_t vectors = (count + lanes - 1) / lanes, most = kb.target.avx512() ? 4 : 2, groups = (vectors + most - 1) / most;
    const int64_t small = vectors / groups, large = vectors % groups; // `large` groups have one vector more
    auto run = [&](int64_t first, int64_t runs, int64_t panels) {
      const bool partial = (first + runs * panels) * lanes > count;
      const int64_t whole = partial ? runs - 1 : runs, size = panels * lanes;
      if (whole == 1)
        body({kb.i(first * lanes), panels, size});
      else if (whole > 1)
        kb.loop(first * lanes, first * lanes + whole * size, size, [&](Value at) { body({at, panels, size}); });
      if (partial)
        body({kb.i(first * lanes + whole * size), panels, count - first * lanes - whole * size});
    };
    run(0, large, small + 1);
    run(large * (small + 1), groups - large, small);
  }
  /// Rows of a block side by side, group by group of columns, zeros after the last one.
  void copyDense(const HeadRows &source, Value first, int64_t count, int64_t columns, Value target) {
    forGroups(columns, [&](const Group &group) {
      Value mask = tailMask(group), from = kb.add(source.row(kb, first), group.first), to = kb.mul(group.first, count);
      kb.loop(0, count, 1, [&](Value row) {
        for (int64_t panel = 0; panel < group.panels; ++panel) {
          Value part = loadF(source.base, kb.add(kb.add(from, kb.mul(row, source.stride)), panel * lanes), panel == group.panels - 1 ? mask : Value());
          kb.storeRaw(part, target, kb.add(to, kb.add(kb.mul(row, group.panels * lanes), panel * lanes)));
        }
      });
    });
  }
  Value tailMask(const Group &group) { return group.valid % lanes ? kb.mask(group.valid % lanes, lanes) : Value(); }
  /// Rows of a register tile: 24 accumulators of 32 registers with AVX-512, 12 of 16 with AVX2, so that a third is left for the operands.
  int64_t tileRows(int64_t panels) { return std::min<int64_t>(12, (kb.target.avx512() ? 24 : 12) / panels); }

  Value loadF(Value base, Value offset, Value mask = nullptr) { return kb.loadRaw(base, offset, kb.f32(), lanes, mask); }
  Value loadScalar(Value base, Value offset) { return kb.broadcast(kb.loadRaw(base, offset, kb.f32(), 1), lanes); }

  /// body(column, mask) for each vector of a row.
  void forRow(int64_t count, const std::function<void(Value column, Value mask)> &body) {
    kb.loop(0, count / lanes * lanes, lanes, [&](Value column) { body(column, nullptr); });
    if (count % lanes)
      body(kb.i(count / lanes * lanes), kb.mask(count % lanes, lanes));
  }
  void clear(const HeadRows &target, Value first, int64_t count, int64_t rowWidth) {
    kb.loop(0, count, 1, [&](Value row) {
      Value to = target.row(kb, kb.add(first, row));
      forRow(rowWidth, [&](Value column, Value mask) { kb.storeRaw(kb.splat(0, lanes), target.base, kb.add(to, column), mask); });
    });
  }
  void copy(const HeadRows &source, const HeadRows &target, Value first, int64_t count, int64_t rowWidth) {
    kb.loop(0, count, 1, [&](Value row) {
      Value from = source.row(kb, row), to = target.row(kb, kb.add(first, row));
      forRow(rowWidth, [&](Value column, Value mask) { kb.storeRaw(loadF(source.base, kb.add(from, column)), target.base, kb.add(to, column), mask); });
    });
  }

  void fetchRow(const HeadRows &source, Value row, int64_t columns, int nearness, bool write = false) {
    for (int64_t at = 0; at < columns; at += 16)
      kb.prefetch(source.base, kb.add(source.row(kb, row), at), kb.f32(), nearness, write);
  }

  // ---- tasks
  void keyBlock(Value key, int64_t count, bool alsoQ) {
    turnKeys(key, count);
    if (alsoQ)
      copyDense(k, key, count, width, keysDense);
    HeadRows keyRows = scratchRows(keyGradients, width), valueRows = scratchRows(valueGradients, valueWidth);
    clear(keyRows, kb.i(0), count, roundUp(width, lanes));
    clear(valueRows, kb.i(0), count, roundUp(valueWidth, lanes));
    // Causal: queries before the first key see nothing of the block.
    forBlocks(queries, blockQueries, causal ? key : Value(), nullptr, [&](Value query, int64_t queryCount) {
      scores(query, queryCount, key, count);
      HeadRows p{probabilities, kb.i(0), blockLanes}, ds{scoreGradients, kb.i(0), blockLanes};
      copyDense(dy, query, queryCount, valueWidth, cotangentsDense);
      copyDense(q, query, queryCount, width, queriesDense);
      addProduct(p, /*turned=*/true, count, queryCount, cotangentsDense, valueRows, kb.i(0), valueWidth);
      addProduct(ds, /*turned=*/true, count, queryCount, queriesDense, keyRows, kb.i(0), width);
      if (alsoQ)
        addProduct(ds, /*turned=*/false, queryCount, count, keysDense, dq, query, width);
    });
    copy(keyRows, dk, key, count, width);
    copy(valueRows, dv, key, count, valueWidth);
  }

  void queryBlock(Value query, int64_t count) {
    clear(dq, query, count, width);
    forBlocks(keys, blockKeys, nullptr, causal ? kb.add(query, count - 1) : Value(), [&](Value key, int64_t keyCount) {
      turnKeys(key, keyCount);
      copyDense(k, key, keyCount, width, keysDense);
      scores(query, count, key, keyCount);
      addProduct({scoreGradients, kb.i(0), blockLanes}, /*turned=*/false, count, keyCount, keysDense, dq, query, width);
    });
  }

  /// Keys and values of the block onto lanes, group by group; the scale and base 2 go into the keys.
  void turnKeys(Value key, int64_t count) {
    forGroups(count, [&](const Group &group) {
      Value first = kb.add(key, group.first);
      turnRows(kb, k, first, group.valid, width, keysT, kb.mul(group.first, width), group.panels * lanes, scale * M_LOG2E);
      turnRows(kb, v, first, group.valid, valueWidth, valuesT, kb.mul(group.first, valueWidth), group.panels * lanes, 1);
    });
  }

  /// P and dS of a block of queries and a block of keys.
  void scores(Value query, int64_t queryCount, Value key, int64_t count) {
    innerProducts(q, query, queryCount, keysT, width, count, probabilities);
    innerProducts(dy, query, queryCount, valuesT, valueWidth, count, scoreGradients);
    const Operand &stats = kb.operand(op.getStats()), &delta = kb.operand(op.getDelta());
    Value statsAt = kb.add(kb.add(kb.add(kb.mul(batchIndex, stats.strides[0]), kb.mul(head, stats.strides[1])), stats.offset), query);
    Value deltaAt = kb.add(kb.add(kb.add(kb.mul(batchIndex, delta.strides[0]), kb.mul(head, delta.strides[2])), delta.offset), kb.mul(query, delta.strides[1]));
    kb.loop(0, queryCount, 1, [&](Value row) {
      Value maximum = loadScalar(stats.base, kb.add(statsAt, row));
      Value sum = kb.loadRaw(stats.base, kb.add(kb.add(statsAt, row), stats.strides[2]), kb.f32(), 1);
      Value inverse = kb.broadcast(kb.fdiv(kb.f(1), sum), lanes), mean = loadScalar(delta.base, kb.add(deltaAt, kb.mul(row, delta.strides[1])));
      if (fetchesAhead) { // this block's rows of dQ, and what the next block reads
        fetchRow(dq, kb.add(query, row), width, /*nearness=*/3, /*write=*/true);
        fetchRow(q, kb.add(kb.add(query, row), queryCount), width, /*nearness=*/2);
        fetchRow(dy, kb.add(kb.add(query, row), queryCount), valueWidth, /*nearness=*/2);
      }
      auto vector = [&](Value lane, Value valid) {
        Value at = kb.add(kb.mul(row, blockLanes), lane);
        Value score = masked(loadF(probabilities, at), kb.add(query, row), kb.add(key, lane), valid);
        Value exponent = kb.fsub(score, maximum), p = kb.fmul(buildPower(kb, exponent), inverse);
        // What is too small to count is zero, not a denormal number, with which everything after this would be slow.
        Value seen = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OGT, exponent, kb.splat(-100, lanes));
        if (valid)
          seen = arith::AndIOp::create(kb.b, kb.loc, seen, valid);
        p = arith::SelectOp::create(kb.b, kb.loc, seen, p, kb.splat(0, lanes));
        Value ds = kb.fmul(kb.fmul(p, kb.splat(scale, lanes)), kb.fsub(loadF(scoreGradients, at), mean));
        if (valid) // lanes without a key hold a copy of the last one
          ds = arith::SelectOp::create(kb.b, kb.loc, valid, ds, kb.splat(0, lanes));
        kb.storeRaw(p, probabilities, at);
        kb.storeRaw(ds, scoreGradients, at);
      };
      forRuns(kb, count / lanes * lanes, 4 * lanes, [&](Value first, int64_t size) {
        for (int64_t lane = 0; lane < size; lane += lanes)
          vector(kb.add(first, lane), nullptr);
      });
      if (count % lanes)
        vector(kb.i(count / lanes * lanes), kb.mask(count % lanes, lanes));
    });
  }

  /// A score plus its mask; hidden ones become the lowest float, as in the forward kernel.
  Value masked(Value score, Value query, Value key, Value valid) {
    if (op.getMask()) {
      const Operand &mask = kb.operand(op.getMask());
      Value at = kb.add(kb.i(mask.offset), key);
      if (mask.shape()[0] > 1)
        at = kb.add(at, kb.mul(batchIndex, mask.strides[0]));
      if (mask.shape()[1] > 1)
        at = kb.add(at, kb.mul(query, mask.strides[1]));
      Value extra = kb.fmul(loadF(mask.base, at, valid), kb.splat(M_LOG2E, lanes));
      score = laneMax(kb, kb.fadd(score, extra), kb.splat(-FLT_MAX, lanes));
    }
    if (causal) { // lane l is key + l: seen when l ≤ query − key
      Value limit = arith::TruncIOp::create(kb.b, kb.loc, kb.b.getI32Type(), kb.sub(query, key));
      Value visible = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sle, kb.laneNumbers(lanes), kb.broadcast(limit, lanes));
      score = arith::SelectOp::create(kb.b, kb.loc, visible, score, kb.splat(-FLT_MAX, lanes));
    }
    return score;
  }

  /// target(row, key) = Σ over the width of source(first + row, ·)·turned(·, key).
  void innerProducts(const HeadRows &source, Value first, int64_t rowCount, Value turned, int64_t steps, int64_t count, Value target) {
    const int64_t length = steps <= shortChain ? steps : steps <= 2 * shortChain ? (steps + 1) / 2 : longChain;
    forGroups(count, [&](const Group &group) {
      auto part = [&](Value from, int64_t size, bool fresh) {
        const int64_t stride = group.panels * lanes;
        TileVectors vectors{turned, kb.add(kb.mul(group.first, steps), kb.mul(from, stride)), stride};
        forRuns(kb, rowCount, tileRows(group.panels), [&](Value row, int64_t tile) {
          TileFactors factors{source.base, kb.add(source.row(kb, kb.add(first, row)), from), source.stride, 1};
          SmallVector<Value> sums = sumTile(kb, tile, group.panels, size, factors, vectors);
          for (int64_t r = 0; r < tile; ++r)
            for (int64_t panel = 0; panel < group.panels; ++panel) {
              Value at = kb.add(kb.mul(kb.add(row, r), blockLanes), kb.add(group.first, panel * lanes)), sum = sums[r * group.panels + panel];
              kb.storeRaw(fresh ? sum : kb.fadd(loadF(target, at), sum), target, at);
            }
        });
      };
      const int64_t whole = steps / length * length;
      part(kb.i(0), length, true);
      if (whole > length)
        kb.loop(length, whole, length, [&](Value from) { part(from, length, false); });
      if (whole < steps)
        part(kb.i(whole), steps - whole, false);
    });
  }

  /// target(targetFirst + row, column) += Σ over steps of scalar(row, step)·dense(step, column), scalar(row, step) being element (row, step)
  /// of `scalars`, or (step, row) where it is `turned`.
  void addProduct(const HeadRows &scalars, bool turned, int64_t rowCount, int64_t steps, Value dense, const HeadRows &target, Value targetFirst, int64_t columns) {
    const int64_t rowStride = turned ? 1 : scalars.stride, stepStride = turned ? scalars.stride : 1, length = steps <= maxChain ? steps : longChain;
    forGroups(columns, [&](const Group &group) {
      Value mask = target.base == dq.base ? tailMask(group) : Value(); // rows in scratch are whole vectors
      const int64_t stride = group.panels * lanes;
      forRuns(kb, rowCount, tileRows(group.panels), [&](Value row, int64_t tile) {
        forRuns(kb, steps, length, [&](Value from, int64_t size) {
          TileFactors factors{scalars.base, kb.add(kb.mul(row, rowStride), kb.mul(from, stepStride)), rowStride, stepStride};
          SmallVector<Value> sums = sumTile(kb, tile, group.panels, size, factors, {dense, kb.add(kb.mul(group.first, steps), kb.mul(from, stride)), stride});
          for (int64_t r = 0; r < tile; ++r) {
            Value to = kb.add(target.row(kb, kb.add(targetFirst, kb.add(row, r))), group.first);
            for (int64_t panel = 0; panel < group.panels; ++panel) {
              Value at = kb.add(to, panel * lanes), last = panel == group.panels - 1 ? mask : Value();
              kb.storeRaw(kb.fadd(loadF(target.base, at, last), sums[r * group.panels + panel]), target.base, at, last);
            }
          }
        });
      });
    });
  }

  KernelBuilder &kb;
  kernel::AttentionVjpOp op;
  int64_t lanes, batch, queries, keys, heads, width, valueWidth, blockQueries, taskQueries, blockKeys, blockLanes;
  double scale;
  bool causal, byHeads, fetchesAhead;
  int64_t scratchBytes = 0;
  Value keysT, valuesT;                ///< [group of keys][width][lanes of the group]
  Value probabilities, scoreGradients; ///< [query][blockLanes]
  Value keysDense, queriesDense, cotangentsDense; ///< [group of columns][row][lanes of the group]
  Value keyGradients, valueGradients;  ///< [key][width in whole vectors]
  Value head, batchIndex;
  HeadRows q, k, v, dy, dq, dk, dv;
};

} // namespace

FailureOr<Launch> emitAttentionVjp(KernelBuilder &kb, Operation *op) {
  auto attention = cast<kernel::AttentionVjpOp>(op);
  for (Value tensor : llvm::concat<Value>(SmallVector<Value>(op->getOperands()), SmallVector<Value>(op->getResults()))) {
    if (!cast<RankedTensorType>(tensor.getType()).getElementType().isF32())
      return op->emitError("the gradient of attention works on f32");
    if (kb.operand(tensor).strides.back() != 1)
      return op->emitError("the gradient of attention expects contiguous last axes");
  }
  return AttentionVjpEmitter(kb, attention).run();
}

} // namespace hb::x86
