#include "runtime/base/Error.h"
#include "runtime/device/cpu/ThreadPool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

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

/// Notes in the tag how many tasks of this launch the thread has run before.
void countInTag(void *const *buffers, void *scratch, int64_t task) {
  auto *tag = static_cast<int64_t *>(scratch);
  static_cast<int64_t *>(buffers[0])[task] = tag[HB_SCRATCH_TAG_BYTES / 8 - 1];
  for (int i = 0; i < HB_SCRATCH_TAG_BYTES / 8; ++i)
    ++tag[i];
}

TEST(ThreadPool, ScratchLastsForOneLaunch) {
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads, 1000);
    for (int64_t grid : {1, 7, 2}) {
      std::vector<int64_t> before(grid), expected;
      void *buffers[] = {before.data()};
      pool.run(countInTag, buffers, grid);
      for (int64_t thread = 0; thread < threads; ++thread)
        for (int64_t task = grid * thread / threads; task < grid * (thread + 1) / threads; ++task)
          expected.push_back(task - grid * thread / threads);
      if (grid == 1)
        expected = {0};
      EXPECT_EQ(before, expected) << threads << " threads, grid " << grid;
    }
  }
}

// A sanitizer's own tables need more addresses than this limit leaves, and it ends the process itself: built without one only.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
/// In a child process: stacks for 10,000 threads do not fit into 4 GB of addresses.
[[noreturn]] void tooManyThreads() {
  struct rlimit limit {
    uint64_t(4) << 30, uint64_t(4) << 30
  };
  ::setrlimit(RLIMIT_AS, &limit);
  try {
    ThreadPool pool(10000, 64);
  } catch (const Error &error) {
    ::_exit(error.number() == 903 ? 0 : 1);
  }
  ::_exit(2);
}

TEST(ThreadPool, ThreadsThatCannotBeHadAreAnError) { EXPECT_EXIT(tooManyThreads(), testing::ExitedWithCode(0), ""); }
#endif

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
