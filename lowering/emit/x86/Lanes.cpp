#include "lowering/emit/x86/Lanes.h"

#include "lowering/emit/FloatMath.h"

#include <cfloat>

using namespace mlir;

namespace hb::x86 {

Value laneMax(KernelBuilder &kb, Value x, Value y) {
  Value greater = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(kb.b, kb.loc, greater, x, y);
}

SmallVector<Value> transposeLanes(KernelBuilder &kb, ArrayRef<Value> rows) {
  // log2(n) rounds: round s swaps the s-sized off-diagonal blocks of 2s×2s squares, which is two shuffles per pair of rows.
  const int64_t n = rows.size();
  SmallVector<Value> current(rows.begin(), rows.end());
  for (int64_t size = 1; size < n; size *= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < n; ++lane) {
      bool second = lane & size;
      low.push_back(second ? n + lane - size : lane);
      high.push_back(second ? n + lane : lane + size);
    }
    for (int64_t row = 0; row < n; ++row) {
      if (row & size)
        continue;
      Value a = current[row], c = current[row + size];
      current[row] = vector::ShuffleOp::create(kb.b, kb.loc, a, c, low);
      current[row + size] = vector::ShuffleOp::create(kb.b, kb.loc, a, c, high);
    }
  }
  return current;
}

SmallVector<Value> transposeHalves(KernelBuilder &kb, ArrayRef<Value> rows) {
  // With row r = r3r2r1r0 and element e = e3e2e1e0: a vector holds rows r and r + 8, so its index is r2r1r0. Three rounds exchange these bits
  // with e2, e1 and e0; the first interleaves elements of 16 bits (r0 becomes the lowest bit of the place), the others move pairs of them.
  Type element = cast<VectorType>(rows[0].getType()).getElementType();
  auto i16 = [&](int lanes) { return kb.vec(lanes, kb.b.getI16Type()); };
  auto cast16 = [&](Value value, VectorType type) { return vector::BitCastOp::create(kb.b, kb.loc, type, value).getResult(); };
  auto shuffle = [&](Value x, Value y, ArrayRef<int64_t> mask) { return vector::ShuffleOp::create(kb.b, kb.loc, x, y, mask).getResult(); };
  auto sequence = [](int64_t count, const std::function<int64_t(int64_t)> &place) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < count; ++i)
      mask.push_back(place(i));
    return mask;
  };
  auto bit = [](int64_t value, int n) { return value >> n & 1; };
  SmallVector<Value> z;
  for (int r = 0; r < 8; ++r)
    z.push_back(shuffle(cast16(rows[r], i16(16)), cast16(rows[r + 8], i16(16)), sequence(32, [](int64_t i) { return i; })));
  SmallVector<Value> next(8);
  for (int pair = 0; pair < 4; ++pair) // r2r1
    for (int e2 = 0; e2 < 2; ++e2) {
      Value mixed = shuffle(z[2 * pair], z[2 * pair + 1], sequence(32, [&](int64_t i) { return i % 2 * 32 + i / 8 * 8 + e2 * 4 + i % 8 / 2; }));
      next[2 * pair + e2] = cast16(mixed, kb.vec(16, kb.b.getI32Type())); // places r3 e3 e1 e0
    }
  z = next;
  for (int r2 = 0; r2 < 2; ++r2)
    for (int e2 = 0; e2 < 2; ++e2)
      for (int e1 = 0; e1 < 2; ++e1) // places r3 e3 e0 r1
        next[4 * r2 + 2 * e2 + e1] = shuffle(z[4 * r2 + e2], z[4 * r2 + 2 + e2], sequence(16, [&](int64_t i) { return bit(i, 0) * 16 + bit(i, 3) * 8 + bit(i, 2) * 4 + e1 * 2 + bit(i, 1); }));
  SmallVector<Value> turned(16);
  for (int e = 0; e < 8; ++e) { // places e3 r3 r2 r1
    Value both = shuffle(next[e / 2], next[4 + e / 2], sequence(16, [&](int64_t i) { return bit(i, 1) * 16 + bit(i, 2) * 8 + bit(i, 3) * 4 + e % 2 * 2 + bit(i, 0); }));
    both = cast16(both, i16(32));
    for (int e3 = 0; e3 < 2; ++e3)
      turned[e + 8 * e3] = cast16(shuffle(both, both, sequence(16, [&](int64_t i) { return 16 * e3 + i; })), kb.vec(16, element));
  }
  return turned;
}

Value buildPower(KernelBuilder &kb, Value x) {
  // Minimax polynomials of 2^r, degree 6, for r = x − floor(x) in [0, 1) and for r = x − round(x) in [−1/2, 1/2]. The constant term is exactly
  // 1: 2^0 multiplies the running totals once per key block, and a bias there would grow with the number of blocks.
  static const double ofFloor[] = {0.00021612914861179888, 0.0012467846972867846, 0.009675451554358006, 0.055485282093286514, 0.2402293086051941, 0.6931470632553101, 1.0};
  static const double ofNearest[] = {0.00015345811831, 0.0013399931218, 0.0096184889578, 0.05550328777, 0.24022646891, 0.69314720574, 1.0};
  auto constant = [&](double value) { return kb.constantLike(value, x); };
  const bool scale = kb.target.avx512() && isa<VectorType>(x.getType()) && cast<VectorType>(x.getType()).getNumElements() == 16;
  ArrayRef<double> coefficients = scale ? ArrayRef(ofFloor) : ArrayRef(ofNearest);
  Value n, r, p = constant(coefficients[0]);
  Value mask, rounding;
  auto intrinsic = [&](const char *name, ValueRange operands) { return LLVM::CallIntrinsicOp::create(kb.b, kb.loc, x.getType(), kb.b.getStringAttr(name), operands).getResult(0); };
  if (scale) {
    // vreduceps gives x − floor(x), for −∞ 0; vscalefps multiplies by 2^floor(x) and gives 0 for any x that is too small: the whole part is
    // never computed, and nothing has to be clamped.
    mask = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI16IntegerAttr(-1));
    rounding = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI32IntegerAttr(4)); // the current mode
    Value down = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI32IntegerAttr(1)); // towards −∞, no fraction bits
    r = intrinsic("llvm.x86.avx512.mask.reduce.ps.512", {x, down, x, mask, rounding});
  } else {
    x = laneMax(kb, x, constant(-126.0)); // stay normal
    n = math::RoundEvenOp::create(kb.b, kb.loc, x);
    r = kb.fsub(x, n);
  }
  for (double coefficient : coefficients.drop_front())
    p = kb.fma(p, r, constant(coefficient));
  if (scale)
    return intrinsic("llvm.x86.avx512.mask.scalef.ps.512", {p, x, p, mask, rounding});
  Type bits = kb.b.getI32Type();
  if (auto vector = dyn_cast<VectorType>(x.getType()))
    bits = kb.vec(vector.getNumElements(), bits);
  TypedAttr shift = kb.b.getI32IntegerAttr(23);
  if (auto vector = dyn_cast<VectorType>(bits))
    shift = DenseElementsAttr::get(vector, shift);
  Value exponent = arith::ShLIOp::create(kb.b, kb.loc, arith::FPToSIOp::create(kb.b, kb.loc, bits, n), arith::ConstantOp::create(kb.b, kb.loc, shift));
  Value sum = arith::AddIOp::create(kb.b, kb.loc, arith::BitcastOp::create(kb.b, kb.loc, bits, p), exponent);
  return arith::BitcastOp::create(kb.b, kb.loc, x.getType(), sum);
}

void forLanes(KernelBuilder &kb, int64_t count, const std::function<void(Value, int)> &body, int64_t unroll) {
  const int64_t lanes = kb.lanes();
  int64_t done = count / (lanes * unroll) * (lanes * unroll);
  if (done == lanes * unroll)
    for (int64_t u = 0; u < unroll; ++u)
      body(kb.i(u * lanes), lanes);
  else if (done)
    kb.loop(0, done, lanes * unroll, [&](Value start) {
      for (int64_t u = 0; u < unroll; ++u)
        body(kb.add(start, u * lanes), lanes);
    });
  for (int64_t width = lanes; width > 0; width /= 2)
    for (; count - done >= width; done += width)
      body(kb.i(done), width);
}

void forPieces(KernelBuilder &kb, int64_t count, int64_t group, const std::function<void(Value, ArrayRef<Piece>)> &body) {
  const int64_t lanes = kb.lanes(), whole = count / (lanes * group) * (lanes * group);
  SmallVector<Piece> pieces;
  for (int64_t index = 0; index < group; ++index)
    pieces.push_back({index * lanes, static_cast<int>(lanes)});
  kb.loop(0, whole, lanes * group, [&](Value base) { body(base, pieces); });
  pieces.clear();
  int64_t done = whole;
  for (int64_t width = lanes; width > 0; width /= 2)
    for (; count - done >= width; done += width)
      pieces.push_back({done - whole, static_cast<int>(width)});
  if (!pieces.empty())
    body(kb.i(whole), pieces);
}

Value loadStrided(KernelBuilder &kb, const Operand &operand, Value offset, int64_t stride, int lanes) {
  if (stride == 1 || lanes == 1)
    return kb.load(operand, offset, lanes);
  Value result = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getZeroAttr(kb.vec(lanes, operand.element())));
  for (int64_t lane = 0; lane < lanes; ++lane)
    result = vector::InsertOp::create(kb.b, kb.loc, kb.loadRaw(operand.base, kb.add(offset, lane * stride), operand.element(), 1), result, ArrayRef<int64_t>{lane});
  return kb.widen(result);
}

void storeStrided(KernelBuilder &kb, const Operand &operand, Value offset, int64_t stride, Value value, int lanes) {
  if (stride == 1 || lanes == 1)
    return kb.store(operand, offset, value);
  for (int64_t lane = 0; lane < lanes; ++lane)
    kb.store(operand, kb.add(offset, lane * stride), vector::ExtractOp::create(kb.b, kb.loc, value, ArrayRef<int64_t>{lane}));
}

SmallVector<Value> foldRow(KernelBuilder &kb, int64_t count, int results, const RowFold &fold,
                           const std::function<SmallVector<Value>(ArrayRef<Value>, Value, int)> &step, int64_t inFlight) {
  const int64_t lanes = kb.lanes(), vectors = count / lanes, group = std::clamp<int64_t>(vectors, 1, inFlight), whole = vectors / group * group;
  // running[g·results + r]
  SmallVector<Value> running(group * results, kb.splat(fold.init, lanes));
  auto advance = [&](SmallVector<Value> &all, int64_t index, Value at) {
    SmallVector<Value> next = step(ArrayRef<Value>(all).slice(index * results, results), at, lanes);
    std::copy(next.begin(), next.end(), all.begin() + index * results);
  };
  SmallVector<Value> totals;
  if (vectors) {
    if (whole > group)
      running = kb.loop(kb.i(0), kb.i(whole * lanes), group * lanes, running, [&](Value at, ValueRange carried) {
        SmallVector<Value> current(carried.begin(), carried.end());
        for (int64_t index = 0; index < group; ++index)
          advance(current, index, kb.add(at, index * lanes));
        return current;
      });
    else
      for (int64_t index = 0; index < whole; ++index)
        advance(running, index, kb.i(index * lanes));
    for (int64_t index = whole; index < vectors; ++index)
      advance(running, index - whole, kb.i(index * lanes));
    for (int64_t live = group; live > 1; live = (live + 1) / 2)
      for (int64_t index = 0; index < live / 2; ++index)
        for (int r = 0; r < results; ++r)
          running[index * results + r] = fold.merge(running[index * results + r], running[(live - 1 - index) * results + r]);
    for (int r = 0; r < results; ++r)
      totals.push_back(fold.mergeLanes(running[r]));
  }
  int64_t done = vectors * lanes;
  for (int64_t width = lanes / 2; width > 0; width /= 2)
    for (; count - done >= width; done += width) {
      SmallVector<Value> part(results, kb.splat(fold.init, width));
      part = step(part, kb.i(done), width);
      for (int r = 0; r < results; ++r) {
        Value scalar = width > 1 ? fold.mergeLanes(part[r]) : part[r];
        if (static_cast<int>(totals.size()) <= r)
          totals.push_back(scalar);
        else
          totals[r] = fold.merge(totals[r], scalar);
      }
    }
  return totals;
}

RowFold sumFold(KernelBuilder &kb) {
  return {0, [&](Value x, Value y) { return kb.fadd(x, y); }, [&](Value x) { return buildLaneSum(kb, x); }};
}
RowFold maxFold(KernelBuilder &kb) {
  return {-INFINITY, [&](Value x, Value y) -> Value { return arith::MaximumFOp::create(kb.b, kb.loc, x, y); }, [&](Value x) { return buildLaneMax(kb, x); }};
}

static Type withFloat(Value like, Type element) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}
Value toF64(KernelBuilder &kb, Value x) { return arith::ExtFOp::create(kb.b, kb.loc, withFloat(x, kb.b.getF64Type()), x); }
Value toF32(KernelBuilder &kb, Value x) { return arith::TruncFOp::create(kb.b, kb.loc, withFloat(x, kb.f32()), x); }

SmallVector<Value> sumRow(KernelBuilder &kb, int64_t count, int results, const std::function<SmallVector<Value>(ArrayRef<Value>, Value, int)> &step, int64_t inFlight) {
  // Chains of 32 links with eight lanes, 16 with sixteen.
  const int64_t piece = 256 * inFlight, whole = count > piece ? count / piece * piece : 0;
  auto portion = [&](Value from, int64_t size) {
    SmallVector<Value> sums = foldRow(kb, size, results, sumFold(kb), [&](ArrayRef<Value> running, Value at, int lanes) { return step(running, kb.add(from, at), lanes); }, inFlight);
    for (Value &sum : sums)
      sum = toF64(kb, sum);
    return sums;
  };
  if (!whole)
    return portion(kb.i(0), count);
  auto join = [&](ValueRange totals, ArrayRef<Value> parts) {
    SmallVector<Value> next;
    for (auto [total, part] : llvm::zip(totals, parts))
      next.push_back(kb.fadd(total, part));
    return next;
  };
  SmallVector<Value> totals(results, arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(0)));
  totals = kb.loop(kb.i(0), kb.i(whole), piece, totals, [&](Value from, ValueRange running) { return join(running, portion(from, piece)); });
  return whole < count ? join(totals, portion(kb.i(whole), count - whole)) : totals;
}

} // namespace hb::x86
