#include "runtime/base/Memory.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <sys/resource.h>
#include <unistd.h>

namespace hb {
namespace {

using test::expectError;

TEST(Memory, FieldsOfTheKernelsFiles) {
  std::string_view text = "MemTotal:       1000 kB\nMemAvailable:     20 kB\nfile 4096\ninactive_file 12\nMax: none\n";
  EXPECT_EQ(memoryField(text, "MemAvailable"), 20u * 1024);
  EXPECT_EQ(memoryField(text, "file"), 4096u) << "not the end of inactive_file";
  EXPECT_EQ(memoryField(text, "inactive_file"), 12u);
  EXPECT_EQ(memoryField(text, "Mem"), std::nullopt);
  EXPECT_EQ(memoryField(text, "Max"), std::nullopt);
  EXPECT_EQ(memoryField(text, "SwapFree"), std::nullopt);
}

TEST(Memory, WhatNoMachineHasIsRefusedWithBothNumbers) {
  uint64_t available = availableMemory().bytes;
  EXPECT_GT(available, uint64_t(64) << 20);
  requireMemory(uint64_t(64) << 20, "here", "a test");
  expectError(903, [] { requireMemory(uint64_t(1) << 60, "m.hbm: f", "the plan's arena"); }, {"m.hbm: f", "1152921504606846976 bytes", "the plan's arena", "available"});
}

// A sanitizer's shadow is larger than any limit that would say something.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
[[noreturn]] void askUnderALimit() {
  struct rlimit limit {
    uint64_t(1) << 30, uint64_t(1) << 30
  };
  ::setrlimit(RLIMIT_AS, &limit);
  MemoryLimit left = availableMemory();
  ::_exit(left.bytes < limit.rlim_cur && left.source.find("ulimit -v") != std::string::npos ? 0 : 1);
}

TEST(Memory, TheLimitOfTheProcessCounts) { EXPECT_EXIT(askUnderALimit(), testing::ExitedWithCode(0), ""); }
#endif

} // namespace
} // namespace hb
