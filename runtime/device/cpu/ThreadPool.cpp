#include "runtime/device/cpu/ThreadPool.h"

#include "runtime/base/Error.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <string>
#include <system_error>

namespace hb {
namespace {

/// How long a thread polls before it sleeps: kernels follow each other within microseconds, and waking a sleeper costs about
/// twenty. Polling longer would burn a core that a single-threaded part of the program (or another process) could use.
constexpr auto kSpin = std::chrono::microseconds(200);

template <typename Ready>
bool spinUntil(Ready ready) {
  auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready())
        return true;
      __builtin_ia32_pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

} // namespace

void ThreadPool::Free::operator()(void *p) const { std::free(p); }

ThreadPool::ThreadPool(int threads, uint64_t scratchBytes) : scratch_(threads) {
  reserveScratch(scratchBytes);
  try {
    for (int i = 1; i < threads; ++i)
      workers_.emplace_back([this, i] { worker(i); });
  } catch (const std::system_error &failure) { // no memory for its stack, or too many threads
    stop();
    throw Error(903, "threads", std::to_string(threads) + " threads", std::to_string(workers_.size() + 1) + ": " + failure.what(), "use fewer: --threads");
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread &worker : workers_)
    worker.join();
}

void ThreadPool::reserveScratch(uint64_t bytes) {
  if (bytes <= scratchBytes_)
    return;
  scratchBytes_ = (std::max<uint64_t>(bytes, HB_SCRATCH_TAG_BYTES) + 63) / 64 * 64;
  for (auto &scratch : scratch_) {
    scratch.reset(std::aligned_alloc(64, scratchBytes_));
    if (!scratch)
      throw Error(903, "memory", std::to_string(scratchBytes_) + " bytes of scratch", "none left", "use fewer threads");
  }
}

void ThreadPool::clearTag(int index) {
  if (void *scratch = scratch_[index].get())
    std::memset(scratch, 0, HB_SCRATCH_TAG_BYTES);
}

void ThreadPool::share(int index) {
  int64_t n = threads();
  int64_t begin = grid_ * index / n, end = grid_ * (index + 1) / n;
  if (begin < end)
    clearTag(index);
  for (int64_t task = begin; task < end; ++task)
    kernel_(buffers_, scratch_[index].get(), task);
}

void ThreadPool::worker(int index) {
  uint32_t seen = 0;
  for (;;) {
    auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spinUntil(changed))
      while (!changed())
        epoch_.wait(seen, std::memory_order_acquire);
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_)
      return;
    share(index);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      pending_.notify_one();
  }
}

void ThreadPool::run(hb_kernel_fn kernel, void *const *buffers, int64_t grid) {
  kernel_ = kernel;
  buffers_ = buffers;
  grid_ = grid;
  if (workers_.empty() || grid < 2) {
    clearTag(0);
    for (int64_t task = 0; task < grid; ++task)
      kernel(buffers, scratch_[0].get(), task);
    return;
  }
  pending_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  share(0);
  auto finished = [&] { return pending_.load(std::memory_order_acquire) == 0; };
  if (!spinUntil(finished))
    while (!finished()) {
      int left = pending_.load(std::memory_order_acquire);
      if (left)
        pending_.wait(left, std::memory_order_acquire);
    }
}

int availableProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

} // namespace hb
