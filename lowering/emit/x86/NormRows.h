// What layer and group norm compute for a row, wherever they stand: in a kernel of their own or in a contraction's prologue.
#pragma once

#include "lowering/emit/x86/KernelBuilder.h"

namespace hb::x86 {

/// Carves arrays out of the task's scratch, from byte `bytes` on.
struct Scratch {
  KernelBuilder &kb;
  int64_t bytes = 0;
  Value piece(int64_t size) {
    Value result = kb.addressBytes(kb.scratch, bytes);
    bytes += (size + 63) / 64 * 64;
    return result;
  }
};

/// The norm's operands; weight and bias may be null.
struct NormOperands {
  Value stats, weight, bias;
  double eps = 0;
};

using LoadElements = std::function<Value(Value at, int lanes)>;             ///< elements at, at + 1, … of the row, as f32
using PutElements = std::function<void(Value value, Value at, int lanes)>; ///< takes the normalised ones

/// Normalises a row of `count` elements; `unroll` vectors per step of the last pass.
void emitLayerRow(KernelBuilder &kb, const NormOperands &norm, int64_t count, int64_t unroll, const LoadElements &load, const PutElements &put);

/// Group norm of one image: y = (x − mean)·scale + shift with one factor of each per channel, in scratch.
///
/// Means, squared deviations and their combination (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
/// variances", 1979) are f64; elements are f32.
class GroupFactors {
public:
  /// `pixels` of one image, cut into the chunks of the statistics; takes its arrays from `scratch`.
  GroupFactors(KernelBuilder &kb, const NormOperands &norm, int64_t pixels, int64_t channels, Scratch &scratch);
  static int64_t scratchBytes(int64_t channels, int64_t groups);

  /// Mean and 1/deviation of every group of `image` from the runs' statistics, then the factors of every channel.
  void combine(Value image);
  /// The normalised values of channels at, at + 1, …
  Value apply(Value elements, Value at, int lanes);

private:
  KernelBuilder &kb;
  const NormOperands norm;
  const Operand &stats;
  int64_t pixels, channels, groups, perGroup, chunks;
  Value means, scales, shifts, groupMeans, groupScales;
};

} // namespace hb::x86
