#include "lowering/emit/gpu/AttentionTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cfloat>
#include <cmath>

using namespace mlir;

namespace hb::gpu {

static int64_t roundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

void forPieces(int64_t columns, int64_t span, llvm::function_ref<void(int64_t, int64_t)> body) {
  for (int64_t first = 0; first < columns; first += span)
    body(first, std::min(span, columns - first));
}

SmallVector<Value> sumPieces(KernelBuilder &kb, int64_t columns, int64_t span, int64_t scores, const std::function<SmallVector<Value>(Value, int64_t, ValueRange)> &body) {
  SmallVector<Value> sums(scores, kb.f(0));
  const int64_t whole = columns / span * span;
  if (whole > span)
    sums = kb.loop(kb.i(0), kb.i(whole), span, sums, [&](Value first, ValueRange carried) { return body(first, span, carried); });
  else if (whole)
    sums = body(kb.i(0), span, sums);
  return whole < columns ? body(kb.i(whole), columns - whole, sums) : sums;
}

AttentionTile::AttentionTile(KernelBuilder &kb, const AttentionExtents &extents, int64_t queries, int64_t keys)
    : queries(queries), keys(keys), x(kb.rem(kb.thread(), side)), y(kb.div(kb.thread(), side)), kb(kb), extents(extents) {}

void AttentionTile::selectHead(Value pair) {
  head = kb.rem(pair, extents.heads);
  batchIndex = kb.div(pair, extents.heads);
}

HeadRows AttentionTile::rows(Value tensor, int64_t columns) const {
  const Operand &operand = kb.operand(tensor);
  Value offset = kb.add(kb.add(kb.mul(batchIndex, operand.strides[0]), kb.mul(head, columns * operand.strides[2])), operand.offset);
  auto whole = [](int64_t count) { return count % 4 == 0; };
  const bool vectors = operand.strides[2] == 1 && whole(columns) && whole(operand.offset) && whole(operand.strides[1]) && (extents.batch == 1 || whole(operand.strides[0]));
  return {&operand, offset, operand.shape()[1], columns, vectors};
}

// ---------------------------------------------------------------- shared memory

int64_t AttentionTile::rowStride(int64_t columns) {
  const int64_t vectors = roundUp(columns, 4) / 4;
  return 4 * (vectors | 1);
}

SharedRows AttentionTile::allocate(int64_t rowCount, int64_t columns) {
  const int64_t stride = rowStride(columns);
  return {kb.shared(rowCount * stride * 4), rowCount, stride};
}

SharedRows AttentionTile::allocateScores() {
  // A warp writes 16 neighbouring keys of two neighbouring queries: an odd multiple of 64 bytes between them keeps their banks apart.
  const int64_t stride = keys % 32 ? keys : keys + 16;
  return {kb.shared(queries * stride * 4), queries, stride};
}

void AttentionTile::fill(const SharedRows &tile, const HeadRows &source, Value first, Value firstColumn, int64_t columns) {
  const Operand &operand = *source.operand;
  const int64_t padded = roundUp(columns, 4), lanes = source.vectors ? 4 : 1, perRow = padded / lanes, total = tile.rows * perRow;
  const int64_t alignment = source.vectors ? operand.element().getIntOrFloatBitWidth() / 8 * lanes : 0;
  auto move = [&](Value index) {
    Value row = kb.div(index, perRow), at = kb.mul(kb.rem(index, perRow), lanes);
    Value from = kb.add(first, row);
    if (source.rows % tile.rows)
      from = kb.min(from, kb.i(source.rows - 1));
    Value to = kb.add(kb.mul(row, tile.stride), at), valid;
    Value columnAt = kb.add(at, firstColumn);
    if (padded != columns) {
      valid = kb.less(at, kb.i(columns));
      columnAt = kb.min(columnAt, kb.add(firstColumn, columns - 1));
    }
    Value value = kb.load(operand, kb.add(kb.add(source.offset, kb.mul(from, operand.strides[1])), kb.mul(columnAt, operand.strides[2])), lanes, alignment);
    if (valid)
      value = arith::SelectOp::create(kb.b, kb.loc, valid, value, kb.f(0));
    kb.storeRaw(value, tile.base, to, lanes * 4);
  };
  // As many reads under way as the tile has: they do not depend on one another.
  constexpr int64_t unroll = 8;
  const int64_t whole = total / threads, rest = total % threads;
  if (whole <= unroll)
    for (int64_t turn = 0; turn < whole; ++turn)
      move(kb.add(kb.thread(), turn * threads));
  else
    kb.loop(0, whole * threads, threads, [&](Value turn) { move(kb.add(kb.thread(), turn)); });
  if (rest)
    kb.ifThen(kb.less(kb.thread(), kb.i(rest)), [&] { move(kb.add(kb.thread(), whole * threads)); });
}

// ---------------------------------------------------------------- scores

Value AttentionTile::element(Value vector, int64_t lane) { return vector::ExtractOp::create(kb.b, kb.loc, vector, lane); }

SmallVector<Value> AttentionTile::innerProducts(const SharedRows &left, const SharedRows &right, int64_t columns, ValueRange sums) {
  const int64_t m = queriesOfThread(), n = keysOfThread();
  SmallVector<Value> totals(sums.begin(), sums.end());
  const int64_t pieces = (columns + chainLength - 1) / chainLength, length = roundUp((columns + pieces - 1) / pieces, 4);
  for (int64_t start = 0; start < columns; start += length) {
    const int64_t end = std::min(start + length, roundUp(columns, 4));
    SmallVector<Value> part(m * n, kb.f(0));
    part = kb.loop(kb.i(start), kb.i(end), 4, part, [&](Value at, ValueRange carried) {
      SmallVector<Value> next(carried.begin(), carried.end()), a, c;
      for (int64_t i = 0; i < m; ++i)
        a.push_back(kb.loadRaw(left.base, kb.add(kb.mul(kb.add(y, i * side), left.stride), at), kb.f32(), 4, 16));
      for (int64_t j = 0; j < n; ++j)
        c.push_back(kb.loadRaw(right.base, kb.add(kb.mul(kb.add(x, j * side), right.stride), at), kb.f32(), 4, 16));
      for (int64_t lane = 0; lane < 4; ++lane)
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j)
            next[i * n + j] = kb.fma(element(a[i], lane), element(c[j], lane), next[i * n + j]);
      return next;
    });
    for (int64_t s = 0; s < m * n; ++s)
      totals[s] = kb.fadd(totals[s], part[s]);
  }
  return totals;
}

Value AttentionTile::exists(Value index, int64_t total, int64_t tileSize) { return total % tileSize ? kb.less(index, kb.i(total)) : Value(); }

void AttentionTile::finishScores(SmallVector<Value> &scores, Value query, Value key, Value maskTensor) {
  const int64_t m = queriesOfThread(), n = keysOfThread();
  const Operand *mask = maskTensor ? &kb.operand(maskTensor) : nullptr;
  Value maskOffset = mask ? kb.i(mask->offset) : Value(), lowest = kb.f(-FLT_MAX);
  if (mask && mask->shape()[0] > 1)
    maskOffset = kb.add(maskOffset, kb.mul(batchIndex, mask->strides[0]));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      Value queryAt = queryOf(query, i), keyAt = keyOf(key, j);
      Value score = kb.fmul(scores[i * n + j], kb.f(extents.scale * M_LOG2E));
      if (mask) {
        Value at = kb.add(maskOffset, kb.mul(extents.keys % keys ? kb.min(keyAt, kb.i(extents.keys - 1)) : keyAt, mask->strides[2]));
        if (mask->shape()[1] > 1)
          at = kb.add(at, kb.mul(extents.queries % queries ? kb.min(queryAt, kb.i(extents.queries - 1)) : queryAt, mask->strides[1]));
        // Hidden scores become the lowest float, not −∞: a wholly hidden row then averages instead of giving NaN, as the additive masks
        // of lowest floats that models use do in the reference.
        score = arith::MaximumFOp::create(kb.b, kb.loc, kb.fma(kb.load(*mask, at), kb.f(M_LOG2E), score), lowest);
      }
      Value visible = exists(keyAt, extents.keys, keys);
      if (extents.causal)
        visible = kb.less(keyAt, kb.add(queryAt, 1)); // and a key that does not exist comes after the last query
      if (extents.causal && extents.keys < extents.queries && extents.keys % keys)
        visible = arith::AndIOp::create(kb.b, kb.loc, visible, kb.less(keyAt, kb.i(extents.keys)));
      if (visible)
        score = arith::SelectOp::create(kb.b, kb.loc, visible, score, lowest);
      scores[i * n + j] = score;
    }
}

void AttentionTile::storeScores(const SharedRows &tile, ArrayRef<Value> scores) {
  const int64_t n = keysOfThread();
  for (int64_t i = 0; i < queriesOfThread(); ++i)
    for (int64_t j = 0; j < n; ++j)
      kb.storeRaw(scores[i * n + j], tile.base, kb.add(kb.mul(kb.add(y, i * side), tile.stride), kb.add(x, j * side)));
}

// ---------------------------------------------------------------- columns on threads

Value AttentionTile::column(int64_t group, int64_t columns) {
  // Threads without a column of their own repeat the last one: what they compute is not stored.
  const int64_t padded = roundUp(columns, 4);
  Value at = kb.add(kb.mul(x, 4), group * groupColumns);
  return padded < (group + 1) * groupColumns ? kb.min(at, kb.i(padded - 4)) : at;
}

SmallVector<Value> AttentionTile::sumInChains(int64_t steps, int64_t rowCount, const std::function<SmallVector<Value>(Value, ValueRange)> &fourSteps) {
  SmallVector<Value> totals;
  for (int64_t start = 0; start < steps; start += chainLength) {
    SmallVector<Value> part = kb.loop(kb.i(start), kb.i(std::min(start + chainLength, steps)), 4, SmallVector<Value>(rowCount, four(0)), fourSteps);
    for (int64_t i = 0; i < rowCount && start; ++i)
      part[i] = kb.fadd(totals[i], part[i]);
    totals = part;
  }
  return totals;
}

SmallVector<Value> AttentionTile::sumOverKeys(const SharedRows &scores, const SharedRows &right, int64_t group, int64_t columns) {
  const int64_t m = queriesOfThread();
  Value at = column(group, columns);
  return sumInChains(keys, m, [&](Value key, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end()), a;
    for (int64_t i = 0; i < m; ++i)
      a.push_back(kb.loadRaw(scores.base, kb.add(kb.mul(kb.add(y, i * side), scores.stride), key), kb.f32(), 4, 16));
    for (int64_t lane = 0; lane < 4; ++lane) {
      Value c = kb.loadRaw(right.base, kb.add(kb.mul(kb.add(key, lane), right.stride), at), kb.f32(), 4, 16);
      for (int64_t i = 0; i < m; ++i)
        next[i] = kb.fma(kb.broadcast(element(a[i], lane), 4), c, next[i]);
    }
    return next;
  });
}

SmallVector<Value> AttentionTile::sumOverQueries(const SharedRows &scores, const SharedRows &right, int64_t group, int64_t columns) {
  const int64_t n = keysOfThread();
  Value at = column(group, columns), firstKey = kb.mul(y, n);
  return sumInChains(queries, n, [&](Value query, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    for (int64_t u = 0; u < 4; ++u) {
      Value row = kb.add(query, u);
      Value a = kb.loadRaw(scores.base, kb.add(kb.mul(row, scores.stride), firstKey), kb.f32(), static_cast<int>(n), 4 * n);
      Value c = kb.loadRaw(right.base, kb.add(kb.mul(row, right.stride), at), kb.f32(), 4, 16);
      for (int64_t i = 0; i < n; ++i)
        next[i] = kb.fma(kb.broadcast(n == 1 ? a : element(a, i), 4), c, next[i]);
    }
    return next;
  });
}

void AttentionTile::storeColumns(const HeadRows &target, Value row, int64_t tileSize, int64_t group, Value value) {
  const Operand &operand = *target.operand;
  const bool tail = target.columns < (group + 1) * groupColumns;
  Value first = kb.add(kb.mul(x, 4), group * groupColumns), to = kb.add(target.offset, kb.mul(row, operand.strides[1])), inside = exists(row, target.rows, tileSize);
  auto both = [&](Value a, Value c) { return a && c ? arith::AndIOp::create(kb.b, kb.loc, a, c).getResult() : a ? a : c; };
  auto when = [&](Value condition, llvm::function_ref<void()> body) {
    if (condition)
      kb.ifThen(condition, [&] { body(); });
    else
      body();
  };
  if (target.vectors)
    return when(both(inside, tail ? kb.less(first, kb.i(target.columns)) : Value()),
                [&] { kb.store(operand, kb.add(to, first), value, operand.element().getIntOrFloatBitWidth() / 2); });
  for (int64_t lane = 0; lane < 4; ++lane) {
    Value at = kb.add(first, lane);
    when(both(inside, tail ? kb.less(at, kb.i(target.columns)) : Value()), [&] { kb.store(operand, kb.add(to, kb.mul(at, operand.strides[2])), element(value, lane)); });
  }
}

} // namespace hb::gpu
