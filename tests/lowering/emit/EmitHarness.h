// Builds one kernel.def from text, links and loads it, runs all its tasks: for the emitter's tests and the kernel benchmark.
#pragma once

#include "lowering/emit/x86/Target.h"
#include "tests/lowering/emit/SimulatedKernel.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hb::test {

/// 64-byte aligned memory with 64 readable bytes after its end, as the runtime gives kernels.
template <typename T> struct Buffer {
  explicit Buffer(size_t count) : count(count), data(static_cast<T *>(std::aligned_alloc(64, (count * sizeof(T) + 127) / 64 * 64)), &std::free) {
    for (size_t i = 0; i < count; ++i)
      data.get()[i] = T{};
  }
  T &operator[](size_t i) { return data.get()[i]; }
  T operator[](size_t i) const { return data.get()[i]; }
  size_t count;
  std::unique_ptr<T, void (*)(void *)> data;
};

/// A loaded kernel. Empty function when compiling failed; `error` then says why.
struct Kernel {
  using Function = void (*)(void *const *, void *, int64_t);
  Function function = nullptr;
  int64_t grid = 0, scratchBytes = 0;
  size_t objectBytes = 0;
  double compileSeconds = 0;
  std::string error;
  std::vector<char> object; ///< the linked shared object
  std::shared_ptr<void> library;
  std::shared_ptr<void> scratch;
  std::shared_ptr<SimulatedKernel> simulated; ///< for CUDA, instead of a function

  /// All tasks, in order, on this thread.
  void run(const std::vector<void *> &buffers) const;
};

/// What a kernel is compiled for: a CPU level, or CUDA in the simulator.
struct TestTarget {
  std::string cpu; ///< for messages
  std::optional<x86::X86Target> x86;
};

Kernel compileKernel(const std::string &text, const x86::X86Target &target);
Kernel compileKernel(const std::string &text, const TestTarget &target);

/// The instruction levels that this machine can run.
std::vector<TestTarget> runnableTargets();
/// Those, and CUDA.
std::vector<TestTarget> allTargets();

/// Repeatable uniform values in [-1, 1].
void fillRandom(float *to, size_t count, uint32_t seed);
uint16_t toHalf(float value);
float fromHalf(uint16_t value);
uint16_t toBrain(float value);
float fromBrain(uint16_t value);

enum class Storage { F32, F16, BF16 };
const char *typeName(Storage storage);
/// Rounds to what the storage holds.
float rounded(float value, Storage storage);

/// panel16 of a row-major [n, k] matrix, as bytes of the storage type; the matrix is rounded in place first.
/// `gated`: n = 2·half, panels of the two halves in turn.
Buffer<char> packPanels(std::vector<float> &matrix, int64_t n, int64_t k, Storage storage, bool gated = false);

/// Whether nn.dropout keeps element `index`, from its definition.
bool dropoutKeeps(double probability, uint64_t seed, uint64_t step, uint64_t site, uint64_t index);

/// ‖got - want‖ / ‖want‖ in double precision; infinite when a value is not finite.
double relativeError(const float *got, const double *want, size_t count);

} // namespace hb::test
