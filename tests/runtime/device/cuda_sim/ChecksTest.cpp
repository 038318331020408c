// Each check is provoked by one change of a kernel that is right, and the right kernel has no finding.
#include "tests/runtime/device/cuda_sim/Kernel.h"

#include <gtest/gtest.h>

using namespace hb::ptx;
using namespace hb::ptx::test;

namespace {

// 64 threads reverse 64 words through shared memory: out[t] = in[63 - t], in a pipeline of cp.async in two groups.
const char *const kReverse = R"(
  .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .f32 %f<4>; .reg .pred %p<4>;
  .shared .align 16 .b8 tile[512];
  mov.u32 %r1, %tid.x;
  ld.param.b64 %rd1, [p0];
  ld.param.b64 %rd2, [p1];
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3;
  mov.b32 %r2, tile;
  shl.b32 %r3, %r1, 2;
  add.s32 %r4, %r2, %r3;
  cp.async.ca.shared.global [%r4], [%rd4], 4;
  cp.async.commit_group;
  cp.async.ca.shared.global [%r4+256], [%rd4], 4;
  cp.async.commit_group;
  cp.async.wait_group 1;
  bar.sync 0;
  sub.s32 %r5, 252, %r3;
  add.s32 %r6, %r2, %r5;
  ld.shared.b32 %r7, [%r6];
  cp.async.wait_group 0;
  bar.sync 1;
  ld.shared.b32 %r8, [%r6+256];
  bar.sync 2;
  add.s32 %r9, %r7, %r8;
  st.shared.b32 [%r4+256], %r9;
  bar.sync 3;
  ld.shared.b32 %r10, [%r4+256];
  add.s64 %rd5, %rd2, %rd3;
  st.global.b32 [%rd5], %r10;
)";

struct Reverse {
  std::vector<uint32_t> in = std::vector<uint32_t>(64), out = std::vector<uint32_t>(64);
  LaunchReport report;
  bool right = false;

  explicit Reverse(const std::string &body, CheckOptions options = {}, uint32_t grid = 1) {
    Simulator simulator;
    for (uint32_t i = 0; i < 64; ++i)
      in[i] = i * i + 1;
    simulator.allow(in.data(), 256, false);
    simulator.allow(out.data(), 256);
    hb::ptx::test::Run run;
    run.block = {64};
    run.grid = {grid};
    run.options = options;
    report = run(simulator, module(body), in.data(), out.data());
    right = true;
    for (uint32_t i = 0; i < 64; ++i)
      right &= out[i] == 2 * in[63 - i];
  }
};

TEST(CudaSimChecks, TheRightKernelHasNoFindings) {
  for (uint32_t seed : {0u, 1u, 2u, 3u, 4u, 5u}) {
    CheckOptions options;
    options.scheduleSeed = seed;
    Reverse run(kReverse, options);
    EXPECT_EQ(run.report.findingCount, 0u) << listed(run.report);
    EXPECT_TRUE(run.right) << "seed " << seed;
  }
}

struct Mutation { const char *name, *from, *to, *check; };

TEST(CudaSimChecks, EveryMutationIsFound) {
  const Mutation mutations[] = {
      {"no barrier behind the copies", "bar.sync 0;", "", "race"},
      {"a barrier of the warp only", "bar.sync 0;", "bar.warp.sync -1;", "race"},
      {"no barrier before the overwrite", "bar.sync 2;", "", "race"},
      {"a wait for one group too few", "wait_group 1;", "wait_group 2;", "missing-wait"},
      {"no wait for the last group", "cp.async.wait_group 0;", "", "missing-wait"},
      {"a group that nobody commits", "cp.async.ca.shared.global [%r4+256], [%rd4], 4;\n  cp.async.commit_group;", "cp.async.ca.shared.global [%r4+256], [%rd4], 4;", "missing-wait"},
      {"a word too far", "tile[512]", "tile[508]", "out-of-bounds"},
      {"before the tile", "sub.s32 %r5, 252, %r3;", "sub.s32 %r5, 248, %r3;", "out-of-bounds"},
      {"a shared address off by two", "ld.shared.b32 %r7, [%r6];", "ld.shared.b32 %r7, [%r6+2];", "misaligned"},
      {"a global address off by two", "st.global.b32 [%rd5], %r10;", "st.global.b32 [%rd5+2], %r10;", "misaligned"},
      {"past the end of the output", "st.global.b32 [%rd5], %r10;", "st.global.b32 [%rd5+4], %r10;", "out-of-bounds"},
      {"a write to the input", "add.s64 %rd5, %rd2, %rd3;", "add.s64 %rd5, %rd1, %rd3;", "read-only"},
      {"a copy that is not there", "cp.async.ca.shared.global [%r4], [%rd4], 4;", "", "uninitialised"},
      {"a barrier for half of a warp", "bar.sync 2;", "setp.lt.u32 %p1, %r1, 16; @%p1 bar.sync 2;", "divergence"},
      {"a barrier for one of two warps", "bar.sync 2;", "setp.lt.u32 %p1, %r1, 32; @%p1 bar.sync 2;", "divergence"},
      {"a barrier of too few threads", "bar.sync 0;", "bar.sync 0, 32;", "race"},
      {"a barrier of more threads than there are", "bar.sync 0;", "bar.sync 0, 96;", "deadlock"},
      {"half a warp at a shuffle", "bar.sync 2;", "setp.lt.u32 %p1, %r1, 16; @%p1 shfl.sync.bfly.b32 %r11, %r8, 1, 31, -1; bar.sync 2;", "divergence"},
      {"a trap", "bar.sync 2;", "trap;", "trap"},
  };
  for (const Mutation &mutation : mutations) {
    Reverse run(replaced(kReverse, mutation.from, mutation.to));
    EXPECT_TRUE(found(run.report, mutation.check)) << mutation.name << ": " << mutation.check << " expected, found\n" << listed(run.report);
  }
}

TEST(CudaSimChecks, AWrongWaitIsAWrongNumberWithoutAnyCheck) {
  CheckOptions none;
  none.races = none.bounds = none.initialised = false;
  EXPECT_TRUE(Reverse(kReverse, none).right);
  EXPECT_FALSE(Reverse(replaced(kReverse, "wait_group 1;", "wait_group 2;"), none).right);
}

TEST(CudaSimChecks, FindingsNameKernelInstructionAndTheOtherThread) {
  Reverse run(replaced(kReverse, "bar.sync 2;", ""));
  ASSERT_FALSE(run.report.findings.empty());
  const Finding &first = run.report.findings[0];
  EXPECT_EQ(first.kernel, "k");
  // In order, warp 0 has written when warp 1 comes to read.
  EXPECT_NE(first.instruction.find("ld.shared.b32 %r8, [%r6+256]"), std::string::npos) << first.instruction;
  EXPECT_NE(first.what.find("block 0, thread 32"), std::string::npos) << first.what;
  EXPECT_NE(first.what.find("thread 31 (line 32: st.shared.b32 [%r4+256], %r9)"), std::string::npos) << first.what;
  EXPECT_GT(run.report.findingCount, run.report.findings.size()); // all are counted, the first of each instruction is kept
}

TEST(CudaSimChecks, BlocksThatTouchEachOthersMemory) {
  Reverse both(kReverse, {}, 2); // two blocks write the same output
  EXPECT_TRUE(found(both.report, "race")) << listed(both.report);
  EXPECT_NE(listed(both.report).find("block"), std::string::npos);
  CheckOptions off;
  off.races = false;
  EXPECT_EQ(Reverse(kReverse, off, 2).report.findingCount, 0u);
}

TEST(CudaSimChecks, ReadsOfWhatAnotherBlockWrites) {
  // out[b] = 1 for block b; then each block reads its neighbour's word.
  const std::string body = ".reg .b32 %r<6>; .reg .b64 %rd<6>;\n mov.u32 %r1, %ctaid.x; ld.param.b64 %rd1, [p0]; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd1, %rd1, %rd2;\n"
                           "mov.b32 %r2, 1; st.global.b32 [%rd1], %r2; ld.global.b32 %r3, [%rd1-4];";
  std::vector<uint32_t> memory(9);
  Simulator simulator;
  simulator.allow(memory.data(), memory.size() * 4);
  hb::ptx::test::Run run;
  run.grid = {8};
  run.block = {1};
  LaunchReport report = run(simulator, module(body, 1), memory.data() + 1);
  EXPECT_TRUE(found(report, "race")) << listed(report);
  report = run(simulator, module(replaced(body, "[%rd1-4]", "[%rd1]"), 1), memory.data() + 1);
  EXPECT_EQ(report.findingCount, 0u) << listed(report);
  // Write after read: the neighbour reads first, in the order of the blocks.
  report = run(simulator, module(replaced(body, "st.global.b32 [%rd1], %r2; ld.global.b32 %r3, [%rd1-4];", "ld.global.b32 %r3, [%rd1+4]; st.global.b32 [%rd1], %r2;"), 1), memory.data());
  EXPECT_TRUE(found(report, "race")) << listed(report);
}

TEST(CudaSimChecks, AtomicsAndFencesOrderBlocks) {
  // Every block adds to a sum, publishes a word behind a fence and counts itself; the last one reads all words.
  const std::string body = R"(
    .reg .b32 %r<12>; .reg .b64 %rd<8>; .reg .pred %p<3>;
    mov.u32 %r1, %ctaid.x; ld.param.b64 %rd1, [p0]; ld.param.b64 %rd2, [p1];
    mul.wide.u32 %rd3, %r1, 4; add.s64 %rd4, %rd1, %rd3;
    add.s32 %r2, %r1, 1; st.global.b32 [%rd4], %r2;
    membar.gl;
    atom.global.add.u32 %r3, [%rd2], 1;
    setp.ne.s32 %p1, %r3, 3; @%p1 bra DONE;
    ld.global.v4.b32 {%r4, %r5, %r6, %r7}, [%rd1];
    add.s32 %r4, %r4, %r5; add.s32 %r6, %r6, %r7; add.s32 %r4, %r4, %r6; st.global.b32 [%rd2+4], %r4;
    DONE:
  )";
  alignas(16) uint32_t words[4] = {};
  for (uint32_t seed : {0u, 9u}) {
    uint32_t counter[2] = {};
    Simulator simulator;
    simulator.allow(words, sizeof words);
    simulator.allow(counter, sizeof counter);
    hb::ptx::test::Run run;
    run.grid = {4};
    run.block = {1};
    run.options.scheduleSeed = seed;
    LaunchReport report = run(simulator, module(body), words, counter);
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
    EXPECT_EQ(counter[1], 10u);
    counter[0] = 0;
    report = run(simulator, module(replaced(body, "membar.gl;", "")), words, counter);
    EXPECT_TRUE(found(report, "race")) << "without the fence";
  }
}

TEST(CudaSimChecks, EndlessLoopsEnd) {
  CheckOptions options;
  options.instructionBudget = 100000;
  Reverse run(replaced(kReverse, "bar.sync 2;", "FOREVER: bra FOREVER;"), options);
  EXPECT_TRUE(found(run.report, "deadlock")) << listed(run.report);
}

TEST(CudaSimChecks, NamedBarriersOrderOnlyTheirWarps) {
  // Warp 0 produces, warp 1 consumes; warp 2 stays out of it.
  const std::string body = R"(
    .reg .b32 %r<8>; .reg .b64 %rd<4>; .reg .pred %p<4>; .shared .align 4 .b8 tile[128];
    mov.u32 %r1, %tid.x; shr.u32 %r2, %r1, 5; and.b32 %r3, %r1, 31; shl.b32 %r3, %r3, 2; mov.b32 %r4, tile; add.s32 %r4, %r4, %r3;
    setp.eq.s32 %p1, %r2, 0; @%p1 bra PRODUCER;
    setp.eq.s32 %p2, %r2, 1; @%p2 bra CONSUMER;
    bra DONE;
    PRODUCER: st.shared.b32 [%r4], %r1; bar.arrive 3, 64; bra DONE;
    CONSUMER: bar.sync 3, 64; xor.b32 %r5, %r4, 4; ld.shared.b32 %r6, [%r5];
    ld.param.b64 %rd1, [p0]; cvt.u64.u32 %rd2, %r3; add.s64 %rd1, %rd1, %rd2; st.global.b32 [%rd1], %r6;
    DONE:
  )";
  std::vector<uint32_t> out(32);
  Simulator simulator;
  simulator.allow(out.data(), 128);
  hb::ptx::test::Run run;
  run.block = {96};
  for (uint32_t seed : {0u, 1u, 2u}) {
    run.options.scheduleSeed = seed;
    LaunchReport report = run(simulator, module(body, 1), out.data());
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
    for (uint32_t lane = 0; lane < 32; ++lane)
      EXPECT_EQ(out[lane], lane ^ 1);
  }
  LaunchReport report = run(simulator, module(replaced(body, "CONSUMER: bar.sync 3, 64;", "CONSUMER: bar.sync 4, 32;"), 1), out.data());
  EXPECT_TRUE(found(report, "race") || found(report, "uninitialised")) << listed(report);
}

} // namespace
