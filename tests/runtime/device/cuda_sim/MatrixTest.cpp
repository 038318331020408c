// ldmatrix and mma against plain loops, and lanes that part and meet.
#include "tests/runtime/device/cuda_sim/Kernel.h"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

using namespace hb::ptx;
using namespace hb::ptx::test;

namespace {

uint16_t half(float x) { return std::bit_cast<uint16_t>(static_cast<_Float16>(x)); }
uint16_t bhalf(float x) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16); }

/// Small whole numbers: every product and sum is exact, in every format and order.
float element(unsigned row, unsigned column, unsigned salt) { return static_cast<float>(static_cast<int>((row * 7 + column * 13 + salt * 5) % 17) - 8); }

TEST(CudaSimMatrix, LdmatrixGivesEachLaneItsElements) {
  // Four 8x8 tiles of numbered halves; lane l of register m gets (l / 4, 2 (l % 4)) and its right neighbour, or of the transposed tile.
  const std::string body = R"(
    .reg .b32 %r<12>; .reg .b64 %rd<6>; .shared .align 16 .b8 tile[512];
    mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 4; mov.b32 %r3, tile; add.s32 %r4, %r3, %r2; ld.param.b64 %rd1, [p0]; cvt.u64.u32 %rd2, %r2; add.s64 %rd1, %rd1, %rd2;
    ld.global.v4.b32 {%r5, %r6, %r7, %r8}, [%rd1]; st.shared.v4.b32 [%r4], {%r5, %r6, %r7, %r8}; bar.sync 0;
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r5, %r6, %r7, %r8}, [%r4];
    ld.param.b64 %rd3, [p1]; add.s64 %rd3, %rd3, %rd2; st.global.v4.b32 [%rd3], {%r5, %r6, %r7, %r8};
  )";
  alignas(16) uint16_t in[4][8][8], out[32][4][2];
  for (unsigned i = 0; i < 256; ++i)
    in[i / 64][i / 8 % 8][i % 8] = static_cast<uint16_t>(i);
  for (bool transposed : {false, true}) {
    Simulator simulator;
    simulator.allow(in, sizeof in, false);
    simulator.allow(out, sizeof out);
    LaunchReport report = hb::ptx::test::Run{}(simulator, module(transposed ? replaced(body, "x4.shared", "x4.trans.shared") : body), &in[0][0][0], &out[0][0][0]);
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned m = 0; m < 4; ++m)
        for (unsigned j = 0; j < 2; ++j) {
          unsigned row = lane / 4, column = lane % 4 * 2 + j;
          EXPECT_EQ(out[lane][m][j], transposed ? in[m][column][row] : in[m][row][column]);
        }
  }
}

struct Shape { const char *opcode; unsigned k; char type; };

TEST(CudaSimMatrix, MmaIsAMatrixProduct) {
  const Shape shapes[] = {{"m16n8k16.row.col.f32.f16.f16.f32", 16, 'h'}, {"m16n8k8.row.col.f32.f16.f16.f32", 8, 'h'},   {"m16n8k16.row.col.f32.bf16.bf16.f32", 16, 'b'},
                          {"m16n8k8.row.col.f32.bf16.bf16.f32", 8, 'b'},  {"m16n8k8.row.col.f32.tf32.tf32.f32", 8, 't'}, {"m16n8k4.row.col.f32.tf32.tf32.f32", 4, 't'}};
  for (const Shape &shape : shapes) {
    // The host packs the fragments by the manual's formulas: groupID = lane / 4, threadID_in_group = lane % 4.
    bool wide = shape.type == 't';
    unsigned perRegister = wide ? 1 : 2, as = 16 * shape.k / 32 / perRegister, bs = as / 2;
    std::vector<uint32_t> in(32 * 16), out(32 * 4);
    auto packed = [&](float x, float y) -> uint32_t {
      return wide ? std::bit_cast<uint32_t>(x) | 0x1FFF : shape.type == 'h' ? half(x) | uint32_t(half(y)) << 16 : bhalf(x) | uint32_t(bhalf(y)) << 16; // the low bits of tf32 are ignored
    };
    for (unsigned lane = 0; lane < 32; ++lane) {
      unsigned group = lane / 4, in4 = lane % 4;
      for (unsigned r = 0; r < as; ++r) {
        unsigned row = group + 8 * (r % 2), column = wide ? in4 + 4 * (r / 2) : in4 * 2 + 8 * (r / 2);
        in[lane * 16 + r] = packed(element(row, column, 1), element(row, column + 1, 1));
      }
      for (unsigned r = 0; r < bs; ++r) {
        unsigned row = wide ? in4 + 4 * r : in4 * 2 + 8 * r;
        in[lane * 16 + 4 + r] = packed(element(row, group, 2), element(row + 1, group, 2));
      }
      for (unsigned e = 0; e < 4; ++e)
        in[lane * 16 + 8 + e] = std::bit_cast<uint32_t>(element(group + 8 * (e / 2), in4 * 2 + e % 2, 3));
    }
    auto list = [](unsigned first, unsigned count) {
      std::string text = "{";
      for (unsigned i = 0; i < count; ++i)
        text += (i ? ", %r" : "%r") + std::to_string(first + i);
      return text + "}";
    };
    std::string body = ".reg .b32 %r<40>; .reg .b64 %rd<6>; mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 64; ld.param.b64 %rd2, [p0]; add.s64 %rd2, %rd2, %rd1;\n"
                       "ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd2]; ld.global.v2.b32 {%r14, %r15}, [%rd2+16]; ld.global.v4.b32 {%r18, %r19, %r20, %r21}, [%rd2+32];\n"
                       "mma.sync.aligned." + std::string(shape.opcode) + " {%r30, %r31, %r32, %r33}, " + list(10, as) + ", " + list(14, bs) + ", {%r18, %r19, %r20, %r21};\n"
                       "ld.param.b64 %rd3, [p1]; mul.wide.u32 %rd4, %r1, 16; add.s64 %rd3, %rd3, %rd4; st.global.v4.b32 [%rd3], {%r30, %r31, %r32, %r33};";
    auto *input = static_cast<uint32_t *>(std::aligned_alloc(64, in.size() * 4)), *result = static_cast<uint32_t *>(std::aligned_alloc(64, out.size() * 4));
    std::copy(in.begin(), in.end(), input);
    Simulator simulator;
    simulator.allow(input, in.size() * 4, false);
    simulator.allow(result, out.size() * 4);
    LaunchReport report = hb::ptx::test::Run{}(simulator, module(body), input, result);
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned e = 0; e < 4; ++e) {
        unsigned row = lane / 4 + 8 * (e / 2), column = lane % 4 * 2 + e % 2;
        float want = element(row, column, 3);
        for (unsigned k = 0; k < shape.k; ++k)
          want += element(row, k, 1) * element(k, column, 2);
        EXPECT_EQ(std::bit_cast<float>(result[lane * 4 + e]), want) << shape.opcode << " " << row << ", " << column;
      }
    hb::ptx::test::Run sixteen;
    sixteen.block = {16};
    LaunchReport half = sixteen(simulator, module(body), input, result);
    EXPECT_TRUE(found(half, "divergence")) << "sixteen threads are no warp";
    std::free(input);
    std::free(result);
  }
}

/// Runs a body of one warp that leaves a word in %r1; out[lane].
std::vector<uint32_t> words(const std::string &body, std::string *findings = nullptr, unsigned threads = 32) {
  std::vector<uint32_t> out(threads);
  Simulator simulator;
  simulator.allow(out.data(), out.size() * 4);
  hb::ptx::test::Run run;
  run.block = {threads};
  LaunchReport report = run(simulator, module(".reg .b32 %r<20>; .reg .b64 %rd<8>; .reg .pred %p<8>; mov.u32 %r0, %tid.x;\n" + body +
                                                  "\n mul.wide.u32 %rd1, %r0, 4; ld.param.b64 %rd2, [p0]; add.s64 %rd2, %rd2, %rd1; st.global.b32 [%rd2], %r1;", 1), out.data());
  if (findings)
    *findings = listed(report);
  else
    EXPECT_EQ(report.findingCount, 0u) << listed(report);
  return out;
}

TEST(CudaSimWarp, LanesThatPartMeetAgain) {
  // The rare path stands behind the common one, as compilers place it; the barrier and the shuffle behind the join see the whole warp.
  auto out = words("setp.eq.s32 %p1, %r0, 5; @%p1 bra RARE; mov.b32 %r1, 1;\n JOIN: bar.sync 0; shfl.sync.idx.b32 %r1, %r1, 5, 31, -1; bra END;\n RARE: mov.b32 %r1, 100; bra JOIN;\n END:");
  for (uint32_t word : out)
    EXPECT_EQ(word, 100u);
}

TEST(CudaSimWarp, LoopsOfDifferentLength) {
  auto out = words("mov.b32 %r1, 0; mov.b32 %r2, 0;\n LOOP: add.s32 %r1, %r1, %r2; add.s32 %r2, %r2, 1; setp.le.u32 %p1, %r2, %r0; @%p1 bra LOOP;\n bar.sync 0;");
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], lane * (lane + 1) / 2);
}

TEST(CudaSimWarp, LanesThatLeaveEarly) {
  auto out = words("mov.b32 %r1, 0; setp.ge.u32 %p1, %r0, 20; @%p1 ret; mov.b32 %r1, 7; bar.sync 0;");
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], lane < 20 ? 7u : 0u);
}

TEST(CudaSimWarp, BranchesByIndexAndCalls) {
  auto out = words("and.b32 %r2, %r0, 3; mov.b32 %r1, 9;\n T: .branchtargets A, B, C;\n setp.gt.u32 %p1, %r2, 2; @%p1 bra E; brx.idx %r2, T;\n"
                   "A: mov.b32 %r1, 10; bra E;\n B: mov.b32 %r1, 20; bra E;\n C: mov.b32 %r1, 30;\n E: bar.sync 0;");
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], (std::vector<uint32_t>{10, 20, 30, 9})[lane % 4]);

  std::vector<uint32_t> results(32);
  Simulator simulator;
  simulator.allow(results.data(), 128);
  const std::string functions = ".func (.param .b32 r) twice(.param .b32 x) { .reg .b32 %r<3>; .reg .pred %p<2>; ld.param.b32 %r1, [x]; setp.lt.u32 %p1, %r1, 4; @%p1 bra SMALL;"
                                " add.s32 %r1, %r1, %r1; SMALL: st.param.b32 [r], %r1; ret; }\n";
  LaunchReport report = hb::ptx::test::Run{}(simulator,
      module(".reg .b32 %r<5>; .reg .b64 %rd<4>; mov.u32 %r1, %tid.x;\n { .param .b32 a; st.param.b32 [a], %r1; .param .b32 b; call.uni (b), twice, (a); ld.param.b32 %r2, [b]; }\n"
             "mul.wide.u32 %rd1, %r1, 4; ld.param.b64 %rd2, [p0]; add.s64 %rd2, %rd2, %rd1; st.global.b32 [%rd2], %r2;", 1, functions), results.data());
  EXPECT_EQ(report.findingCount, 0u) << listed(report);
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(results[lane], lane < 4 ? lane : 2 * lane);
}

TEST(CudaSimWarp, PlacesInBlockAndGrid) {
  // Each thread of a 3 x 4 x 5 block of a 2 x 3 x 2 grid writes its six coordinates at its number.
  std::string body = ".reg .b32 %r<20>; .reg .b64 %rd<8>;\n";
  const char *names[] = {"%tid.x", "%tid.y", "%tid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z"};
  for (unsigned i = 0; i < 6; ++i)
    body += "mov.u32 %r" + std::to_string(i) + ", " + names[i] + ";\n";
  body += "mov.u32 %r6, %ntid.x; mov.u32 %r7, %ntid.y; mad.lo.s32 %r8, %r2, %r7, %r1; mad.lo.s32 %r8, %r8, %r6, %r0;\n"
          "mov.u32 %r9, %nctaid.x; mov.u32 %r10, %nctaid.y; mad.lo.s32 %r11, %r5, %r10, %r4; mad.lo.s32 %r11, %r11, %r9, %r3; mad.lo.s32 %r8, %r11, 60, %r8;\n"
          "mul.wide.u32 %rd1, %r8, 24; ld.param.b64 %rd2, [p0]; add.s64 %rd2, %rd2, %rd1;\n";
  for (unsigned i = 0; i < 6; ++i)
    body += "st.global.b32 [%rd2+" + std::to_string(4 * i) + "], %r" + std::to_string(i) + ";\n";
  std::vector<uint32_t> out(12 * 60 * 6, 77);
  Simulator simulator;
  simulator.allow(out.data(), out.size() * 4);
  hb::ptx::test::Run run;
  run.grid = {2, 3, 2};
  run.block = {3, 4, 5};
  LaunchReport report = run(simulator, module(body, 1), out.data());
  EXPECT_EQ(report.findingCount, 0u) << listed(report);
  for (uint32_t block = 0; block < 12; ++block)
    for (uint32_t thread = 0; thread < 60; ++thread) {
      const uint32_t *got = &out[(block * 60 + thread) * 6];
      EXPECT_EQ(std::vector<uint32_t>(got, got + 6), (std::vector<uint32_t>{thread % 3, thread / 3 % 4, thread / 12, block % 2, block / 2 % 3, block / 6}));
    }
}

TEST(CudaSimWarp, ShufflesVotesAndReductions) {
  struct Case { const char *body; uint32_t (*want)(uint32_t lane); } cases[] = {
      {"shfl.sync.bfly.b32 %r1, %r0, 3, 31, -1;", [](uint32_t l) { return l ^ 3; }},
      {"shfl.sync.up.b32 %r1, %r0, 2, 0, -1;", [](uint32_t l) { return l < 2 ? l : l - 2; }},
      {"shfl.sync.down.b32 %r1|%p1, %r0, 4, 31, -1; selp.b32 %r1, %r1, 99, %p1;", [](uint32_t l) { return l + 4 < 32 ? l + 4 : 99; }},
      {"shfl.sync.down.b32 %r1, %r0, 1, 0x1807, -1;", [](uint32_t l) { return l % 8 == 7 ? l : l + 1; }},
      {"shfl.sync.idx.b32 %r1, %r0, 3, 0x181f, -1;", [](uint32_t l) { return l / 8 * 8 + 3; }},
      {"setp.gt.u32 %p1, %r0, 27; vote.sync.ballot.b32 %r1, %p1, -1;", [](uint32_t) { return 0xF0000000u; }},
      {"setp.gt.u32 %p1, %r0, 27; vote.sync.any.pred %p2, %p1, -1; selp.b32 %r1, 1, 0, %p2;", [](uint32_t) { return 1u; }},
      {"setp.gt.u32 %p1, %r0, 27; vote.sync.all.pred %p2, !%p1, -1; selp.b32 %r1, 1, 0, %p2;", [](uint32_t) { return 0u; }},
      {"mov.u32 %r1, %lanemask_le;", [](uint32_t l) { return l == 31 ? 0xFFFFFFFFu : (2u << l) - 1; }},
      {"mov.u32 %r1, %lanemask_gt;", [](uint32_t l) { return l == 31 ? 0u : 0xFFFFFFFEu << l; }},
      {"redux.sync.add.s32 %r1, %r0, -1;", [](uint32_t) { return 496u; }},
      {"and.b32 %r2, %r0, 1; match.any.sync.b32 %r1, %r2, -1;", [](uint32_t l) { return l & 1 ? 0xAAAAAAAAu : 0x55555555u; }},
      {"setp.lt.u32 %p1, %r0, 16; mov.b32 %r1, 0; @%p1 shfl.sync.idx.b32 %r1, %r0, 9, 31, 0xFFFF;", [](uint32_t l) { return l < 16 ? 9u : 0u; }},
      {"setp.lt.u32 %p1, %r0, 16; bar.red.popc.u32 %r1, 0, %p1;", [](uint32_t) { return 16u; }},
      {".local .align 4 .b8 stack[16]; .reg .b64 %SP; mov.b64 %SP, stack; cvta.local.u64 %SP, %SP; st.b32 [%SP+4], %r0; ld.local.b32 %r1, [stack+4];", [](uint32_t l) { return l; }},
      {".shared .align 4 .b8 s[4]; setp.eq.s32 %p1, %r0, 0; @%p1 st.shared.b32 [s], 5; bar.sync 0; mov.b32 %r3, s; atom.shared.add.u32 %r2, [%r3], 1; bar.sync 0; ld.shared.b32 %r1, [s];", [](uint32_t) { return 37u; }},
  };
  for (const Case &one : cases) {
    auto out = words(one.body);
    for (uint32_t lane = 0; lane < 32; ++lane)
      EXPECT_EQ(out[lane], one.want(lane)) << one.body << " lane " << lane;
  }
  std::string findings;
  words("setp.lt.u32 %p1, %r0, 16; @%p1 bra SIDE; mov.b32 %r1, 0; bra JOIN;\n SIDE: shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1;\n JOIN: bar.sync 0;", &findings);
  EXPECT_NE(findings.find("divergence"), findings.npos) << findings;
}

} // namespace
