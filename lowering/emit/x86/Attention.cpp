// kernel.attention: flash attention forward with queries on the vector lanes (Dao et al. 2022 for the running softmax).
//
// One task is one head's block of 64 queries (up to 256 where keys and values are streamed). The block is transposed once (queries on lanes), so that keys and values
// are only ever read as broadcast scalars in their natural [token][width] layout, and maximum, sum and rescaling are lane-wise:
//   S^T = K·Q^T (a tile is 6 keys × the lane vectors), P = 2^(S − max), O^T = O^T·α + V^T·P (a tile is 6 value columns).
// The softmax runs in base 2: log2 e is folded into the scale. Partial sums over a key block of ≤ 128 are added to the totals
// with one FMA that also rescales; that keeps float32 chains short, which is what the accuracy rests on.
#include "lowering/emit/x86/AttentionBlocks.h"
#include "lowering/emit/x86/AttentionTile.h"
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/FloatMath.h"

#include <cfloat>
#include <cmath>

using namespace mlir;

namespace hb::x86 {
namespace {

constexpr int64_t maxChain = attentionMaxChain; ///< longest float32 chain over the head width
constexpr int64_t chainLength = 128;            ///< where longer ones are cut

int64_t roundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &kb, kernel::AttentionOp op)
      : kb(kb), op(op), q(kb.operand(op.getQ())), k(kb.operand(op.getK())), v(kb.operand(op.getV())), out(kb.operand(op.getResult())), lanes(kb.lanes()) {
    const AttentionExtents extents = extentsOf(op);
    batch = extents.batch, queries = extents.queries, keys = extents.keys, heads = extents.heads, width = extents.width, valueWidth = extents.valueWidth;
    causal = extents.causal;
    tilePanels = kb.target.avx512() ? 4 : 2;
    const AttentionBlocks blocks = attentionBlocks(extents);
    streamed = blocks.streamed;
    blockQueries = blocks.queries;
    blockKeys = blocks.keys;
    // Rounding errors of the scores grow with the chain over the head width, those of the result with the number of keys. Two interleaved
    // chains take a third off at a tenth of the speed, and only where the plain chain would exceed 4e-7.
    scoreChains = width > 64 || keys > 8192 ? 2 : 1;
    valueChains = keys > 8192 ? 2 : 1;
    single = blockKeys == keys;
  }

  Launch run() {
    int64_t full = queries / blockQueries, rest = queries % blockQueries, blocks = full + (rest ? 1 : 0);
    layoutScratch(full ? blockQueries : roundUp(rest, lanes));
    Value block = kb.rem(kb.task, blocks), pair = kb.div(kb.task, blocks);
    head = kb.rem(pair, heads);
    batchIndex = kb.div(pair, heads);
    auto rows = [&](const Operand &operand, int64_t headWidth) {
      Value offset = kb.add(kb.add(kb.mul(batchIndex, operand.strides[0]), kb.mul(head, headWidth * operand.strides[2])), operand.offset);
      return HeadRows{operand.base, offset, operand.strides[1], operand.element()};
    };
    qRows = rows(q, width);
    kRows = rows(k, width);
    vRows = rows(v, valueWidth);
    outRows = rows(out, valueWidth);
    firstQuery = kb.mul(block, blockQueries);
    // The next task's queries, which this one fetches: a thread runs its tasks in order.
    Value next = kb.add(kb.task, 1), nextPair = kb.div(next, blocks);
    nextQuery = kb.add(kb.mul(kb.div(nextPair, heads), q.strides[0]), kb.mul(kb.rem(nextPair, heads), width * q.strides[2]));
    nextQuery = kb.add(kb.add(nextQuery, q.offset), kb.mul(kb.rem(next, blocks), blockQueries * q.strides[1]));
    if (full && rest)
      kb.ifThen(kb.less(block, kb.i(full)), [&] { emitBlock(blockQueries); }, [&] { emitBlock(rest); });
    else
      emitBlock(full ? blockQueries : rest);
    return {batch * heads * blocks, scratchBytes};
  }

private:
  // ---- scratch: arrays of f32 [group of queries][row][lanes of the group], so that what a register tile sweeps is dense
  Value piece(int64_t floats) {
    Value result = kb.addressBytes(kb.scratch, scratchBytes);
    scratchBytes += roundUp(floats * 4, 64);
    return result;
  }
  void layoutScratch(int64_t laneCount) {
    queryT = piece(width * laneCount);
    outT = piece(valueWidth * laneCount);
    scores = piece(blockKeys * laneCount);
    maxima = piece(laneCount);
    sums = piece(laneCount);
    alphas = piece(laneCount);
    if (op.getMask() && op.getMask().getType().getShape()[1] > 1)
      maskT = piece(blockKeys * laneCount);
    if (!k.element().isF32())
      widenedKeys = piece(blockKeys * width);
    if (!v.element().isF32())
      widenedValues = piece(blockKeys * valueWidth);
  }
  /// Queries that lie side by side in the scratch arrays: as many lane vectors as a register tile spans.
  struct Group {
    Value lane;     ///< first query's lane in the block
    int64_t panels; ///< vectors
    int64_t valid;  ///< queries; the lanes beyond repeat the last one
  };
  void forGroups(const std::function<void(const Group &)> &body) {
    const int64_t size = tilePanels * lanes, whole = blockRows / size, rest = blockRows % size;
    kb.loop(0, whole * size, size, [&](Value lane) { body({lane, tilePanels, size}); });
    if (rest)
      body({kb.i(whole * size), (rest + lanes - 1) / lanes, rest});
  }
  /// Position of (row, panel) of a group in a scratch array of `rows` rows.
  Value place(const Group &group, int64_t rows, Value row, int64_t panel) { return kb.add(kb.add(kb.mul(group.lane, rows), kb.mul(row, group.panels * lanes)), panel * lanes); }
  Value laneOf(const Group &group, int64_t panel) { return kb.add(group.lane, panel * lanes); }

  /// Fetches `count` rows of `columns` elements from `offset` on. Rows of one head lie far apart, which the hardware does not foresee.
  void fetchRows(const HeadRows &rows, Value offset, int64_t count, int64_t columns, int nearness, bool write = false) {
    const int64_t line = 64 / (rows.element.getIntOrFloatBitWidth() / 8);
    for (int64_t row = 0; row < count; ++row)
      for (int64_t at = 0; at < columns; at += line)
        kb.prefetch(rows.base, kb.add(offset, row * rows.stride + at), rows.element, nearness, write);
  }
  /// What all groups of a block share is fetched by the first one.
  void forFirstGroup(const Group &group, const std::function<void()> &body) {
    if (blockRows > tilePanels * lanes)
      kb.ifThen(kb.less(group.lane, kb.i(1)), body);
    else
      body();
  }

  Value loadF(Value base, Value offset) { return kb.loadRaw(base, offset, kb.f32(), lanes); }
  Value loadScalar(Value base, Value offset) { return kb.broadcast(kb.loadRaw(base, offset, kb.f32(), 1), lanes); }
  Value zero() { return kb.splat(0, lanes); }

  // ---- one block of `count` queries
  void emitBlock(int64_t count) {
    blockRows = count;
    forGroups([&](const Group &group) {
      packTransposed(group, qRows, width, width, queryT, op.getScale().convertToDouble() * M_LOG2E);
      if (single)
        return;
      kb.loop(0, valueWidth, 1, [&](Value row) {
        for (int64_t panel = 0; panel < group.panels; ++panel)
          kb.storeRaw(zero(), outT, place(group, valueWidth, row, panel));
      });
      for (int64_t panel = 0; panel < group.panels; ++panel) {
        kb.storeRaw(kb.splat(-FLT_MAX, lanes), maxima, laneOf(group, panel));
        kb.storeRaw(zero(), sums, laneOf(group, panel));
      }
    });

    int64_t blocks = (keys + blockKeys - 1) / blockKeys, last = keys - (blocks - 1) * blockKeys;
    int64_t whole = last == blockKeys ? blocks : blocks - 1;
    Value end = kb.i(whole * blockKeys);
    // Causal: blocks that start after the last query of this block hold nothing.
    Value lastQuery = kb.add(firstQuery, count - 1);
    if (causal)
      end = kb.min(end, kb.mul(kb.add(kb.div(lastQuery, blockKeys), 1), blockKeys));
    if (whole)
      kb.loop(kb.i(0), end, blockKeys, [&](Value key) { keyBlock(key, blockKeys); });
    if (whole < blocks) {
      Value key = kb.i(whole * blockKeys);
      if (causal)
        kb.ifThen(kb.less(key, kb.add(lastQuery, 1)), [&] { keyBlock(key, last); });
      else
        keyBlock(key, last);
    }
    forGroups([&](const Group &group) { unpack(group); });
  }

  /// f16 and bf16 rows are read as scalars many times: they are widened once per key block, dense, and read from there.
  HeadRows widenRows(const HeadRows &source, int64_t step, Value key, int64_t count, int64_t columns, Value target) {
    kb.loop(0, count, 1, [&](Value row) {
      Value from = kb.add(source.offset, kb.mul(kb.add(key, row), source.stride)), to = kb.mul(row, columns);
      fetchRows(source, kb.add(from, 8 * source.stride), 1, columns, /*nearness=*/3);
      auto element = [&](Value at, int size) { kb.storeRaw(kb.widen(kb.loadRaw(source.base, kb.add(from, kb.mul(at, step)), source.element, size)), target, kb.add(to, at)); };
      if (step == 1)
        forLanes(kb, columns, element);
      else
        kb.loop(0, columns, 1, [&](Value at) { element(at, 1); });
    });
    return {target, kb.mul(key, -columns), columns, kb.f32()}; // row `key` of the tensor is row 0 here
  }

  void keyBlock(Value key, int64_t count) {
    const HeadRows keySource = kRows, valueSource = vRows;
    if (widenedKeys)
      kRows = widenRows(keySource, k.strides[2], key, count, width, widenedKeys);
    if (widenedValues)
      vRows = widenRows(valueSource, v.strides[2], key, count, valueWidth, widenedValues);
    keyBlockOfRows(key, count);
    kRows = keySource;
    vRows = valueSource;
  }

  void keyBlockOfRows(Value key, int64_t count) {
    forGroups([&](const Group &group) {
      if (maskT)
        packMask(group, key, count);
      scoreGroup(group, key, count);
      valueGroup(group, key, count);
    });
  }

  /// Keys (S) or value columns (O) of a register tile: 24 accumulators of 32 registers with AVX-512, 12 of 16 with AVX2.
  static int64_t tileRows(int64_t chains) { return 6 / chains; }

  /// Scores of the group, masked, and from them P, the new maxima, the sums and the factors α of the old totals.
  void scoreGroup(const Group &group, Value key, int64_t count) {
    const int64_t panels = group.panels, tileSize = tileRows(scoreChains);
    SmallVector<Value> oldMaxima;
    for (int64_t panel = 0; panel < panels; ++panel)
      oldMaxima.push_back(single ? kb.splat(-FLT_MAX, lanes) : loadF(maxima, laneOf(group, panel)));
    auto score = [&](Value row, int64_t panel) { return place(group, blockKeys, row, panel); };

    auto tile = [&](Value first, int64_t rows, ValueRange maximaIn) {
      Value keyRow = kRows.row(kb, kb.add(key, first));
      auto fetchKeys = [&] {
        if (!widenedKeys)
          fetchRows(kRows, kb.add(keyRow, tileSize * kRows.stride), rows, width, /*nearness=*/3);
      };
      if (streamed) // all groups: the keys may have left the first-level cache since
        fetchKeys();
      if (std::max(width, valueWidth) <= maxChain)
        forFirstGroup(group, [&] {
          if (!streamed)
            fetchKeys();
          if (!widenedValues)
            fetchRows(vRows, kb.add(vRows.offset, kb.mul(kb.add(key, first), vRows.stride)), rows, valueWidth, /*nearness=*/2);
        });
      auto piece = [&](Value from, int64_t steps) {
        return sumTile(kb, rows, panels, steps, {kRows.base, kb.add(keyRow, from), kRows.stride, 1}, {queryT, place(group, width, from, 0), panels * lanes}, scoreChains);
      };
      SmallVector<Value> total;
      if (width <= maxChain) {
        total = piece(kb.i(0), width);
      } else {
        // Long heads: pieces of the chain are added up in the score array.
        auto addPiece = [&](Value from, int64_t steps, bool fresh) {
          SmallVector<Value> part = piece(from, steps);
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t panel = 0; panel < panels; ++panel) {
              Value at = score(kb.add(first, row), panel), sum = part[row * panels + panel];
              kb.storeRaw(fresh ? sum : kb.fadd(loadF(scores, at), sum), scores, at);
            }
        };
        int64_t whole = width / chainLength * chainLength;
        addPiece(kb.i(0), chainLength, true);
        kb.loop(chainLength, whole, chainLength, [&](Value from) { addPiece(from, chainLength, false); });
        if (whole < width)
          addPiece(kb.i(whole), width - whole, false);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t panel = 0; panel < panels; ++panel)
            total.push_back(loadF(scores, score(kb.add(first, row), panel)));
      }
      SmallVector<Value> newMaxima(maximaIn.begin(), maximaIn.end());
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value value = masked(group, total[row * panels + panel], key, kb.add(first, row), panel);
          kb.storeRaw(value, scores, score(kb.add(first, row), panel));
          newMaxima[panel] = laneMax(kb, newMaxima[panel], value);
        }
      return newMaxima;
    };
    SmallVector<Value> newMaxima(oldMaxima);
    int64_t whole = count / tileSize * tileSize;
    if (whole)
      newMaxima = kb.loop(kb.i(0), kb.i(whole), tileSize, newMaxima, [&](Value first, ValueRange carried) { return tile(first, tileSize, carried); });
    if (whole < count)
      newMaxima = tile(kb.i(whole), count - whole, newMaxima);

    SmallVector<Value> alpha;
    for (int64_t panel = 0; panel < panels; ++panel) {
      if (!single || op.getStats())
        kb.storeRaw(newMaxima[panel], maxima, laneOf(group, panel));
      if (single)
        continue;
      alpha.push_back(buildPower(kb, kb.fsub(oldMaxima[panel], newMaxima[panel])));
      kb.storeRaw(alpha[panel], alphas, laneOf(group, panel));
    }
    const int64_t unroll = count % 2 ? 1 : 2;
    SmallVector<Value> part(panels, zero());
    part = kb.loop(kb.i(0), kb.i(count), unroll, part, [&](Value row, ValueRange carried) {
      SmallVector<Value> current(carried.begin(), carried.end());
      for (int64_t u = 0; u < unroll; ++u)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value at = score(kb.add(row, u), panel);
          Value p = buildPower(kb, kb.fsub(loadF(scores, at), newMaxima[panel]));
          kb.storeRaw(p, scores, at);
          current[panel] = kb.fadd(current[panel], p);
        }
      return current;
    });
    for (int64_t panel = 0; panel < panels; ++panel)
      kb.storeRaw(single ? part[panel] : kb.fma(loadF(sums, laneOf(group, panel)), alpha[panel], part[panel]), sums, laneOf(group, panel));
  }

  /// O = O·α + V^T·P for the group.
  void valueGroup(const Group &group, Value key, int64_t count) {
    Value firstRow = kb.add(vRows.offset, kb.mul(key, vRows.stride));
    SmallVector<Value> alpha;
    for (int64_t panel = 0; panel < group.panels && !single; ++panel)
      alpha.push_back(loadF(alphas, laneOf(group, panel)));
    const int64_t tile = tileRows(valueChains), tiles = (valueWidth + tile - 1) / tile, ahead = (group.panels * lanes + tiles - 1) / tiles;
    forRuns(kb, valueWidth, tile, [&](Value first, int64_t columns) {
      // With the last keys: rows of the result, which are about to be written, and of the next task's queries.
      if (std::max(width, valueWidth) <= maxChain)
        kb.ifThen(kb.less(kb.i(keys - 1), kb.add(key, count)), [&] {
          Value row = kb.add(group.lane, kb.mul(kb.div(first, tile), ahead));
          fetchRows(outRows, kb.add(outRows.offset, kb.mul(kb.add(firstQuery, row), outRows.stride)), ahead, valueWidth, /*nearness=*/3, /*write=*/true);
          fetchRows(qRows, kb.add(nextQuery, kb.mul(row, qRows.stride)), ahead, width, /*nearness=*/2);
        });
      SmallVector<Value> part = sumTile(kb, columns, group.panels, count, {vRows.base, kb.add(firstRow, first), 1, vRows.stride},
                                        {scores, place(group, blockKeys, kb.i(0), 0), group.panels * lanes}, valueChains);
      for (int64_t column = 0; column < columns; ++column)
        for (int64_t panel = 0; panel < group.panels; ++panel) {
          Value at = place(group, valueWidth, kb.add(first, column), panel), sum = part[column * group.panels + panel];
          kb.storeRaw(single ? sum : kb.fma(loadF(outT, at), alpha[panel], sum), outT, at);
        }
    });
  }

  /// A score plus its mask. Hidden scores become the lowest float, not −inf: a wholly hidden row then averages instead of
  /// giving NaN, as the additive masks of lowest floats that models use do in the reference.
  Value masked(const Group &group, Value score, Value key, Value row, int64_t panel) {
    if (op.getMask()) {
      Value extra;
      if (maskT) {
        extra = loadF(maskT, place(group, blockKeys, row, panel));
      } else {
        const Operand &mask = kb.operand(op.getMask());
        extra = kb.fmul(loadScalar(mask.base, kb.add(maskOffset(mask), kb.mul(kb.add(key, row), mask.strides[2]))), kb.splat(M_LOG2E, lanes));
      }
      score = laneMax(kb, kb.fadd(score, extra), kb.splat(-FLT_MAX, lanes));
    }
    if (causal) {
      // Lane l is query firstQuery + lane + l: it sees the key when l ≥ key + row − firstQuery − lane.
      Value limit = kb.sub(kb.add(key, row), kb.add(firstQuery, laneOf(group, panel)));
      Value limits = kb.broadcast(arith::TruncIOp::create(kb.b, kb.loc, kb.b.getI32Type(), limit), lanes);
      Value visible = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sge, kb.laneNumbers(lanes), limits);
      score = arith::SelectOp::create(kb.b, kb.loc, visible, score, kb.splat(-FLT_MAX, lanes));
    }
    return score;
  }

  Value maskOffset(const Operand &mask) {
    Value offset = kb.i(mask.offset);
    return mask.shape()[0] > 1 ? kb.add(offset, kb.mul(batchIndex, mask.strides[0])) : offset;
  }

  /// The mask of this group and key block, in base 2, with queries on lanes.
  void packMask(const Group &group, Value key, int64_t count) {
    const Operand &mask = kb.operand(op.getMask());
    HeadRows rows{mask.base, kb.add(maskOffset(mask), kb.mul(key, mask.strides[2])), mask.strides[1], kb.f32()};
    packTransposed(group, rows, count, blockKeys, maskT, M_LOG2E);
  }

  /// target(column, query) = source(query, column)·factor; lanes beyond the last query repeat it.
  void packTransposed(const Group &group, const HeadRows &source, int64_t columns, int64_t arrayRows, Value target, double factor) {
    turnRows(kb, source, kb.add(firstQuery, group.lane), group.valid, columns, target, place(group, arrayRows, kb.i(0), 0), group.panels * lanes, factor);
  }

  /// Runs `body(lane offset in the group, valid rows)` over the group's lane vectors.
  void forPanels(const Group &group, const std::function<void(Value, int64_t)> &body) {
    int64_t whole = group.valid / lanes * lanes;
    kb.loop(0, whole, lanes, [&](Value lane) { body(lane, lanes); });
    if (whole < group.valid)
      body(kb.i(whole), group.valid - whole);
  }

  /// Divides by the sums and writes the group's rows.
  void unpack(const Group &group) {
    Value to = kb.add(outRows.offset, kb.mul(kb.add(firstQuery, group.lane), outRows.stride));
    forPanels(group, [&](Value lane, int64_t valid) {
      Value sum = loadF(sums, kb.add(group.lane, lane)), inverse = kb.fdiv(kb.splat(1, lanes), sum);
      if (op.getStats())
        storeStats(kb.add(group.lane, lane), valid, loadF(maxima, kb.add(group.lane, lane)), sum);
      auto at = [&](Value column) { return kb.add(place(group, valueWidth, column, 0), lane); };
      SmallVector<Value> rowOffsets;
      for (int64_t row = 0; row < valid; ++row)
        rowOffsets.push_back(kb.add(to, kb.mul(kb.add(lane, row), outRows.stride)));
      auto window = [&](Value column) {
        SmallVector<Value> columns;
        for (int64_t index = 0; index < lanes; ++index)
          columns.push_back(kb.fmul(loadF(outT, at(kb.add(column, index))), inverse));
        SmallVector<Value> rows = transposeLanes(kb, columns);
        for (int64_t row = 0; row < valid; ++row)
          kb.store(out, kb.add(rowOffsets[row], column), rows[row]);
      };
      if (valueWidth < lanes) {
        kb.storeRaw(inverse, alphas, kb.i(0)); // the factors as scalars; α is of no use any more
        kb.loop(0, valueWidth, 1, [&](Value column) {
          for (int64_t row = 0; row < valid; ++row) {
            Value element = kb.loadRaw(outT, kb.add(at(column), row), kb.f32(), 1);
            element = kb.fmul(element, kb.loadRaw(alphas, kb.i(row), kb.f32(), 1));
            kb.store(out, kb.add(rowOffsets[row], column), element);
          }
        });
        return;
      }
      kb.loop(0, valueWidth / lanes * lanes, lanes, window);
      if (valueWidth % lanes)
        window(kb.i(valueWidth - lanes));
    });
  }

  void storeStats(Value lane, int64_t valid, Value maximum, Value sum) {
    const Operand &stats = kb.operand(op.getStats());
    Value to = kb.add(kb.add(kb.add(kb.mul(batchIndex, stats.strides[0]), kb.mul(head, stats.strides[1])), stats.offset), kb.add(firstQuery, lane));
    Value mask = valid < lanes ? kb.mask(valid, lanes) : Value();
    kb.storeRaw(maximum, stats.base, to, mask);
    kb.storeRaw(sum, stats.base, kb.add(to, stats.strides[2]), mask);
  }

  KernelBuilder &kb;
  kernel::AttentionOp op;
  const Operand &q, &k, &v, &out;
  int64_t lanes, batch, queries, keys, heads, width, valueWidth, tilePanels, blockQueries, blockKeys;
  int64_t scoreChains, valueChains;
  bool causal, streamed;
  bool single; ///< all keys are one block: nothing to rescale
  int64_t blockRows = 0, scratchBytes = 0;
  Value queryT, outT, scores, maxima, sums, alphas, maskT;
  Value widenedKeys, widenedValues; ///< null when k or v are f32
  Value batchIndex, head, firstQuery, nextQuery;
  HeadRows qRows, kRows, vRows, outRows;
};

} // namespace

FailureOr<Launch> emitAttention(KernelBuilder &kb, Operation *op) {
  auto attention = cast<kernel::AttentionOp>(op);
  return AttentionEmitter(kb, attention).run();
}

} // namespace hb::x86
