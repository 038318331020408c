// Random numbers with the bits of torch's generators: "same seed, same image".
//
// torch's CPU generator is a 32-bit Mersenne twister (public: Matsumoto and Nishimura 1998) with Box–Muller normals; its CUDA generator is
// Philox4x32-10 (public: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). What is particular to torch is the order in
// which numbers are drawn and the arithmetic of log, sine and cosine; both are described where they are implemented.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace hb {

/// Which of torch's two CPU kernels makes the normals of 16 and more elements. They draw the same uniforms and differ in the last bits.
enum class NormalKernel {
  Vector,  ///< polynomials of torch's AVX2 and AVX-512 builds; what torch does on every x86-64 PC of the last ten years
  VectorPortable, ///< the bits of Vector without its instructions: what Vector does on machines without AVX2 and FMA
  Generic, ///< the C library's logf, sinf, cosf; what torch does elsewhere
};

/// torch.Generator("cpu"). Only the low 32 bits of a seed count. Not thread-safe.
class CpuGenerator {
public:
  explicit CpuGenerator(uint64_t seed) { manualSeed(seed); }
  /// Starts the stream anew, and forgets the second half of a pair of normals that is still waiting.
  void manualSeed(uint64_t seed);

  uint32_t next32() { return uint32_t(engine_()); }
  /// Two draws, the first in the high half.
  uint64_t next64();

  /// torch.randn for float32: standard normal values, in place. Fewer than 16 elements take another path than 16 and more, so a tensor must
  /// be drawn by one call.
  void normal(std::span<float> out, NormalKernel kernel = NormalKernel::Vector);
  /// torch.randn for float64.
  void normal(std::span<double> out);
  /// Tensor.uniform_(low, high) for float32.
  void uniform(std::span<float> out, float low = 0.0f, float high = 1.0f);
  /// torch.nn.init.kaiming_uniform_ with a = √5, as nn.Linear and PEFT's LoRA A matrices use it: uniform in ±1/√fanIn. fanIn ≥ 1.
  void kaimingUniform(std::span<float> out, int64_t fanIn);
  /// torch.randint(low, high) for ranges below 2^32: low ≤ value < high.
  void integers(std::span<int64_t> out, int64_t low, int64_t high);
  /// torch.randperm(n): 0 … n−1 in random order.
  std::vector<int64_t> permutation(int64_t n);

private:
  double uniform53() { return double(next64() & ((uint64_t(1) << 53) - 1)) * 0x1p-53; }
  float uniform24() { return float(next32() & 0xFFFFFF) * 0x1p-24f; }
  double oneNormal();

  std::mt19937 engine_;
  std::optional<double> waiting_; ///< the sine half of the last pair of normals
};

/// torch.Generator("cuda"): Philox with one subsequence per GPU thread.
class CudaGenerator {
public:
  /// threads: threads of the launch, a multiple of 256, on the GPU that is imitated: multiprocessors · ⌊threads per multiprocessor/256⌋ · 256.
  /// Tensors with no more elements than this are equal on all such GPUs; the default is an H100 SXM (132 · 2048).
  explicit CudaGenerator(uint64_t seed, int64_t threads = 270336) : seed_(seed), threads_(threads) {}

  /// torch.randn on the GPU. The uniforms have torch's bits; GPUs take sine and cosine from a table in hardware, so the normals agree to
  /// about 1e-6 rather than to the bit.
  void normal(std::span<float> out);

private:
  uint64_t seed_;
  int64_t threads_;
  uint64_t offset_ = 0; ///< counts normals per thread, grows with every call
};

/// One block of Philox4x32-10: 128 random bits of (seed, counter), counter words in ascending order.
struct PhiloxBlock {
  uint32_t word[4];
};
PhiloxBlock philox(uint64_t seed, uint64_t offset, uint64_t subsequence);

} // namespace hb
