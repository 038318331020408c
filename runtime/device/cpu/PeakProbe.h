// How fast one thread can multiply and add on this machine right now.
#pragma once

namespace hb {

struct PeakRates {
  double avx2 = 0, avx512 = 0; ///< GFLOP/s of float32 fused multiply-adds, 0 where the processor lacks the instructions
  double best() const { return avx2 > avx512 ? avx2 : avx512; }
};

/// Register-only FMA chains for about `seconds` per instruction set, best slice. Shares reported by `hb-rt bench` are of this.
PeakRates probePeak(double seconds);

} // namespace hb
