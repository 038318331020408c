#include "lowering/emit/x86/NormRows.h"

#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/FloatMath.h"

using namespace mlir;

namespace hb::x86 {
namespace {

Value f64(KernelBuilder &kb, double value) { return arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(value)); }
Value f64Like(KernelBuilder &kb, double value, int lanes) { return kb.broadcast(f64(kb, value), lanes); }
Value count(KernelBuilder &kb, Value integer) { return arith::SIToFPOp::create(kb.b, kb.loc, kb.b.getF64Type(), integer); }
Value loadF64(KernelBuilder &kb, Value base, Value at) { return kb.loadRaw(base, at, kb.b.getF64Type(), 1); }

/// Elements of a vector operand of the norm.
Value loadWeight(KernelBuilder &kb, Value tensor, Value at, int lanes) {
  const Operand &operand = kb.operand(tensor);
  return loadStrided(kb, operand, kb.add(kb.mul(at, operand.strides.back()), operand.offset), operand.strides.back(), lanes);
}

} // namespace

/// Two passes, the second of which also measures what the rounded mean missed: exact whatever the ratio of mean and deviation.
void emitLayerRow(KernelBuilder &kb, const NormOperands &norm, int64_t count, int64_t unroll, const LoadElements &load, const PutElements &put) {
  Value sum = sumRow(kb, count, 1, [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> { return {kb.fadd(running[0], load(at, lanes))}; })[0];
  Value mean = toF32(kb, kb.fmul(sum, f64(kb, 1.0 / count)));
  SmallVector<Value> moments = sumRow(
      kb, count, 2,
      [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
        Value d = kb.fsub(load(at, lanes), kb.broadcast(mean, lanes));
        return {kb.fadd(running[0], d), kb.fma(d, d, running[1])};
      },
      4);
  Value rest = kb.fmul(moments[0], f64(kb, 1.0 / count));
  Value variance = kb.fsub(kb.fmul(moments[1], f64(kb, 1.0 / count)), kb.fmul(rest, rest));
  variance = arith::MaximumFOp::create(kb.b, kb.loc, variance, f64(kb, 0));
  Value inverse = kb.fdiv(f64(kb, 1), buildSqrt(kb, kb.fadd(variance, f64(kb, norm.eps))));
  // (x − mean − rest)·inverse as one FMA after the difference
  Value scale = toF32(kb, inverse), shift = toF32(kb, arith::NegFOp::create(kb.b, kb.loc, kb.fmul(rest, inverse)));
  forLanes(
      kb, count,
      [&](Value at, int lanes) {
        Value y = kb.fma(kb.fsub(load(at, lanes), kb.broadcast(mean, lanes)), kb.broadcast(scale, lanes), kb.broadcast(shift, lanes));
        if (norm.weight)
          y = kb.fma(y, loadWeight(kb, norm.weight, at, lanes), loadWeight(kb, norm.bias, at, lanes));
        put(y, at, lanes);
      },
      unroll);
}

GroupFactors::GroupFactors(KernelBuilder &kb, const NormOperands &norm, int64_t pixels, int64_t channels, Scratch &scratch)
    : kb(kb), norm(norm), stats(kb.operand(norm.stats)), pixels(pixels), channels(channels), groups(stats.shape()[2]), perGroup(channels / groups),
      chunks(stats.shape()[1]), means(scratch.piece(channels * 4)), scales(scratch.piece(channels * 4)), shifts(scratch.piece(channels * 4)),
      groupMeans(scratch.piece(groups * 8)), groupScales(scratch.piece(groups * 8)) {}

int64_t GroupFactors::scratchBytes(int64_t channels, int64_t groups) { return 3 * ((channels * 4 + 63) / 64 * 64) + 2 * ((groups * 8 + 63) / 64 * 64); }

void GroupFactors::combine(Value image) {
  const int64_t run = (pixels + chunks - 1) / chunks;
  Value base = kb.add(kb.mul(image, stats.strides[0]), stats.offset);
  auto pair = [&](Value chunk, Value group, int lanes) {
    Value at = kb.add(kb.add(base, kb.mul(chunk, stats.strides[1])), kb.mul(group, stats.strides[2]));
    if (lanes == 1 || stats.strides[3] != 1 || stats.strides[2] != 2)
      return std::pair(toF64(kb, loadStrided(kb, stats, at, stats.strides[2], lanes)), toF64(kb, loadStrided(kb, stats, kb.add(at, stats.strides[3]), stats.strides[2], lanes)));
    Value both = kb.load(stats, at, 2 * lanes);
    SmallVector<int64_t> even, odd;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      even.push_back(2 * lane);
      odd.push_back(2 * lane + 1);
    }
    return std::pair(toF64(kb, vector::ShuffleOp::create(kb.b, kb.loc, both, both, even)), toF64(kb, vector::ShuffleOp::create(kb.b, kb.loc, both, both, odd)));
  };
  auto weight = [&](Value chunk, int lanes) {
    Value size = kb.max(kb.i(0), kb.min(kb.i(run), kb.sub(kb.i(pixels), kb.mul(chunk, run))));
    return kb.broadcast(count(kb, kb.mul(size, perGroup)), lanes);
  };
  const double elements = double(pixels) * perGroup;
  forLanes(kb, groups, [&](Value group, int lanes) {
    Value zero = f64Like(kb, 0, lanes), inverse = f64Like(kb, 1 / elements, lanes);
    Value sum = kb.loop(kb.i(0), kb.i(chunks), 1, ValueRange{zero}, [&](Value chunk, ValueRange carried) -> SmallVector<Value> {
      return {kb.fadd(carried[0], kb.fmul(weight(chunk, lanes), pair(chunk, group, lanes).first))};
    })[0];
    Value mean = kb.fmul(sum, inverse);
    Value deviations = kb.loop(kb.i(0), kb.i(chunks), 1, ValueRange{zero}, [&](Value chunk, ValueRange carried) -> SmallVector<Value> {
      auto [partMean, partDeviations] = pair(chunk, group, lanes);
      Value delta = kb.fsub(partMean, mean);
      return {kb.fadd(carried[0], kb.fadd(partDeviations, kb.fmul(weight(chunk, lanes), kb.fmul(delta, delta))))};
    })[0];
    Value variance = kb.fadd(kb.fmul(deviations, inverse), f64Like(kb, norm.eps, lanes));
    kb.storeRaw(mean, groupMeans, group);
    kb.storeRaw(kb.fdiv(f64Like(kb, 1, lanes), buildSqrt(kb, variance)), groupScales, group);
  });
  kb.loop(0, groups, 1, [&](Value group) {
    Value mean = loadF64(kb, groupMeans, group), scale = loadF64(kb, groupScales, group);
    Value rounded = toF32(kb, mean), rest = kb.fsub(mean, toF64(kb, rounded));
    forLanes(kb, perGroup, [&](Value at, int lanes) {
      Value channel = kb.add(kb.mul(group, perGroup), at), factor = kb.broadcast(scale, lanes), offset = f64Like(kb, 0, lanes);
      if (norm.weight) {
        const Operand &weight = kb.operand(norm.weight), &bias = kb.operand(norm.bias);
        factor = kb.fmul(factor, toF64(kb, loadStrided(kb, weight, kb.add(kb.mul(channel, weight.strides[0]), weight.offset), weight.strides[0], lanes)));
        offset = toF64(kb, loadStrided(kb, bias, kb.add(kb.mul(channel, bias.strides[0]), bias.offset), bias.strides[0], lanes));
      }
      // y = (x − mean)·factor + offset, with what the rounding of the mean left over moved into the offset.
      offset = kb.fsub(offset, kb.fmul(kb.broadcast(rest, lanes), factor));
      kb.storeRaw(kb.broadcast(rounded, lanes), means, channel);
      kb.storeRaw(toF32(kb, factor), scales, channel);
      kb.storeRaw(toF32(kb, offset), shifts, channel);
    });
  });
}

Value GroupFactors::apply(Value elements, Value at, int lanes) {
  auto factor = [&](Value array) { return kb.loadRaw(array, at, kb.f32(), lanes); };
  return kb.fma(kb.fsub(elements, factor(means)), factor(scales), factor(shifts));
}

} // namespace hb::x86
