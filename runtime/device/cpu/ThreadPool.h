// Threads that run the tasks of one kernel at a time.
#pragma once

#include "runtime/abi/kernel.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace hb {

/// A pool with a static split: thread t of n runs tasks [t·grid/n, (t+1)·grid/n). Tasks write disjoint memory and do not depend
/// on the thread, so results have the same bits for any number of threads. The caller is thread 0; nothing is allocated per run.
class ThreadPool {
public:
  /// `threads` ≥ 1; `scratchBytes` is the largest private memory any kernel asks for. HB0903 when the system gives fewer threads.
  ThreadPool(int threads, uint64_t scratchBytes);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  /// Grows every thread's private memory; not while a kernel runs.
  void reserveScratch(uint64_t bytes);
  /// Runs all tasks and returns when the last has finished.
  void run(hb_kernel_fn kernel, void *const *buffers, int64_t grid);

private:
  struct Free {
    void operator()(void *p) const;
  };
  void stop();
  void worker(int index);
  void share(int index);
  /// A thread's scratch holds nothing of the launch that begins (HB_SCRATCH_TAG_BYTES).
  void clearTag(int index);

  std::vector<std::thread> workers_;
  std::vector<std::unique_ptr<void, Free>> scratch_;
  uint64_t scratchBytes_ = 0;

  // The job, published by a release store of epoch_.
  hb_kernel_fn kernel_ = nullptr;
  void *const *buffers_ = nullptr;
  int64_t grid_ = 0;
  bool stop_ = false;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<int> pending_{0};
};

/// Processors this process may use (its affinity mask), at least 1.
int availableProcessors();

} // namespace hb
