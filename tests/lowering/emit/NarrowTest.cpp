// Every family with f16 and bf16 tensors: the result must be, bit for bit, that of the same kernel on the same values in f32, rounded once to nearest even.
// The f32 kernels are held against double precision in the other files of this folder; together that bounds the error by half a unit in the last place.
#include "tests/lowering/emit/CompiledKernel.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

struct Type {
  const char *name;
  uint16_t (*store)(float);
  float (*load)(uint16_t);
};
const Type types[] = {{"f16", toHalf, fromHalf}, {"bf16", toBfloat, fromBfloat}};

struct Case {
  const char *name;
  /// In a text, ACT is the activations' type; WIDEN and NARROW convert an element of it to f32 and back.
  const char *text;
  std::vector<size_t> activations; ///< elements of the operands of that type, which come first
  std::vector<size_t> others;      ///< elements of the f32 operands behind them
  size_t result;
  bool wideResult = false;         ///< the result is f32: equal without rounding
};

void PrintTo(const Case &c, std::ostream *out) { *out << c.name; }

std::string replaced(std::string text, const std::string &what, const std::string &with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

std::string textFor(const Case &c, const std::string &type) {
  bool wide = type == "f32";
  std::string text = replaced(c.text, "WIDEN", wide ? "arith.bitcast" : "arith.extf");
  return replaced(replaced(text, "NARROW", wide ? "arith.bitcast" : "arith.truncf"), "ACT", type);
}

class NarrowTest : public testing::TestWithParam<Case> {};

TEST_P(NarrowTest, IsTheRoundedF32Kernel) {
  const Case &c = GetParam();
  for (const char *cpu : allLevels) {
    // Winograd's transforms are a family of processors alone.
    if (!canRun(cpu) || (std::string(cpu).starts_with("cuda") && std::string(c.name).starts_with("winograd")))
      continue;
    for (const Type &type : types) {
      SCOPED_TRACE(std::string(cpu) + " " + type.name);
      std::vector<Buffer<float>> wide, others;
      std::vector<Buffer<uint16_t>> narrow;
      unsigned seed = 1;
      for (size_t count : c.activations) {
        std::vector<float> values = normals(count, seed++, 0.25, 1.5);
        std::vector<uint16_t> bits(count);
        for (size_t i = 0; i < count; ++i)
          values[i] = type.load(bits[i] = type.store(values[i]));
        wide.emplace_back(values, 1);
        narrow.emplace_back(bits, 3);
      }
      for (size_t count : c.others)
        others.emplace_back(normals(count, seed++, 0, 0.3), 1);
      Buffer<float> wideResult(c.result, 5), wideOut(c.result, 1);
      Buffer<uint16_t> narrowResult(c.result, 1);
      auto run = [&](const std::string &element, auto &activations, void *result) {
        CompiledKernel kernel(textFor(c, element), cpu);
        ASSERT_EQ(kernel.error(), "") << textFor(c, element);
        std::vector<void *> buffers;
        for (auto &buffer : activations)
          buffers.push_back(buffer);
        for (auto &buffer : others)
          buffers.push_back(buffer);
        buffers.push_back(result);
        kernel.run(buffers);
      };
      run("f32", wide, wideResult);
      run(type.name, narrow, c.wideResult ? static_cast<void *>(wideOut) : static_cast<void *>(narrowResult));
      if (HasFatalFailure())
        return;
      EXPECT_TRUE(wideResult.intact() && narrowResult.intact() && wideOut.intact());
      for (size_t i = 0; i < c.result; ++i) {
        ASSERT_TRUE(std::isfinite(wideResult[i])) << i;
        if (c.wideResult)
          ASSERT_EQ(std::memcmp(&wideOut[i], &wideResult[i], 4), 0) << i << ": " << wideOut[i] << " instead of " << wideResult[i];
        else
          ASSERT_EQ(narrowResult[i], type.store(wideResult[i])) << i << ": " << type.load(narrowResult[i]) << " instead of " << wideResult[i];
      }
    }
  }
}

const Case cases[] = {
    // K: whole chunks, chunks with a rest, fewer terms than a vector has lanes; N with a rest; few rows and many.
    {"linear", R"(kernel.def @k(%x: tensor<37x320xACT>, %r: tensor<37x50xACT>, %w: tensor<50x320xf32, #kernel.packed<panel16>>, %b: tensor<50xf32>) -> tensor<37x50xACT> {
      %y = kernel.contract linear a(%x : tensor<37x320xACT>) weight(%w : tensor<50x320xf32, #kernel.packed<panel16>>)
           extras(%b, %r : tensor<50xf32>, tensor<37x50xACT>) {maps = [affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>]} -> tensor<37x50xACT> {
      ^bb0(%acc: f32, %bias: f32, %res: ACT):
        %wide = WIDEN %res : ACT to f32
        %s = arith.addf %acc, %bias : f32
        %t = arith.addf %s, %wide : f32
        %n = NARROW %t : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<37x50xACT>
    })", {37 * 320, 37 * 50}, {4 * 16 * 320, 50}, 37 * 50},
    {"linear_odd_terms", R"(kernel.def @k(%x: tensor<5x303xACT>, %w: tensor<16x303xf32, #kernel.packed<panel16>>) -> tensor<5x16xACT> {
      %y = kernel.contract linear a(%x : tensor<5x303xACT>) weight(%w : tensor<16x303xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<5x16xACT> {
      ^bb0(%acc: f32):
        %n = NARROW %acc : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<5x16xACT>
    })", {5 * 303}, {16 * 303}, 5 * 16},
    {"linear_few_terms", R"(kernel.def @k(%x: tensor<3x5xACT>, %w: tensor<16x5xf32, #kernel.packed<panel16>>) -> tensor<3x16xACT> {
      %y = kernel.contract linear a(%x : tensor<3x5xACT>) weight(%w : tensor<16x5xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<3x16xACT> {
      ^bb0(%acc: f32):
        %n = NARROW %acc : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<3x16xACT>
    })", {3 * 5}, {16 * 5}, 3 * 16},
    {"linear_blocks_of_terms", R"(kernel.def @k(%x: tensor<30x5120xACT>, %w: tensor<64x5120xf32, #kernel.packed<panel16>>) -> tensor<30x64xACT> {
      %y = kernel.contract linear a(%x : tensor<30x5120xACT>) weight(%w : tensor<64x5120xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<30x64xACT> {
      ^bb0(%acc: f32):
        %n = NARROW %acc : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<30x64xACT>
    })", {30 * 5120}, {64 * 5120}, 30 * 64},
    {"linear_to_f32", R"(kernel.def @k(%x: tensor<9x70xACT>, %w: tensor<16x70xf32, #kernel.packed<panel16>>) -> tensor<9x16xf32> {
      %y = kernel.contract linear a(%x : tensor<9x70xACT>) weight(%w : tensor<16x70xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<9x16xf32> {
      ^bb0(%acc: f32):
        kernel.yield %acc : f32
      }
      kernel.return %y : tensor<9x16xf32>
    })", {9 * 70}, {16 * 70}, 9 * 16, true},
    {"gated_lora", R"(kernel.def @k(%x: tensor<29x96xACT>, %w: tensor<64x96xf32, #kernel.packed<gated_panel16>>, %la: tensor<4x96xf32, #kernel.packed<panel16>>, %lb: tensor<64x4xf32, #kernel.packed<gated_panel16>>, %ls: tensor<4xf32>) -> tensor<29x32xACT> {
      %y = kernel.contract linear a(%x : tensor<29x96xACT>) weight(%w : tensor<64x96xf32, #kernel.packed<gated_panel16>>)
           lora(%la : tensor<4x96xf32, #kernel.packed<panel16>>, %lb : tensor<64x4xf32, #kernel.packed<gated_panel16>>, %ls : tensor<4xf32>) {maps = [], gated} -> tensor<29x32xACT> {
      ^bb0(%acc: f32, %gate: f32):
        %s = arith.mulf %acc, %gate : f32
        %n = NARROW %s : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<29x32xACT>
    })", {29 * 96}, {64 * 96, 16 * 96, 64 * 4, 16}, 29 * 32},
    {"conv2d", R"(kernel.def @k(%x: tensor<1x10x9x20xACT>, %w: tensor<24x20x3x3xf32, #kernel.packed<panel16>>) -> tensor<1x8x7x24xACT> {
      %y = kernel.contract conv2d a(%x : tensor<1x10x9x20xACT>) weight(%w : tensor<24x20x3x3xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<1x8x7x24xACT> {
      ^bb0(%acc: f32):
        %n = NARROW %acc : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<1x8x7x24xACT>
    })", {10 * 9 * 20}, {32 * 180}, 8 * 7 * 24},
    {"conv2d_few_channels", R"(kernel.def @k(%x: tensor<1x9x9x4xACT>, %w: tensor<16x4x3x3xf32, #kernel.packed<panel16>>) -> tensor<1x4x4x16xACT> {
      %y = kernel.contract conv2d a(%x : tensor<1x9x9x4xACT>) weight(%w : tensor<16x4x3x3xf32, #kernel.packed<panel16>>) {maps = [], strides = array<i64: 2, 2>} -> tensor<1x4x4x16xACT> {
      ^bb0(%acc: f32):
        %n = NARROW %acc : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<1x4x4x16xACT>
    })", {9 * 9 * 4}, {16 * 36}, 4 * 4 * 16},
    {"attention", R"(kernel.def @k(%q: tensor<2x70x48xACT>, %k: tensor<2x300x48xACT>, %v: tensor<2x300x48xACT>) -> tensor<2x70x48xACT> {
      %y = kernel.attention q(%q : tensor<2x70x48xACT>) k(%k : tensor<2x300x48xACT>) v(%v : tensor<2x300x48xACT>) {heads = 2 : i64, scale = 0.2 : f64} -> tensor<2x70x48xACT>
      kernel.return %y : tensor<2x70x48xACT>
    })", {2 * 70 * 48, 2 * 300 * 48, 2 * 300 * 48}, {}, 2 * 70 * 48},
    {"attention_narrow_heads", R"(kernel.def @k(%q: tensor<1x19x15xACT>, %k: tensor<1x33x15xACT>, %v: tensor<1x33x9xACT>, %m: tensor<1x1x33xf32>) -> tensor<1x19x9xACT> {
      %y = kernel.attention q(%q : tensor<1x19x15xACT>) k(%k : tensor<1x33x15xACT>) v(%v : tensor<1x33x9xACT>) mask(%m : tensor<1x1x33xf32>) {heads = 3 : i64, scale = 0.4 : f64} -> tensor<1x19x9xACT>
      kernel.return %y : tensor<1x19x9xACT>
    })", {19 * 15, 33 * 15, 33 * 9}, {33}, 19 * 9},
    {"group_stats", R"(kernel.def @k(%x: tensor<1x9x7x40xACT>) -> tensor<1x4x8x2xf32> {
      %y = kernel.group_stats %x {groups = 8 : i64, chunks = 4 : i64} : tensor<1x9x7x40xACT> -> tensor<1x4x8x2xf32>
      kernel.return %y : tensor<1x4x8x2xf32>
    })", {9 * 7 * 40}, {}, 4 * 8 * 2, true},
    {"layer_norm", R"(kernel.def @k(%x: tensor<7x83xACT>, %g: tensor<83xf32>, %b: tensor<83xf32>) -> tensor<7x83xACT> {
      %y = kernel.normalize layer %x weight(%g, %b : tensor<83xf32>, tensor<83xf32>) {eps = 1.0e-5 : f64} : tensor<7x83xACT> -> tensor<7x83xACT> {
      ^bb0(%v: f32):
        %n = NARROW %v : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<7x83xACT>
    })", {7 * 83}, {83, 83}, 7 * 83},
    {"softmax", R"(kernel.def @k(%x: tensor<5x77xACT>) -> tensor<5x77xACT> {
      %y = kernel.normalize softmax %x {eps = 0.0 : f64} : tensor<5x77xACT> -> tensor<5x77xACT> {
      ^bb0(%v: f32):
        %n = NARROW %v : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<5x77xACT>
    })", {5 * 77}, {}, 5 * 77},
    {"transpose", R"(kernel.def @k(%x: tensor<1x37x50xACT>, %s: tensor<50xf32>) -> tensor<1x50x37xACT> {
      %y = kernel.map (%x, %s : tensor<1x37x50xACT>, tensor<50xf32>) [affine_map<(b, i, j) -> (b, j, i)>, affine_map<(b, i, j) -> (i)>] -> tensor<1x50x37xACT> {
      ^bb0(%a: ACT, %c: f32):
        %w = WIDEN %a : ACT to f32
        %m = arith.mulf %w, %c : f32
        %n = NARROW %m : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<1x50x37xACT>
    })", {37 * 50}, {50}, 37 * 50},
    {"padded_move", R"(kernel.def @k(%x: tensor<1x8x9x5xACT>) -> tensor<1x10x11x5xACT> {
      %y = kernel.map (%x : tensor<1x8x9x5xACT>) [affine_map<(b, h, w, c) -> (b, h - 1, w - 1, c)>] {zero_outside = array<i1: true>} -> tensor<1x10x11x5xACT> {
      ^bb0(%v: ACT):
        kernel.yield %v : ACT
      }
      kernel.return %y : tensor<1x10x11x5xACT>
    })", {8 * 9 * 5}, {}, 10 * 11 * 5},
    {"concat_of_two_types", R"(kernel.def @k(%x: tensor<2x3x20xACT>, %z: tensor<2x3x7xf32>) -> tensor<2x3x27xACT> {
      %y = kernel.concat (%x, %z : tensor<2x3x20xACT>, tensor<2x3x7xf32>) {axis = 2 : i64} -> tensor<2x3x27xACT>
      kernel.return %y : tensor<2x3x27xACT>
    })", {2 * 3 * 20}, {2 * 3 * 7}, 2 * 3 * 27},
    {"reduce", R"(kernel.def @k(%x: tensor<4x9x50xACT>) -> tensor<4x50xACT> {
      %y = kernel.reduce sum (%x : tensor<4x9x50xACT>) [affine_map<(b, c, t) -> (b, t, c)>] {extents = array<i64: 4, 50, 9>} -> tensor<4x50xACT> {
      ^bb0(%v: ACT):
        %w = WIDEN %v : ACT to f32
        kernel.yield %w : f32
      }
      kernel.return %y : tensor<4x50xACT>
    })", {4 * 9 * 50}, {}, 4 * 50},
    {"adaptive_pool", R"(kernel.def @k(%x: tensor<1x9x7x12xACT>) -> tensor<1x4x3x12xACT> {
      %y = kernel.adaptive_pool %x : tensor<1x9x7x12xACT> -> tensor<1x4x3x12xACT>
      kernel.return %y : tensor<1x4x3x12xACT>
    })", {9 * 7 * 12}, {}, 4 * 3 * 12},
    {"winograd_input", R"(kernel.def @k(%x: tensor<1x6x6x19xACT>) -> tensor<16x4x19xf32> {
      %y = kernel.winograd_input %x {m = array<i64: 2, 2>} : tensor<1x6x6x19xACT> -> tensor<16x4x19xf32>
      kernel.return %y : tensor<16x4x19xf32>
    })", {6 * 6 * 19}, {}, 16 * 4 * 19, true},
    {"winograd_output", R"(kernel.def @k(%r: tensor<1x4x4x19xACT>, %p: tensor<16x4x19xf32>) -> tensor<1x4x4x19xACT> {
      %y = kernel.winograd_output %p extras(%r : tensor<1x4x4x19xACT>) {m = array<i64: 2, 2>, maps = [affine_map<(b, h, w, c) -> (b, h, w, c)>]} : tensor<16x4x19xf32> -> tensor<1x4x4x19xACT> {
      ^bb0(%acc: f32, %res: ACT):
        %w = WIDEN %res : ACT to f32
        %s = arith.addf %acc, %w : f32
        %n = NARROW %s : f32 to ACT
        kernel.yield %n : ACT
      }
      kernel.return %y : tensor<1x4x4x19xACT>
    })", {4 * 4 * 19}, {16 * 4 * 19}, 4 * 4 * 19},
};

INSTANTIATE_TEST_SUITE_P(Families, NarrowTest, testing::ValuesIn(cases), [](const testing::TestParamInfo<Case> &info) { return std::string(info.param.name); });

} // namespace
} // namespace hb::test
