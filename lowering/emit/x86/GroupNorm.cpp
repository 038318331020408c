// kernel.group_stats and kernel.normalize group: statistics of runs of pixels, combined exactly, then applied with the epilogue.
//
// Everything that decides the result's accuracy (means, sums of squared deviations, their combination) is f64; elements are read as f32 vectors.
// Combination of partial statistics: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
#include "lowering/emit/x86/GroupNorm.h"

#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/NormRows.h"
#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {
namespace {

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

Value f64(KernelBuilder &kb, double value) { return arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(value)); }
Value count(KernelBuilder &kb, Value integer) { return arith::SIToFPOp::create(kb.b, kb.loc, kb.b.getF64Type(), integer); }
Value loadF64(KernelBuilder &kb, Value base, Value at) { return kb.loadRaw(base, at, kb.b.getF64Type(), 1); }

class GroupStats {
public:
  GroupStats(KernelBuilder &kb, kernel::GroupStatsOp op) : kb(kb), x(kb.operand(op.getX())), result(kb.operand(op.getResult())), scratch{kb} {
    batch = x.shape()[0];
    pixels = x.shape()[1] * x.shape()[2];
    channels = x.shape()[3];
    groups = op.getGroups();
    perGroup = channels / groups;
    chunks = op.getChunks();
    run = ceilDiv(pixels, chunks);
    // A block is read twice: it should stay in the second-level cache.
    block = std::clamp<int64_t>(65536 / channels, 8, 128);
  }

  Launch emit() {
    sums = scratch.piece(channels * 4);
    squares = scratch.piece(channels * 4);
    pivots = scratch.piece(channels * 4);
    totals = scratch.piece(groups * 2 * 8);
    SmallVector<Value> place = kb.delinearize(kb.task, {batch, chunks});
    Value first = kb.mul(place[1], run), end = kb.min(kb.add(first, run), kb.i(pixels));
    image = kb.add(kb.mul(place[0], x.strides[0]), x.offset);
    kb.loop(0, groups * 2, 1, [&](Value at) { kb.storeRaw(f64(kb, 0), totals, at); });
    kb.loop(first, end, block, [&](Value start) { addBlock(start, kb.min(kb.add(start, block), end), kb.sub(start, first)); });
    Value to = kb.add(kb.add(kb.mul(place[0], result.strides[0]), kb.mul(place[1], result.strides[1])), result.offset);
    kb.loop(0, groups, 1, [&](Value group) {
      for (int64_t which = 0; which < 2; ++which)
        kb.store(result, kb.add(kb.add(to, kb.mul(group, result.strides[2])), which * result.strides[3]), toF32(kb, loadF64(kb, totals, kb.add(kb.mul(group, 2), which))));
    });
    return {batch * chunks, scratch.bytes};
  }

private:
  Value pixelOffset(Value pixel) {
    const int64_t width = x.shape()[2];
    if (x.strides[1] == width * x.strides[2])
      return kb.add(image, kb.mul(pixel, x.strides[2]));
    return kb.add(image, kb.add(kb.mul(kb.div(pixel, width), x.strides[1]), kb.mul(kb.rem(pixel, width), x.strides[2])));
  }

  /// Sum of a group's part of a per-channel array.
  Value groupSum(Value array, Value group) {
    Value base = kb.mul(group, perGroup);
    return foldRow(kb, perGroup, 1, sumFold(kb), [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
      return {kb.fadd(running[0], kb.loadRaw(array, kb.add(base, at), kb.f32(), lanes))};
    })[0];
  }

  /// Mean and squared deviations of pixels [start, end), combined with those of the `before` pixels already in `totals`.
  void addBlock(Value start, Value end, Value before) {
    Value size = kb.sub(end, start);
    forPieces(kb, channels, 4, [&](Value base, ArrayRef<Piece> pieces) {
      SmallVector<Value> zero;
      for (const Piece &piece : pieces)
        zero.push_back(kb.splat(0, piece.lanes));
      SmallVector<Value> sum = kb.loop(start, end, 1, zero, [&](Value pixel, ValueRange carried) {
        Value at = kb.add(pixelOffset(pixel), kb.mul(base, x.strides[3]));
        SmallVector<Value> next;
        for (auto [piece, value] : llvm::zip(pieces, carried))
          next.push_back(kb.fadd(value, loadStrided(kb, x, kb.add(at, piece.offset * x.strides[3]), x.strides[3], piece.lanes)));
        return next;
      });
      for (auto [piece, value] : llvm::zip(pieces, sum))
        kb.storeRaw(value, sums, kb.add(base, piece.offset));
    });
    Value elements = count(kb, kb.mul(size, perGroup)), inverse = kb.fdiv(f64(kb, 1), elements);
    kb.loop(0, groups, 1, [&](Value group) {
      Value pivot = toF32(kb, kb.fmul(toF64(kb, groupSum(sums, group)), inverse));
      forLanes(kb, perGroup, [&](Value at, int lanes) { kb.storeRaw(kb.broadcast(pivot, lanes), pivots, kb.add(kb.mul(group, perGroup), at)); });
    });
    // Deviations from the rounded mean; their own mean corrects it.
    forPieces(kb, channels, 4, [&](Value base, ArrayRef<Piece> pieces) {
      SmallVector<Value> init, pivot;
      for (const Piece &piece : pieces) {
        init.append({kb.splat(0, piece.lanes), kb.splat(0, piece.lanes)});
        pivot.push_back(kb.loadRaw(pivots, kb.add(base, piece.offset), kb.f32(), piece.lanes));
      }
      SmallVector<Value> moments = kb.loop(start, end, 1, init, [&](Value pixel, ValueRange carried) {
        Value at = kb.add(pixelOffset(pixel), kb.mul(base, x.strides[3]));
        SmallVector<Value> next;
        for (auto [index, piece] : llvm::enumerate(pieces)) {
          Value d = kb.fsub(loadStrided(kb, x, kb.add(at, piece.offset * x.strides[3]), x.strides[3], piece.lanes), pivot[index]);
          next.append({kb.fadd(carried[2 * index], d), kb.fma(d, d, carried[2 * index + 1])});
        }
        return next;
      });
      for (auto [index, piece] : llvm::enumerate(pieces)) {
        kb.storeRaw(moments[2 * index], sums, kb.add(base, piece.offset));
        kb.storeRaw(moments[2 * index + 1], squares, kb.add(base, piece.offset));
      }
    });
    Value old = count(kb, kb.mul(before, perGroup)), all = kb.fadd(old, elements);
    Value weightNew = kb.fdiv(elements, all), weightBoth = kb.fmul(old, weightNew);
    kb.loop(0, groups, 1, [&](Value group) {
      Value pivot = toF64(kb, kb.loadRaw(pivots, kb.mul(group, perGroup), kb.f32(), 1));
      Value sum = toF64(kb, groupSum(sums, group)), square = toF64(kb, groupSum(squares, group));
      Value rest = kb.fmul(sum, inverse), mean = kb.fadd(pivot, rest), deviations = kb.fsub(square, kb.fmul(rest, sum));
      Value at = kb.mul(group, 2), oldMean = loadF64(kb, totals, at), delta = kb.fsub(mean, oldMean);
      Value newMean = kb.fadd(oldMean, kb.fmul(delta, weightNew));
      Value newDeviations = kb.fadd(kb.fadd(loadF64(kb, totals, kb.add(at, 1)), deviations), kb.fmul(kb.fmul(delta, delta), weightBoth));
      kb.storeRaw(newMean, totals, at);
      kb.storeRaw(newDeviations, totals, kb.add(at, 1));
    });
  }

  KernelBuilder &kb;
  const Operand &x, &result;
  Scratch scratch;
  int64_t batch, pixels, channels, groups, perGroup, chunks, run, block;
  Value sums, squares, pivots, totals, image;
};

class GroupApply {
public:
  GroupApply(KernelBuilder &kb, kernel::NormalizeOp op)
      : kb(kb), op(op), x(kb.operand(op.getX())), result(kb.operand(op.getResult())), channels(x.shape()[3]), scratch{kb},
        factors(kb, {op.getStats(), op.getWeight(), op.getBias(), op.getEps().convertToDouble()}, x.shape()[1] * x.shape()[2], channels, scratch) {}

  FailureOr<Launch> emit() {
    const int64_t rows = result.shape()[1], rowSize = result.shape()[2] * channels;
    const int64_t chunk = std::clamp<int64_t>(65536 / rowSize, 1, rows), blocks = ceilDiv(rows, chunk);
    SmallVector<Value> place = kb.delinearize(kb.task, {x.shape()[0], blocks});
    image = place[0];
    factors.combine(image);
    Value first = kb.mul(place[1], chunk);
    kb.loop(first, kb.min(kb.add(first, chunk), kb.i(rows)), 1, [&](Value row) { resultRow(row); });
    if (failed)
      return failure();
    return Launch{x.shape()[0] * blocks, scratch.bytes};
  }

private:
  void zeroPixels(Value from, int64_t pixelCount) {
    kb.loop(0, pixelCount, 1, [&](Value pixel) {
      Value to = kb.add(from, kb.mul(pixel, result.strides[2]));
      forLanes(kb, channels, [&](Value at, int lanes) { storeStrided(kb, result, kb.add(to, kb.mul(at, result.strides[3])), result.strides[3], kb.splat(0, lanes), lanes); }, 4);
    });
  }

  void resultRow(Value row) {
    ArrayRef<int64_t> pad = op.getPad(); // top, bottom, left, right
    const int64_t height = x.shape()[1], width = x.shape()[2];
    Value to = kb.add(kb.add(kb.mul(image, result.strides[0]), kb.mul(row, result.strides[1])), result.offset);
    auto inside = [&] {
      Value source = kb.sub(row, kb.i(pad[0]));
      Value from = kb.add(kb.add(kb.mul(image, x.strides[0]), kb.mul(source, x.strides[1])), x.offset);
      zeroPixels(to, pad[2]);
      kb.loop(0, width, 1, [&](Value pixel) { onePixel(kb.add(from, kb.mul(pixel, x.strides[2])), kb.add(to, kb.mul(kb.add(pixel, pad[2]), result.strides[2]))); });
      zeroPixels(kb.add(to, (pad[2] + width) * result.strides[2]), pad[3]);
    };
    if (pad[0] == 0 && pad[1] == 0)
      return inside();
    Value in = arith::AndIOp::create(kb.b, kb.loc, kb.less(kb.i(pad[0] - 1), row), kb.less(row, kb.i(pad[0] + height)));
    kb.ifThen(in, inside, [&] { zeroPixels(to, result.shape()[2]); });
  }

  void onePixel(Value from, Value to) {
    forLanes(kb, channels, [&](Value at, int lanes) {
      Value v = loadStrided(kb, x, kb.add(from, kb.mul(at, x.strides[3])), x.strides[3], lanes);
      FailureOr<SmallVector<Value>> values = inlineRegion(kb, op.getEpilogue(), {factors.apply(v, at, lanes)});
      if (mlir::failed(values)) {
        failed = true;
        return;
      }
      storeStrided(kb, result, kb.add(to, kb.mul(at, result.strides[3])), result.strides[3], kb.broadcast((*values)[0], lanes), lanes);
    }, regionCost(op.getEpilogue()) <= 30 ? 2 : 1);
  }

  KernelBuilder &kb;
  kernel::NormalizeOp op;
  const Operand &x, &result;
  int64_t channels;
  Scratch scratch;
  GroupFactors factors;
  Value image;
  bool failed = false;
};

} // namespace

FailureOr<Launch> emitGroupStats(KernelBuilder &kb, Operation *op) { return GroupStats(kb, cast<kernel::GroupStatsOp>(op)).emit(); }

FailureOr<Launch> emitGroupApply(KernelBuilder &kb, kernel::NormalizeOp op) { return GroupApply(kb, op).emit(); }

} // namespace hb::x86
