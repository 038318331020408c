// kernel.attention: flash attention forward with queries on the vector lanes (Dao et al. 2022 for the running softmax).
//
// One task is one head's block of up to 64 queries. The block is transposed once (queries on lanes), so that keys and values
// are only ever read as broadcast scalars in their natural [token][width] layout, and maximum, sum and rescaling are lane-wise:
//   S^T = K·Q^T (a tile is 6 keys × the lane vectors), P = 2^(S − max), O^T = O^T·α + V^T·P (a tile is 6 value columns).
// The softmax runs in base 2: log2 e is folded into the scale. Partial sums over a key block of ≤ 128 are added to the totals
// with one FMA that also rescales; that keeps float32 chains short, which is what the accuracy rests on.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/VectorMath.h"

#include <cfloat>
#include <cmath>

using namespace mlir;

namespace hb::x86 {
namespace {

constexpr int64_t tileRows = 6;      ///< keys (S) or value columns (O) of a register tile
constexpr int64_t maxBlockQueries = 64;
constexpr int64_t maxBlockKeys = 128;
constexpr int64_t maxChain = 160;    ///< longest float32 chain over the head width
constexpr int64_t chain = 128;       ///< chain length where it is cut

int64_t roundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/// The task's tensors, reduced to what the loops need: offsets of (batch, head) and row strides.
struct Rows {
  Value base;
  Value offset;   ///< of row 0 of this batch and head
  int64_t stride; ///< elements between rows
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelBuilder &kb, kernel::AttentionOp op)
      : kb(kb), op(op), q(kb.operand(op.getQ())), k(kb.operand(op.getK())), v(kb.operand(op.getV())), out(kb.operand(op.getResult())), lanes(kb.lanes()) {
    batch = q.shape()[0];
    queries = q.shape()[1];
    keys = k.shape()[1];
    heads = op.getHeads();
    width = q.shape()[2] / heads;
    valueWidth = v.shape()[2] / heads;
    // 24 accumulators of 32 registers with AVX-512, 12 of 16 with AVX2.
    tilePanels = kb.target.avx512() ? 4 : 2;
    causal = op.getCausal();
    blockKeys = keys;
    if (keys > maxBlockKeys) // equal blocks, whole tiles
      blockKeys = std::min(maxBlockKeys, roundUp((keys + (keys + maxBlockKeys - 1) / maxBlockKeys - 1) / ((keys + maxBlockKeys - 1) / maxBlockKeys), 8));
  }

  Launch run() {
    int64_t full = queries / maxBlockQueries, rest = queries % maxBlockQueries, blocks = full + (rest ? 1 : 0);
    int64_t lanesOfBlock = full ? maxBlockQueries : roundUp(rest, lanes);
    layoutScratch(lanesOfBlock);
    Value block = kb.rem(kb.task, blocks), pair = kb.div(kb.task, blocks);
    Value head = kb.rem(pair, heads);
    batchIndex = kb.div(pair, heads);
    auto rows = [&](const Operand &operand, int64_t headWidth) {
      Value offset = kb.add(kb.add(kb.mul(batchIndex, operand.strides[0]), kb.mul(head, headWidth * operand.strides[2])), operand.offset);
      return Rows{operand.base, offset, operand.strides[1]};
    };
    qRows = rows(q, width);
    kRows = rows(k, width);
    vRows = rows(v, valueWidth);
    outRows = rows(out, valueWidth);
    firstQuery = kb.mul(block, maxBlockQueries);
    if (full && rest)
      kb.ifThen(kb.less(block, kb.i(full)), [&] { emitBlock(maxBlockQueries); }, [&] { emitBlock(rest); });
    else
      emitBlock(full ? maxBlockQueries : rest);
    return {batch * heads * blocks, scratchBytes};
  }

private:
  // ---- scratch: [rows][lanes of the block] arrays of f32
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
  }

  Value loadF(Value base, Value offset) { return kb.loadRaw(base, offset, kb.f32(), lanes); }
  Value loadScalar(Value base, Value offset) { return kb.broadcast(kb.loadRaw(base, offset, kb.f32(), 1), lanes); }
  Value zero() { return kb.splat(0, lanes); }

  // ---- one block of `count` queries
  void emitBlock(int64_t count) {
    blockRows = count;
    blockLanes = roundUp(count, lanes);
    const double scale = op.getScale().convertToDouble() * M_LOG2E;
    packTransposed(qRows, firstQuery, width, queryT, scale);
    kb.loop(0, valueWidth * blockLanes, lanes, [&](Value at) { kb.storeRaw(zero(), outT, at); });
    kb.loop(0, blockLanes, lanes, [&](Value at) {
      kb.storeRaw(kb.splat(-FLT_MAX, lanes), maxima, at);
      kb.storeRaw(zero(), sums, at);
    });

    int64_t blocks = (keys + blockKeys - 1) / blockKeys, last = keys - (blocks - 1) * blockKeys;
    int64_t whole = last == blockKeys ? blocks : blocks - 1;
    Value end = kb.i(whole * blockKeys);
    // Causal: blocks that start after the last query of this block hold nothing.
    Value lastQuery = kb.add(firstQuery, count - 1);
    if (causal)
      end = kb.min(end, kb.mul(kb.add(kb.div(lastQuery, blockKeys), 1), blockKeys));
    kb.loop(kb.i(0), end, blockKeys, [&](Value key) { keyBlock(key, blockKeys); });
    if (whole < blocks) {
      Value key = kb.i(whole * blockKeys);
      if (causal)
        kb.ifThen(kb.less(key, kb.add(lastQuery, 1)), [&] { keyBlock(key, last); });
      else
        keyBlock(key, last);
    }
    unpack();
  }

  /// Runs `body(lane offset, panels)` over groups of lane vectors that fit the registers.
  void forGroups(const std::function<void(Value, int64_t)> &body) {
    int64_t panels = blockLanes / lanes, whole = panels / tilePanels;
    if (whole == 1)
      body(kb.i(0), tilePanels);
    else if (whole > 1)
      kb.loop(0, whole * tilePanels * lanes, tilePanels * lanes, [&](Value lane) { body(lane, tilePanels); });
    if (panels % tilePanels)
      body(kb.i(whole * tilePanels * lanes), panels % tilePanels);
  }

  /// Runs `body(first, rows)` over tiles of `tileRows` out of `count`, then the rest as one smaller tile.
  void forTiles(int64_t count, const std::function<void(Value, int64_t)> &body) {
    int64_t whole = count / tileRows * tileRows;
    if (whole == tileRows)
      body(kb.i(0), tileRows);
    else if (whole)
      kb.loop(0, whole, tileRows, [&](Value first) { body(first, tileRows); });
    if (count % tileRows)
      body(kb.i(whole), count % tileRows);
  }

  void keyBlock(Value key, int64_t count) {
    if (maskT)
      packMask(key, count);
    forGroups([&](Value lane, int64_t panels) {
      scoreGroup(key, count, lane, panels);
      valueGroup(key, count, lane, panels);
    });
  }

  /// Σ over `steps` of rows[r]·columns[p]: `factors(step)` gives the row scalars' addresses, `vectors(step)` the lane vectors' offset.
  SmallVector<Value> accumulate(Value lower, int64_t steps, int64_t tile, int64_t panels, Value factorBase,
                                const std::function<Value(Value step, int64_t row)> &factorOffset, Value vectorBase,
                                const std::function<Value(Value step)> &vectorOffset) {
    const int64_t unroll = 4, whole = steps / unroll * unroll;
    SmallVector<Value> sums(tile * panels, zero());
    auto step = [&](Value at, SmallVector<Value> &current) {
      SmallVector<Value> columns;
      Value from = vectorOffset(at);
      for (int64_t panel = 0; panel < panels; ++panel)
        columns.push_back(loadF(vectorBase, kb.add(from, panel * lanes)));
      for (int64_t row = 0; row < tile; ++row) {
        Value factor = loadScalar(factorBase, factorOffset(at, row));
        for (int64_t panel = 0; panel < panels; ++panel)
          current[row * panels + panel] = kb.fma(factor, columns[panel], current[row * panels + panel]);
      }
    };
    if (whole)
      sums = kb.loop(lower, kb.add(lower, whole), unroll, sums, [&](Value at, ValueRange carried) {
        SmallVector<Value> current(carried.begin(), carried.end());
        for (int64_t u = 0; u < unroll; ++u)
          step(kb.add(at, u), current);
        return current;
      });
    for (int64_t u = whole; u < steps; ++u)
      step(kb.add(lower, u), sums);
    return sums;
  }

  /// Scores of the group, masked, and from them P, the new maxima, the sums and the factors α of the old totals.
  void scoreGroup(Value key, int64_t count, Value lane, int64_t panels) {
    SmallVector<Value> oldMaxima;
    for (int64_t panel = 0; panel < panels; ++panel)
      oldMaxima.push_back(loadF(maxima, kb.add(lane, panel * lanes)));

    auto tile = [&](Value first, int64_t rows, ValueRange maximaIn) {
      SmallVector<Value> keyRows;
      for (int64_t row = 0; row < rows; ++row)
        keyRows.push_back(kb.add(kRows.offset, kb.mul(kb.add(key, kb.add(first, row)), kRows.stride)));
      auto factor = [&](Value step, int64_t row) { return kb.add(keyRows[row], kb.mul(step, k.strides[2])); };
      auto vector = [&](Value step) { return kb.add(kb.mul(step, blockLanes), lane); };
      auto place = [&](int64_t row, int64_t panel) { return kb.add(kb.add(kb.mul(kb.add(first, row), blockLanes), lane), panel * lanes); };
      SmallVector<Value> total;
      if (width <= maxChain) {
        total = accumulate(kb.i(0), width, rows, panels, kRows.base, factor, queryT, vector);
      } else {
        // Long heads: pieces of the chain are added up in the score array.
        auto addPiece = [&](Value from, int64_t steps, bool fresh) {
          SmallVector<Value> part = accumulate(from, steps, rows, panels, kRows.base, factor, queryT, vector);
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t panel = 0; panel < panels; ++panel) {
              Value sum = part[row * panels + panel];
              if (!fresh)
                sum = kb.fadd(loadF(scores, place(row, panel)), sum);
              kb.storeRaw(sum, scores, place(row, panel));
            }
        };
        int64_t whole = width / chain * chain;
        addPiece(kb.i(0), chain, true);
        kb.loop(chain, whole, chain, [&](Value from) { addPiece(from, chain, false); });
        if (whole < width)
          addPiece(kb.i(whole), width - whole, false);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t panel = 0; panel < panels; ++panel)
            total.push_back(loadF(scores, place(row, panel)));
      }
      SmallVector<Value> newMaxima(maximaIn.begin(), maximaIn.end());
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value score = masked(total[row * panels + panel], key, kb.add(first, row), kb.add(lane, panel * lanes));
          kb.storeRaw(score, scores, place(row, panel));
          newMaxima[panel] = laneMax(kb, newMaxima[panel], score);
        }
      return newMaxima;
    };
    SmallVector<Value> newMaxima(oldMaxima);
    int64_t whole = count / tileRows * tileRows;
    if (whole)
      newMaxima = kb.loop(kb.i(0), kb.i(whole), tileRows, newMaxima, [&](Value first, ValueRange carried) { return tile(first, tileRows, carried); });
    if (whole < count)
      newMaxima = tile(kb.i(whole), count - whole, newMaxima);

    for (int64_t panel = 0; panel < panels; ++panel) {
      kb.storeRaw(newMaxima[panel], maxima, kb.add(lane, panel * lanes));
      kb.storeRaw(exp2(kb.fsub(oldMaxima[panel], newMaxima[panel])), alphas, kb.add(lane, panel * lanes));
    }
    // Two rows per step hide the polynomial's latency where few panels are in flight.
    const int64_t unroll = count % 2 ? 1 : 2;
    SmallVector<Value> part(panels, zero());
    part = kb.loop(kb.i(0), kb.i(count), unroll, part, [&](Value row, ValueRange carried) {
      SmallVector<Value> current(carried.begin(), carried.end());
      for (int64_t u = 0; u < unroll; ++u)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value at = kb.add(kb.add(kb.mul(kb.add(row, u), blockLanes), lane), panel * lanes);
          Value p = exp2(kb.fsub(loadF(scores, at), newMaxima[panel]));
          kb.storeRaw(p, scores, at);
          current[panel] = kb.fadd(current[panel], p);
        }
      return current;
    });
    for (int64_t panel = 0; panel < panels; ++panel) {
      Value at = kb.add(lane, panel * lanes);
      kb.storeRaw(kb.fma(loadF(sums, at), loadF(alphas, at), part[panel]), sums, at);
    }
  }

  void valueGroup(Value key, int64_t count, Value lane, int64_t panels) {
    Value firstRow = kb.add(vRows.offset, kb.mul(key, vRows.stride));
    SmallVector<Value> alpha;
    for (int64_t panel = 0; panel < panels; ++panel)
      alpha.push_back(loadF(alphas, kb.add(lane, panel * lanes)));
    forTiles(valueWidth, [&](Value first, int64_t rows) {
      Value column = kb.add(firstRow, kb.mul(first, v.strides[2]));
      auto factor = [&](Value step, int64_t row) { return kb.add(kb.add(column, row * v.strides[2]), kb.mul(step, vRows.stride)); };
      auto vector = [&](Value step) { return kb.add(kb.mul(step, blockLanes), lane); };
      SmallVector<Value> part = accumulate(kb.i(0), count, rows, panels, vRows.base, factor, scores, vector);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value at = kb.add(kb.add(kb.mul(kb.add(first, row), blockLanes), lane), panel * lanes);
          kb.storeRaw(kb.fma(loadF(outT, at), alpha[panel], part[row * panels + panel]), outT, at);
        }
    });
  }

  /// A score plus its mask. Hidden scores become the lowest float, not −inf: a wholly hidden row then averages instead of
  /// giving NaN, as the additive masks of lowest floats that models use do in the reference.
  Value masked(Value score, Value key, Value row, Value lane) {
    if (op.getMask()) {
      Value extra;
      if (maskT) {
        extra = loadF(maskT, kb.add(kb.mul(row, blockLanes), lane));
      } else {
        const Operand &mask = kb.operand(op.getMask());
        Value offset = kb.add(kb.add(maskOffset(mask), kb.mul(kb.add(key, row), mask.strides[2])), 0);
        extra = kb.fmul(loadScalar(mask.base, offset), kb.splat(M_LOG2E, lanes));
      }
      score = laneMax(kb, kb.fadd(score, extra), kb.splat(-FLT_MAX, lanes));
    }
    if (causal) {
      // key + row ≤ firstQuery + lane + l
      Value limit = kb.sub(kb.add(key, row), kb.add(firstQuery, lane)); // lanes l ≥ limit see this key
      Value limits = kb.broadcast(arith::TruncIOp::create(kb.b, kb.loc, kb.b.getI32Type(), limit), lanes);
      Value visible = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sge, laneNumbers(kb, lanes), limits);
      score = arith::SelectOp::create(kb.b, kb.loc, visible, score, kb.splat(-FLT_MAX, lanes));
    }
    return score;
  }

  Value maskOffset(const Operand &mask) {
    Value offset = kb.i(mask.offset);
    return mask.shape()[0] > 1 ? kb.add(offset, kb.mul(batchIndex, mask.strides[0])) : offset;
  }

  /// The mask of this query and key block, in base 2, with queries on lanes.
  void packMask(Value key, int64_t count) {
    const Operand &mask = kb.operand(op.getMask());
    Rows rows{mask.base, kb.add(maskOffset(mask), kb.mul(key, mask.strides[2])), mask.strides[1]};
    packTransposed(rows, firstQuery, count, maskT, M_LOG2E);
  }

  /// dst[column][row] = src[first + row][column]·factor for the block's rows; lanes beyond the last row repeat it.
  void packTransposed(const Rows &source, Value first, int64_t columns, Value target, double factor) {
    Value from = kb.add(source.offset, kb.mul(first, source.stride));
    Value factors = kb.splat(factor, lanes);
    auto panel = [&](Value lane, int64_t valid) {
      SmallVector<Value> rowOffsets;
      for (int64_t row = 0; row < lanes; ++row)
        rowOffsets.push_back(kb.add(from, kb.mul(kb.add(lane, std::min(row, valid - 1)), source.stride)));
      auto window = [&](Value column) {
        SmallVector<Value> rows;
        for (Value offset : rowOffsets)
          rows.push_back(kb.fmul(loadF(source.base, kb.add(offset, column)), factors));
        for (auto [index, vector] : llvm::enumerate(transposeLanes(kb, rows)))
          kb.storeRaw(vector, target, kb.add(kb.mul(kb.add(column, index), blockLanes), lane));
      };
      if (columns < lanes) {
        // Narrower than a vector: element by element.
        kb.loop(0, columns, 1, [&](Value column) {
          for (int64_t row = 0; row < lanes; ++row) {
            Value element = kb.fmul(kb.loadRaw(source.base, kb.add(rowOffsets[row], column), kb.f32(), 1), kb.f(factor));
            kb.storeRaw(element, target, kb.add(kb.add(kb.mul(column, blockLanes), lane), row));
          }
        });
        return;
      }
      kb.loop(0, columns / lanes * lanes, lanes, window);
      if (columns % lanes) // the last window overlaps its neighbour and stores equal values again
        window(kb.i(columns - lanes));
    };
    int64_t whole = blockRows / lanes * lanes;
    kb.loop(0, whole, lanes, [&](Value lane) { panel(lane, lanes); });
    if (whole < blockRows)
      panel(kb.i(whole), blockRows - whole);
  }

  /// Divides by the sums and writes the block's rows.
  void unpack() {
    Value to = kb.add(outRows.offset, kb.mul(firstQuery, outRows.stride));
    auto panel = [&](Value lane, int64_t valid) {
      Value inverse = kb.fdiv(kb.splat(1, lanes), loadF(sums, lane));
      SmallVector<Value> rowOffsets;
      for (int64_t row = 0; row < valid; ++row)
        rowOffsets.push_back(kb.add(to, kb.mul(kb.add(lane, row), outRows.stride)));
      auto window = [&](Value column) {
        SmallVector<Value> columns;
        for (int64_t index = 0; index < lanes; ++index)
          columns.push_back(kb.fmul(loadF(outT, kb.add(kb.mul(kb.add(column, index), blockLanes), lane)), inverse));
        SmallVector<Value> rows = transposeLanes(kb, columns);
        for (int64_t row = 0; row < valid; ++row)
          kb.storeRaw(rows[row], out.base, kb.add(rowOffsets[row], column));
      };
      if (valueWidth < lanes) {
        kb.storeRaw(inverse, alphas, kb.i(0)); // the factors as scalars; α is of no use any more
        kb.loop(0, valueWidth, 1, [&](Value column) {
          for (int64_t row = 0; row < valid; ++row) {
            Value element = kb.loadRaw(outT, kb.add(kb.add(kb.mul(column, blockLanes), lane), row), kb.f32(), 1);
            element = kb.fmul(element, kb.loadRaw(alphas, kb.i(row), kb.f32(), 1));
            kb.storeRaw(element, out.base, kb.add(rowOffsets[row], column));
          }
        });
        return;
      }
      kb.loop(0, valueWidth / lanes * lanes, lanes, window);
      if (valueWidth % lanes)
        window(kb.i(valueWidth - lanes));
    };
    int64_t whole = blockRows / lanes * lanes;
    kb.loop(0, whole, lanes, [&](Value lane) { panel(lane, lanes); });
    if (whole < blockRows)
      panel(kb.i(whole), blockRows - whole);
  }

  Value exp2(Value x) { return buildPower(kb, x); }

  KernelBuilder &kb;
  kernel::AttentionOp op;
  const Operand &q, &k, &v, &out;
  int64_t lanes, batch, queries, keys, heads, width, valueWidth, tilePanels, blockKeys;
  bool causal;
  int64_t blockRows = 0, blockLanes = 0, scratchBytes = 0;
  Value queryT, outT, scores, maxima, sums, alphas, maskT;
  Value batchIndex, firstQuery;
  Rows qRows, kRows, vRows, outRows;
};

} // namespace

FailureOr<Launch> emitAttention(KernelBuilder &kb, Operation *op) {
  auto attention = cast<kernel::AttentionOp>(op);
  for (Value tensor : {attention.getQ(), attention.getK(), attention.getV(), attention.getResult()})
    if (!cast<RankedTensorType>(tensor.getType()).getElementType().isF32())
      return op->emitError("attention works on f32");
  return AttentionEmitter(kb, attention).run();
}

} // namespace hb::x86
