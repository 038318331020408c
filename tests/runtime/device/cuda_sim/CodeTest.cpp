// Reading PTX: what a module says about itself, and what is refused.
#include "runtime/base/Error.h"
#include "tests/runtime/device/cuda_sim/Kernel.h"

#include <gtest/gtest.h>

using namespace hb::ptx;
using namespace hb::ptx::test;

namespace {

int numberOf(const std::string &text, std::string *message = nullptr) {
  try {
    Code::parse(text);
  } catch (const hb::Error &error) {
    if (message)
      *message = error.what();
    return error.number();
  }
  return 0;
}

TEST(CudaSimCode, EntriesAndTheirParameters) {
  auto code = Code::parse(".version 8.0\n.target sm_80\n.address_size 64\n"
                          ".shared .align 16 .b8 mine[48];\n.shared .align 16 .b8 others[1024];\n"
                          ".visible .entry first(.param .u64 .ptr .align 16 a, .param .u32 n, .param .align 8 .b8 s[24])\n.maxntid 64, 2, 1\n"
                          "{ .reg .b32 %r<2>; mov.b32 %r1, mine; ret; }\n"
                          ".visible .entry second() { .reg .b32 %r<2>; mov.b32 %r1, others; ret; }\n");
  const EntryInfo *first = code->find("first");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->parameterBytes, (std::vector<uint32_t>{8, 4, 24}));
  EXPECT_EQ(first->staticSharedBytes, 48u); // what it uses, not what the module declares
  EXPECT_EQ(first->maxThreads, 128u);
  EXPECT_EQ(code->find("second")->staticSharedBytes, 1024u);
  EXPECT_EQ(code->entries().size(), 2u);
  EXPECT_FALSE(code->find("third"));
}

TEST(CudaSimCode, VariablesWithInitialValues) {
  auto code = Code::parse(".version 8.0\n.target sm_80\n.address_size 64\n"
                          ".const .align 4 .f32 table[3] = {0f3F800000, 2.5, 0fC0000000};\n"
                          ".global .align 1 .b8 bytes[4] = {1, 0x2, -1};\n"
                          ".global .align 8 .u64 pointer = generic(table)+4;\n.visible .entry k() { ret; }\n");
  auto table = code->variable("table");
  float values[3];
  ASSERT_EQ(table.size(), sizeof values);
  std::memcpy(values, table.data(), sizeof values);
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], 2.5f);
  EXPECT_EQ(values[2], -2.0f);
  EXPECT_EQ(code->variable("bytes")[2], std::byte{255});
  EXPECT_EQ(code->variable("bytes")[3], std::byte{0});
  uint64_t pointer;
  std::memcpy(&pointer, code->variable("pointer").data(), 8);
  EXPECT_EQ(pointer, reinterpret_cast<uint64_t>(table.data()) + 4);
  EXPECT_TRUE(code->variable("none").empty());
}

TEST(CudaSimCode, RefusalsNameTheLine) {
  const std::string head = ".reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p<3>;\n";
  struct Case { const char *body, *says; } cases[] = {
      {"frobnicate.b32 %r1, %r2;", "frobnicate"},
      {"add.s32 %r1, %r2;", "line 8"},
      {"add.s64 %r1, %r2, %r3;", "64 bits"},
      {"mov.b32 %r9, 0;", "%r9"},
      {"bra nowhere;", "nowhere"},
      {"mma.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 {%r0}, {%r1}, {%r2}, {%r3};", "mma.sync"},
      {"ld.param.b64 %rd1, [p0+12];", "ld.param"},
      {"cvt.rn.f32.s128 %r1, %r2;", "cvt"},
      {"add.s32 %r1, %r2, %r3", "expected ';'"},
      {"{ mov.b32 %r1, 1;", "more text"},
      {"call f;", "declared"},
  };
  for (const Case &one : cases) {
    std::string message;
    EXPECT_EQ(numberOf(module(head + one.body), &message), 981) << one.body;
    EXPECT_NE(message.find(one.says), message.npos) << one.body << ": " << message;
  }
  EXPECT_EQ(numberOf("not PTX"), 981);
  EXPECT_EQ(numberOf(""), 981);
  EXPECT_EQ(numberOf(".version 8.0\n.global .b8 big[400000000000];"), 981);
  EXPECT_EQ(numberOf(".version 8.0\n.func f() { call f; ret; } .entry k() { call f; ret; }"), 981); // recursion
}

TEST(CudaSimCode, LaunchesThatCannotBe) {
  Simulator simulator;
  auto code = Code::parse(".version 8.0\n.target sm_80\n.address_size 64\n.entry k(.param .u64 p) .maxntid 64 { ret; }");
  std::vector<std::byte> parameters(8);
  auto number = [&](std::string_view entry, Dim3 grid, Dim3 block, size_t shared, size_t bytes) {
    try {
      simulator.launch(*code, entry, grid, block, shared, std::span<const std::byte>(parameters).first(bytes));
    } catch (const hb::Error &error) {
      return error.number();
    }
    return 0;
  };
  EXPECT_EQ(number("k", {1}, {64}, 0, 8), 0);
  EXPECT_EQ(number("other", {1}, {64}, 0, 8), 982);
  EXPECT_EQ(number("k", {1}, {65}, 0, 8), 982);
  EXPECT_EQ(number("k", {0}, {64}, 0, 8), 982);
  EXPECT_EQ(number("k", {1}, {64}, 1 << 20, 8), 982);
  EXPECT_EQ(number("k", {1}, {64}, 0, 4), 982);
  char memory[64];
  simulator.allow(memory, 64);
  EXPECT_THROW(simulator.allow(memory + 63, 2), hb::Error);
  simulator.forget(memory);
  simulator.allow(memory + 63, 1);
}

} // namespace
