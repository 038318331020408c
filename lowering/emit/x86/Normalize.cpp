// kernel.normalize over the last axis: layer norm, softmax, l2. Group norm is in GroupNorm.cpp.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/GroupNorm.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/NormRows.h"
#include "lowering/emit/FloatMath.h"
#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {
namespace {

class RowNormalizer {
public:
  RowNormalizer(KernelBuilder &kb, kernel::NormalizeOp op) : kb(kb), op(op), x(kb.operand(op.getX())), result(kb.operand(op.getResult())), count(x.shape().back()) {}

  FailureOr<Launch> run() {
    ArrayRef<int64_t> outer = x.shape().drop_back();
    int64_t rows = 1;
    for (int64_t extent : outer)
      rows *= extent;
    const int64_t chunk = std::clamp<int64_t>(16384 / count, 1, rows), grid = (rows + chunk - 1) / chunk;
    Value first = kb.mul(kb.task, chunk);
    auto row = [&](Value number) {
      SmallVector<Value> place = kb.delinearize(number, outer);
      from = kb.i(x.offset);
      to = kb.i(result.offset);
      for (size_t dim = 0; dim < outer.size(); ++dim) {
        from = kb.add(from, kb.mul(place[dim], x.strides[dim]));
        to = kb.add(to, kb.mul(place[dim], result.strides[dim]));
      }
      normalize();
    };
    if (outer.empty())
      row(kb.i(0));
    else if (chunk == 1)
      row(first);
    else
      kb.loop(first, kb.min(kb.add(first, chunk), kb.i(rows)), 1, row);
    if (failed)
      return failure();
    return Launch{grid, 0};
  }

private:
  Value load(Value at, int lanes) { return loadStrided(kb, x, kb.add(from, kb.mul(at, x.strides.back())), x.strides.back(), lanes); }
  void store(Value value, Value at, int lanes) { storeStrided(kb, result, kb.add(to, kb.mul(at, result.strides.back())), result.strides.back(), kb.broadcast(value, lanes), lanes); }
  void finish(Value value, Value at, int lanes) {
    FailureOr<SmallVector<Value>> y = inlineRegion(kb, op.getEpilogue(), {value});
    if (mlir::failed(y)) {
      failed = true;
      return;
    }
    store((*y)[0], at, lanes);
  }
  Value f64(double value) { return arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(value)); }

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
    emitLayerRow(
        kb, {Value(), op.getWeight(), op.getBias(), op.getEps().convertToDouble()}, count, regionCost(op.getEpilogue()) <= 4 ? 4 : 1,
        [&](Value at, int lanes) { return load(at, lanes); }, [&](Value y, Value at, int lanes) { finish(y, at, lanes); });
  }

  void softmax() {
    Value largest = foldRow(kb, count, 1, maxFold(kb), [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
      return {maxFold(kb).merge(running[0], load(at, lanes))};
    })[0];
    // The exponentials rest in the result until their sum is known, or are computed again where it would round them.
    const bool rest = result.element().isF32();
    Value sum = sumRow(
        kb, count, 1,
        [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
          Value e = buildExp(kb, kb.fsub(load(at, lanes), kb.broadcast(largest, lanes)));
          if (rest)
            store(e, at, lanes);
          return {kb.fadd(running[0], e)};
        },
        2)[0];
    Value inverse = toF32(kb, kb.fdiv(f64(1), sum));
    forLanes(kb, count, [&](Value at, int lanes) {
      Value e = rest ? loadStrided(kb, result, kb.add(to, kb.mul(at, result.strides.back())), result.strides.back(), lanes)
                     : buildExp(kb, kb.fsub(load(at, lanes), kb.broadcast(largest, lanes)));
      finish(kb.fmul(e, kb.broadcast(inverse, lanes)), at, lanes);
    });
  }

  void l2() {
    Value sum = sumRow(kb, count, 1, [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
      Value v = load(at, lanes);
      return {kb.fma(v, v, running[0])};
    })[0];
    Value norm = arith::MaximumFOp::create(kb.b, kb.loc, buildSqrt(kb, sum), f64(op.getEps().convertToDouble()));
    Value inverse = toF32(kb, kb.fdiv(f64(1), norm));
    forLanes(kb, count, [&](Value at, int lanes) { finish(kb.fmul(load(at, lanes), kb.broadcast(inverse, lanes)), at, lanes); });
  }

  KernelBuilder &kb;
  kernel::NormalizeOp op;
  const Operand &x, &result;
  int64_t count;
  Value from, to;
  bool failed = false;
};

} // namespace

FailureOr<Launch> emitNormalize(KernelBuilder &kb, Operation *op) {
  auto normalize = cast<kernel::NormalizeOp>(op);
  if (normalize.getKind() == kernel::NormKind::group)
    return emitGroupApply(kb, normalize);
  return RowNormalizer(kb, normalize).run();
}

} // namespace hb::x86
