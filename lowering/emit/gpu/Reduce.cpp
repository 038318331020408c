// kernel.reduce: sums, means, maxima, first-argmax over some axes of a scalar expression. One thread, one warp or one block for each result element.
#include "lowering/emit/ScalarRegion.h"
#include "lowering/emit/gpu/Families.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {
namespace {

/// How many threads share a result element, by the number of terms.
struct Share {
  int64_t terms, threads;
};
constexpr Share kShares[] = {{48, 1}, {4096, 32}, {INT64_MAX, 256}};
constexpr int64_t blockThreads = 256;
constexpr int64_t chain = 64; ///< float32 terms added up before a partial sum goes to the f64 total

class Reducer {
public:
  Reducer(KernelBuilder &kb, kernel::ReduceOp op) : kb(kb), op(op), combine(op.getCombine()), result(kb.operand(op.getResult())) {
    const size_t kept = result.rank();
    ArrayRef<int64_t> extents = op.getExtents();
    reducedExtents.assign(extents.begin() + kept, extents.end());
    for (int64_t extent : reducedExtents)
      terms *= extent;
    points = result.type.getNumElements();
    for (const Share &share : kShares)
      if (terms <= share.terms) {
        threads = share.threads;
        break;
      }
  }

  FailureOr<Launch> emit() {
    const int64_t perBlock = blockThreads / threads, grid = std::max<int64_t>(1, (points + perBlock - 1) / perBlock);
    Value point = kb.add(kb.mul(kb.block(), perBlock), kb.div(kb.thread(), threads)), member = kb.rem(kb.thread(), threads);
    // Threads of a point that does not exist work on the last one, so that every thread reaches the exchanges; they store nothing.
    Value real = points % perBlock ? kb.less(point, kb.i(points)) : Value();
    Value at = real ? kb.min(point, kb.i(points - 1)) : point;
    place = kb.delinearize(at, result.shape());
    Value value = combine == kernel::Combine::argmax ? first(member) : combine == kernel::Combine::max ? largest(member) : sum(member);
    if (failed)
      return failure();
    Value to = kb.i(result.offset);
    for (auto [dim, stride] : llvm::zip_equal(place, result.strides))
      to = kb.add(to, kb.mul(dim, stride));
    Value stores = threads == 1 ? Value() : arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, member, kb.i(0)).getResult();
    if (real)
      stores = stores ? arith::AndIOp::create(kb.b, kb.loc, stores, real).getResult() : real;
    auto store = [&] { kb.store(result, to, value); };
    if (stores)
      kb.ifThen(stores, store);
    else
      store();
    return Launch{grid, blockThreads, 0};
  }

private:
  /// The expression's value for term `number` of the reduced dimensions.
  Value term(Value number) {
    SmallVector<Value> dims(place), inner = kb.delinearize(number, reducedExtents), elements;
    dims.append(inner.begin(), inner.end());
    for (auto [input, map] : llvm::zip_equal(op.getInputs(), op.getMaps().getAsValueRange<AffineMapAttr>())) {
      const Operand &operand = kb.operand(input);
      elements.push_back(kb.loadRaw(operand.base, kb.affine(kb.offsetExpr(operand, map), dims), operand.element()));
    }
    FailureOr<SmallVector<Value>> values = inlineRegion(kb, op.getBody(), elements);
    if (mlir::failed(values)) {
      failed = true;
      return kb.f(0);
    }
    return (*values)[0];
  }

  Value sum(Value member) {
    Type f64 = kb.b.getF64Type();
    Value zero = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(0));
    Value total = kb.loop(member, kb.i(terms), chain * threads, ValueRange{zero}, [&](Value start, ValueRange carried) -> SmallVector<Value> {
      Value end = kb.min(kb.add(start, chain * threads), kb.i(terms));
      Value part = kb.loop(start, end, threads, ValueRange{kb.f(0)}, [&](Value number, ValueRange inner) -> SmallVector<Value> { return {kb.fadd(inner[0], term(number))}; })[0];
      return {kb.fadd(carried[0], arith::ExtFOp::create(kb.b, kb.loc, f64, part))};
    })[0];
    total = kb.sumThreads(total, threads);
    if (combine == kernel::Combine::mean)
      total = kb.fdiv(total, arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(static_cast<double>(terms))));
    return arith::TruncFOp::create(kb.b, kb.loc, kb.f32(), total);
  }

  Value largest(Value member) {
    Value value = kb.loop(member, kb.i(terms), threads, ValueRange{kb.f(-INFINITY)}, [&](Value number, ValueRange carried) -> SmallVector<Value> {
      return {arith::MaximumFOp::create(kb.b, kb.loc, carried[0], term(number))};
    })[0];
    return kb.maxThreads(value, threads);
  }

  /// The least index of a largest value: values first, then among those that are equal to it the index. NaN counts as largest, as in torch.
  Value first(Value member) {
    Value best = largest(member), none = kb.i(terms);
    Value bestIsNan = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::UNO, best, best);
    Value least = kb.loop(member, kb.i(terms), threads, ValueRange{none}, [&](Value number, ValueRange carried) -> SmallVector<Value> {
      Value value = term(number);
      Value equal = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OEQ, value, best), nan = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::UNO, value, value);
      Value hit = arith::SelectOp::create(kb.b, kb.loc, bestIsNan, nan, equal);
      return {arith::SelectOp::create(kb.b, kb.loc, hit, kb.min(carried[0], number), carried[0])};
    })[0];
    least = kb.combineThreads(least, threads, [&](Value a, Value c) { return kb.min(a, c); });
    return least.getType().isInteger(64) ? least : arith::ExtSIOp::create(kb.b, kb.loc, kb.i64(), least).getResult();
  }

  KernelBuilder &kb;
  kernel::ReduceOp op;
  kernel::Combine combine;
  const Operand &result;
  SmallVector<int64_t> reducedExtents;
  SmallVector<Value> place;
  int64_t terms = 1, points = 1, threads = 1;
  bool failed = false;
};

} // namespace

FailureOr<Launch> emitReduce(KernelBuilder &kb, Operation *op) { return Reducer(kb, cast<kernel::ReduceOp>(op)).emit(); }

} // namespace hb::gpu
