#include "runtime/device/cpu/ThreadPool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace hb {
namespace {

/// Adds one to the counter of each task; tasks must be run exactly once, whatever the number of threads.
void countTask(void *const *buffers, void *scratch, int64_t task) {
  static_cast<int *>(scratch)[0] = static_cast<int>(task); // private memory must exist
  static_cast<int *>(buffers[0])[task]++;
}

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads, 64);
    for (int64_t grid : {0, 1, 2, 5, 64, 1000}) {
      std::vector<int> counts(1000);
      void *buffers[] = {counts.data()};
      for (int repeat = 0; repeat < 50; ++repeat)
        pool.run(countTask, buffers, grid);
      for (int64_t i = 0; i < 1000; ++i)
        ASSERT_EQ(counts[i], i < grid ? 50 : 0) << threads << " threads, grid " << grid << ", task " << i;
    }
  }
}

TEST(ThreadPool, WakesSleepingWorkers) {
  ThreadPool pool(3, 64);
  std::vector<int> counts(10);
  void *buffers[] = {counts.data()};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3)); // longer than the workers poll
    pool.run(countTask, buffers, 10);
  }
  for (int count : counts)
    EXPECT_EQ(count, 5);
}

} // namespace
} // namespace hb
