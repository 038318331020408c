// Compiles one kernel.def from text for one CPU level and runs it: what the emitter's tests share.
#pragma once

#include "tests/lowering/emit/SimulatedKernel.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hb::test {

/// CPU levels the emitter has; tests run each that this machine can execute.
inline const char *const cpuLevels[] = {"x86-64-v3", "x86-64-v4"};
/// Those, and CUDA, which the simulator runs.
inline const char *const allLevels[] = {"x86-64-v3", "x86-64-v4", "cuda:sm_80"};
bool canRun(const std::string &cpu);

class CompiledKernel {
public:
  /// `text` is a module with one kernel.def.
  CompiledKernel(const std::string &text, const std::string &cpu);
  ~CompiledKernel();
  CompiledKernel(const CompiledKernel &) = delete;

  const std::string &error() const { return error_; } ///< empty when it compiled
  int64_t grid() const { return grid_; }
  int64_t scratchBytes() const { return scratchBytes_; }
  double compileSeconds() const { return seconds_; }

  /// Runs every task, last one first, each with scratch full of NaNs: tasks must not depend on order or on old scratch.
  void run(const std::vector<void *> &buffers);
  /// Runs every task in order with one scratch, as the runtime does; for timing.
  void runInOrder(const std::vector<void *> &buffers);

private:
  std::string error_;
  void *library_ = nullptr;
  void (*function_)(void *const *, void *, int64_t) = nullptr;
  int64_t grid_ = 0, scratchBytes_ = 0;
  double seconds_ = 0;
  char *scratch_ = nullptr;
  std::optional<SimulatedKernel> simulated_; ///< for CUDA
};

/// A buffer of elements with NaN (or 0x7f bytes) around it. Writes outside are found by `intact`; it starts at an odd multiple of `misalign`
/// elements from a 64-byte boundary.
template <typename T> class Buffer {
public:
  explicit Buffer(size_t count, size_t misalign = 0) : count_(count), start_(guard + misalign), storage_(count + 2 * guard + misalign) { fillGuards(); }
  explicit Buffer(const std::vector<T> &values, size_t misalign = 0) : Buffer(values.size(), misalign) { std::copy(values.begin(), values.end(), data()); }

  T *data() { return storage_.data() + start_; }
  const T *data() const { return storage_.data() + start_; }
  size_t size() const { return count_; }
  T &operator[](size_t i) { return data()[i]; }
  const T &operator[](size_t i) const { return data()[i]; }
  operator void *() { return data(); }
  bool intact() const {
    Buffer fresh(count_, start_ - guard);
    auto same = [&](size_t from, size_t to) { return __builtin_memcmp(&storage_[from], &fresh.storage_[from], (to - from) * sizeof(T)) == 0; };
    return same(0, start_) && same(start_ + count_, storage_.size());
  }

private:
  static constexpr size_t guard = 64;
  void fillGuards() { __builtin_memset(storage_.data(), 0x7f, storage_.size() * sizeof(T)); }
  size_t count_, start_;
  std::vector<T> storage_;
};

/// Independent N(mean, deviation) values, the same for every run.
std::vector<float> normals(size_t count, unsigned seed, double mean = 0, double deviation = 1);
/// Relative L2 distance of `values` from `expected`.
double distance(const float *values, const std::vector<double> &expected);

uint16_t toHalf(float value);
uint16_t toBfloat(float value);
float fromHalf(uint16_t bits);
float fromBfloat(uint16_t bits);

} // namespace hb::test
