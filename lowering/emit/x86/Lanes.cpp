#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {

Value laneMax(KernelBuilder &kb, Value x, Value y) {
  Value greater = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OGT, x, y);
  return arith::SelectOp::create(kb.b, kb.loc, greater, x, y);
}

Value laneNumbers(KernelBuilder &kb, int lanes) {
  SmallVector<int32_t> numbers;
  for (int lane = 0; lane < lanes; ++lane)
    numbers.push_back(lane);
  auto type = kb.vec(lanes, kb.b.getI32Type());
  return arith::ConstantOp::create(kb.b, kb.loc, type, DenseIntElementsAttr::get(type, ArrayRef(numbers)));
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

Value buildPower(KernelBuilder &kb, Value x) {
  // Minimax polynomial of 2^r on [−1/2, 1/2], degree 6, constant term exactly 1: 2^0 multiplies the running totals once per key block, and a
  // bias there would grow with the number of blocks.
  static const double coefficients[] = {0.00015345811831, 0.0013399931218, 0.0096184889578, 0.05550328777, 0.24022646891, 0.69314720574, 1.0};
  auto constant = [&](double value) { return kb.constantLike(value, x); };
  const bool scale = kb.target.avx512() && isa<VectorType>(x.getType()) && cast<VectorType>(x.getType()).getNumElements() == 16;
  x = laneMax(kb, x, constant(scale ? -1000.0 : -126.0)); // with vscalefps 2^-1000 is 0; otherwise stay normal
  Value n = math::RoundEvenOp::create(kb.b, kb.loc, x);
  Value r = kb.fsub(x, n), p = constant(coefficients[0]);
  for (double coefficient : ArrayRef(coefficients).drop_front())
    p = kb.fma(p, r, constant(coefficient));
  if (scale) {
    Value mask = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI16IntegerAttr(-1));
    Value rounding = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getI32IntegerAttr(4)); // the current mode
    return LLVM::CallIntrinsicOp::create(kb.b, kb.loc, x.getType(), kb.b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"), ValueRange{p, n, p, mask, rounding})
        .getResult(0);
  }
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

} // namespace hb::x86
