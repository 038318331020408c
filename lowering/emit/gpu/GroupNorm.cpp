// kernel.group_stats and kernel.normalize group: statistics of runs of pixels, combined exactly, then applied with the epilogue.
//
// Combination of partial statistics: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
#include "lowering/emit/gpu/GroupNorm.h"

#include "lowering/emit/FloatMath.h"
#include "lowering/emit/ScalarRegion.h"
#include "lowering/emit/gpu/Families.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace hb::gpu {
namespace {

constexpr int64_t blockThreads = 256;
constexpr int64_t elementsOfBlock = 4096; ///< that a block applies statistics to

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

/// Arithmetic in f64.
struct Wide {
  KernelBuilder &kb;
  Value c(double value) const { return arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(value)); }
  Value of(Value value) const { return arith::ExtFOp::create(kb.b, kb.loc, kb.b.getF64Type(), value); }
  Value count(Value integer) const { return arith::SIToFPOp::create(kb.b, kb.loc, kb.b.getF64Type(), integer); }
  Value narrow(Value value) const { return arith::TruncFOp::create(kb.b, kb.loc, kb.f32(), value); }
};

} // namespace

// One block for the run of pixels of one group: two passes over what its cache holds after the first.
FailureOr<Launch> emitGroupStats(KernelBuilder &kb, Operation *op) {
  auto stats = cast<kernel::GroupStatsOp>(op);
  const Operand &x = kb.operand(stats.getX()), &result = kb.operand(stats.getResult());
  const int64_t width = x.shape()[2], pixels = x.shape()[1] * width, groups = stats.getGroups(), perGroup = x.shape()[3] / groups, chunks = stats.getChunks(), run = ceilDiv(pixels, chunks);
  Wide w{kb};
  SmallVector<Value> place = kb.delinearize(kb.block(), {x.shape()[0], chunks, groups});
  Value first = kb.min(kb.mul(place[1], run), kb.i(pixels)), size = kb.sub(kb.min(kb.add(first, run), kb.i(pixels)), first), terms = kb.mul(size, perGroup);
  Value base = kb.add(kb.add(kb.mul(place[0], x.strides[0]), kb.mul(place[2], perGroup * x.strides[3])), x.offset);
  auto element = [&](Value number) {
    Value pixel = kb.add(first, kb.div(number, perGroup)), channel = kb.rem(number, perGroup);
    Value row = kb.add(kb.mul(kb.div(pixel, width), x.strides[1]), kb.mul(kb.rem(pixel, width), x.strides[2]));
    return kb.load(x, kb.add(kb.add(base, row), kb.mul(channel, x.strides[3])));
  };
  auto total = [&](const std::function<Value(Value)> &term) {
    Value mine = kb.loop(kb.thread(), terms, blockThreads, ValueRange{w.c(0)}, [&](Value number, ValueRange carried) -> SmallVector<Value> { return {kb.fadd(carried[0], w.of(term(number)))}; })[0];
    return kb.sumThreads(mine, blockThreads);
  };
  // A run behind the last pixel has no element: its mean and deviations are zero and weigh nothing.
  Value count = arith::MaximumFOp::create(kb.b, kb.loc, w.count(terms), w.c(1));
  Value mean = kb.fdiv(total(element), count), pivot = w.narrow(mean);
  Value deviations = total([&](Value number) {
    Value d = kb.fsub(element(number), pivot);
    return kb.fmul(d, d);
  });
  // Deviations were taken from the rounded mean.
  Value off = kb.fsub(mean, w.of(pivot));
  deviations = arith::MaximumFOp::create(kb.b, kb.loc, kb.fsub(deviations, kb.fmul(w.count(terms), kb.fmul(off, off))), w.c(0));
  kb.ifThen(arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, kb.thread(), kb.i(0)), [&] {
    Value to = kb.add(kb.add(kb.mul(place[0], result.strides[0]), kb.mul(place[1], result.strides[1])), kb.add(kb.mul(place[2], result.strides[2]), result.offset));
    kb.store(result, to, w.narrow(mean));
    kb.store(result, kb.add(to, result.strides[3]), w.narrow(deviations));
  });
  return Launch{x.shape()[0] * chunks * groups, blockThreads, 0};
}

// A block combines the statistics of all groups of its image once, in shared memory, then applies them to its elements.
FailureOr<Launch> emitGroupApply(KernelBuilder &kb, kernel::NormalizeOp op) {
  const Operand &x = kb.operand(op.getX()), &stats = kb.operand(op.getStats()), &weight = kb.operand(op.getWeight()), &bias = kb.operand(op.getBias()), &result = kb.operand(op.getResult());
  const int64_t channels = x.shape()[3], pixels = x.shape()[1] * x.shape()[2], chunks = stats.shape()[1], groups = stats.shape()[2], perGroup = channels / groups, run = ceilDiv(pixels, chunks);
  const int64_t rows = result.shape()[1], columns = result.shape()[2], elements = rows * columns * channels;
  const int64_t perBlock = elementsOfBlock, blocks = ceilDiv(elements, perBlock);
  Wide w{kb};
  // A mean is kept as its f32 value and what that rounding left.
  Value means = kb.shared(groups * 4), rests = kb.shared(groups * 4), scales = kb.shared(groups * 4);
  SmallVector<Value> place = kb.delinearize(kb.block(), {x.shape()[0], blocks});
  kb.loop(kb.thread(), kb.i(groups), blockThreads, [&](Value group) {
    Value from = kb.add(kb.add(kb.mul(place[0], stats.strides[0]), kb.mul(group, stats.strides[2])), stats.offset);
    SmallVector<Value> all = kb.loop(kb.i(0), kb.i(chunks), 1, ValueRange{w.c(0), w.c(0), w.c(0)}, [&](Value chunk, ValueRange carried) -> SmallVector<Value> {
      Value at = kb.add(from, kb.mul(chunk, stats.strides[1]));
      Value size = kb.max(kb.i(0), kb.min(kb.i(run), kb.sub(kb.i(pixels), kb.mul(chunk, run))));
      Value count = w.count(kb.mul(size, perGroup)), both = kb.fadd(carried[0], count);
      Value share = kb.fdiv(count, arith::MaximumFOp::create(kb.b, kb.loc, both, w.c(1)));
      Value delta = kb.fsub(w.of(kb.load(stats, at)), carried[1]);
      Value mean = kb.fadd(carried[1], kb.fmul(delta, share));
      Value deviations = kb.fadd(kb.fadd(carried[2], w.of(kb.load(stats, kb.add(at, stats.strides[3])))), kb.fmul(kb.fmul(delta, delta), kb.fmul(carried[0], share)));
      return {both, mean, deviations};
    });
    Value variance = kb.fadd(kb.fdiv(all[2], all[0]), w.c(op.getEps().convertToDouble()));
    Value rounded = w.narrow(all[1]);
    kb.storeRaw(rounded, means, group);
    kb.storeRaw(w.narrow(kb.fsub(all[1], w.of(rounded))), rests, group);
    kb.storeRaw(w.narrow(kb.fdiv(w.c(1), buildSqrt(kb, variance))), scales, group);
  });
  kb.barrier();
  ArrayRef<int64_t> pad = op.getPad(); // top, bottom, left, right
  LogicalResult status = success();
  Value first = kb.mul(place[1], perBlock), end = kb.min(kb.add(first, perBlock), kb.i(elements));
  kb.loop(kb.add(first, kb.thread()), end, blockThreads, [&](Value number) {
    SmallVector<Value> at = kb.delinearize(number, {rows, columns, channels});
    Value row = kb.sub(at[0], kb.i(pad[0])), column = kb.sub(at[1], kb.i(pad[2]));
    auto inside = [&]() -> SmallVector<Value> {
      Value from = kb.add(kb.add(kb.mul(place[0], x.strides[0]), kb.mul(row, x.strides[1])), kb.add(kb.add(kb.mul(column, x.strides[2]), kb.mul(at[2], x.strides[3])), x.offset));
      Value group = kb.div(at[2], perGroup);
      Value factor = kb.fmul(kb.loadRaw(scales, group, kb.f32()), kb.load(weight, kb.add(at[2], weight.offset)));
      Value deviation = kb.fsub(kb.fsub(kb.load(x, from), kb.loadRaw(means, group, kb.f32())), kb.loadRaw(rests, group, kb.f32()));
      Value value = kb.fma(deviation, factor, kb.load(bias, kb.add(at[2], bias.offset)));
      FailureOr<SmallVector<Value>> y = inlineRegion(kb, op.getEpilogue(), {value});
      if (failed(y)) {
        status = failure();
        return {kb.f(0)};
      }
      return {kb.widen((*y)[0])};
    };
    Value value;
    if (llvm::all_of(pad, [](int64_t border) { return border == 0; })) {
      value = inside()[0];
    } else {
      auto within = [&](Value index, int64_t extent) { return arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::ult, index, kb.i(extent)).getResult(); };
      Value in = arith::AndIOp::create(kb.b, kb.loc, within(row, x.shape()[1]), within(column, x.shape()[2]));
      value = kb.select(in, inside, [&]() -> SmallVector<Value> { return {kb.f(0)}; })[0];
    }
    Value to = kb.add(kb.mul(place[0], result.strides[0]), result.offset);
    for (int dim = 0; dim < 3; ++dim)
      to = kb.add(to, kb.mul(at[dim], result.strides[dim + 1]));
    kb.store(result, to, value);
  });
  if (failed(status))
    return failure();
  return Launch{x.shape()[0] * blocks, blockThreads, 0};
}

} // namespace hb::gpu
