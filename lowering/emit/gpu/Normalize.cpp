// kernel.normalize over the last axis: layer norm, softmax, l2; a warp or a block for each row. Group norm is in GroupNorm.cpp.
#include "lowering/emit/FloatMath.h"
#include "lowering/emit/ScalarRegion.h"
#include "lowering/emit/gpu/Families.h"
#include "lowering/emit/gpu/GroupNorm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {
namespace {

constexpr int64_t blockThreads = 256;
constexpr int64_t rowOfWarp = 2048; ///< longest row that one warp works on

class RowNormalizer {
public:
  RowNormalizer(KernelBuilder &kb, kernel::NormalizeOp op) : kb(kb), op(op), x(kb.operand(op.getX())), result(kb.operand(op.getResult())), count(x.shape().back()) {}

  FailureOr<Launch> emit() {
    ArrayRef<int64_t> outer = x.shape().drop_back();
    int64_t rows = 1;
    for (int64_t extent : outer)
      rows *= extent;
    threads = count <= rowOfWarp ? KernelBuilder::warpLanes : blockThreads;
    const int64_t perBlock = blockThreads / threads, grid = (rows + perBlock - 1) / perBlock;
    Value row = kb.add(kb.mul(kb.block(), perBlock), kb.div(kb.thread(), threads));
    member = kb.rem(kb.thread(), threads);
    // Warps of a row that does not exist leave; a row's threads stay together.
    auto work = [&] {
      from = kb.i(x.offset);
      to = kb.i(result.offset);
      for (auto [dim, index] : llvm::enumerate(kb.delinearize(row, outer))) {
        from = kb.add(from, kb.mul(index, x.strides[dim]));
        to = kb.add(to, kb.mul(index, result.strides[dim]));
      }
      normalize();
    };
    if (outer.empty())
      row = kb.i(0);
    if (rows % perBlock)
      kb.ifThen(kb.less(row, kb.i(rows)), work);
    else
      work();
    if (failed)
      return failure();
    return Launch{grid, blockThreads, 0};
  }

private:
  Value load(Value at) { return kb.load(x, kb.add(from, kb.mul(at, x.strides.back()))); }
  void finish(Value value, Value at) {
    FailureOr<SmallVector<Value>> y = inlineRegion(kb, op.getEpilogue(), {value});
    if (mlir::failed(y)) {
      failed = true;
      return;
    }
    kb.store(result, kb.add(to, kb.mul(at, result.strides.back())), (*y)[0]);
  }
  void each(const std::function<void(Value)> &body) { kb.loop(member, kb.i(count), threads, body); }
  Value fold(Value init, const std::function<Value(Value, Value)> &body) {
    return kb.loop(member, kb.i(count), threads, ValueRange{init}, [&](Value at, ValueRange carried) -> SmallVector<Value> { return {body(carried[0], at)}; })[0];
  }
  Value f64(double value) { return arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(value)); }
  Value wide(Value value) { return arith::ExtFOp::create(kb.b, kb.loc, kb.b.getF64Type(), value); }
  Value narrow(Value value) { return arith::TruncFOp::create(kb.b, kb.loc, kb.f32(), value); }
  /// The sum over the row, in f64: a thread has few terms.
  Value sum(const std::function<Value(Value)> &term) {
    return kb.sumThreads(fold(f64(0), [&](Value total, Value at) { return kb.fadd(total, wide(term(at))); }), threads);
  }

  void normalize() {
    switch (op.getKind()) {
    case kernel::NormKind::layer:
      return layer();
    case kernel::NormKind::softmax:
      return softmax();
    default:
      return l2();
    }
  }

  void layer() {
    const Operand &weight = kb.operand(op.getWeight()), &bias = kb.operand(op.getBias());
    Value mean = kb.fdiv(sum([&](Value at) { return load(at); }), f64(static_cast<double>(count))), pivot = narrow(mean);
    // Deviations are taken from the rounded mean, near which subtraction is exact, and what rounding left is taken off afterwards.
    Value rest = kb.fsub(mean, wide(pivot)), off = narrow(rest);
    auto deviation = [&](Value at) { return kb.fsub(load(at), pivot); };
    Value squares = sum([&](Value at) {
      Value d = deviation(at);
      return kb.fmul(d, d);
    });
    Value variance = kb.fsub(kb.fdiv(squares, f64(static_cast<double>(count))), kb.fmul(rest, rest));
    variance = kb.fadd(arith::MaximumFOp::create(kb.b, kb.loc, variance, f64(0)), f64(op.getEps().convertToDouble()));
    Value scale = narrow(kb.fdiv(f64(1), buildSqrt(kb, variance)));
    each([&](Value at) {
      Value factor = kb.fmul(scale, kb.load(weight, kb.add(at, weight.offset)));
      finish(kb.fma(kb.fsub(deviation(at), off), factor, kb.load(bias, kb.add(at, bias.offset))), at);
    });
  }

  void softmax() {
    Value largest = kb.maxThreads(fold(kb.f(-INFINITY), [&](Value most, Value at) { return arith::MaximumFOp::create(kb.b, kb.loc, most, load(at)).getResult(); }), threads);
    auto power = [&](Value at) { return buildExp(kb, kb.fsub(load(at), largest)); };
    Value inverse = narrow(kb.fdiv(f64(1), sum(power)));
    each([&](Value at) { finish(kb.fmul(power(at), inverse), at); });
  }

  void l2() {
    Value norm = buildSqrt(kb, sum([&](Value at) {
      Value v = load(at);
      return kb.fmul(v, v);
    }));
    Value inverse = narrow(kb.fdiv(f64(1), arith::MaximumFOp::create(kb.b, kb.loc, norm, f64(op.getEps().convertToDouble()))));
    each([&](Value at) { finish(kb.fmul(load(at), inverse), at); });
  }

  KernelBuilder &kb;
  kernel::NormalizeOp op;
  const Operand &x, &result;
  int64_t count, threads = KernelBuilder::warpLanes;
  Value member, from, to;
  bool failed = false;
};

} // namespace

FailureOr<Launch> emitNormalize(KernelBuilder &kb, Operation *op) {
  auto normalize = cast<kernel::NormalizeOp>(op);
  if (normalize.getKind() == kernel::NormKind::group)
    return emitGroupApply(kb, normalize);
  return RowNormalizer(kb, normalize).emit();
}

} // namespace hb::gpu
