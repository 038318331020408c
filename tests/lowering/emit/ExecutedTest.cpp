// What kernels are said to execute, against numbers worked out by hand from how they are built. AVX-512: 16 lanes.
#include "lowering/emit/x86/Executed.h"

#include "dialects/kernel/Kernel.h"
#include "lowering/kernels/Cost.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace hb {
namespace {

struct Counts {
  int64_t algorithm = 0, wide = 0, narrow = 0; ///< executed with 16 and with 8 lanes
};

Counts countsOf(const std::string &arguments, const std::string &op) {
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect, arith::ArithDialect, func::FuncDialect>();
  auto module = parseSourceString<ModuleOp>("func.func @f(" + arguments + ") { " + op + " return }", ParserConfig(&context));
  if (!module) {
    ADD_FAILURE() << op;
    return {};
  }
  Operation *kernel = &cast<func::FuncOp>(module->getBody()->front()).getBody().front().front();
  const x86::X86Target wide{"x86-64-v4", "", {}, 16}, narrow{"x86-64-v3", "", {}, 8};
  return {kernelFlops(kernel), x86::executedFlops(kernel, wide), x86::executedFlops(kernel, narrow)};
}

const std::string kIdentity = " { ^bb0(%acc: f32): kernel.yield %acc : f32 } ";

TEST(Executed, WinogradDoesFourNinthsAndItsTransforms) {
  // 64 tiles of 2×2 points, 32 to 48 channels: 16 planes instead of 4 points of 9 taps.
  Counts planes = countsOf("%v: tensor<16x64x32xf32>, %w: tensor<48x32x3x3xf32, #kernel.packed<winograd_f2>>",
                           "%p = kernel.contract planes a(%v : tensor<16x64x32xf32>) weight(%w : tensor<48x32x3x3xf32, #kernel.packed<winograd_f2>>) {maps = []} -> tensor<16x64x48xf32>" + kIdentity);
  EXPECT_EQ(planes.algorithm, 2LL * (64 * 4) * 9 * 32 * 48);
  EXPECT_EQ(planes.wide, 2LL * 16 * 64 * 32 * 48);
  EXPECT_EQ(planes.wide * 9, planes.algorithm * 4);
  EXPECT_EQ(planes.narrow, planes.wide);
  // Four additions for each of the four columns of a tile, then for each of its four rows.
  EXPECT_EQ(countsOf("%x: tensor<1x18x18x32xf32>", "%v = kernel.winograd_input %x {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x64x32xf32>").wide, 64LL * 32 * (4 + 4) * 4);
  // The other way: four columns, two rows; and the epilogue's operation on each of the four points.
  Counts output = countsOf("%p: tensor<16x64x48xf32>", "%y = kernel.winograd_output %p {m = array<i64: 2, 2>, maps = []} : tensor<16x64x48xf32> -> tensor<1x16x16x48xf32>"
                                                       " { ^bb0(%acc: f32): %r = arith.negf %acc : f32 kernel.yield %r : f32 }");
  EXPECT_EQ(output.algorithm, 16LL * 16 * 48);
  EXPECT_EQ(output.wide, 16LL * 16 * 48 + 64 * 48 * (4 + 2) * 4);
}

Counts vjp(int batch, int queries, int keys, int heads, int width, bool causal = false) {
  auto type = [&](int rows, int columns) { return "tensor<" + std::to_string(batch) + "x" + std::to_string(rows) + "x" + std::to_string(columns) + "xf32>"; };
  const std::string q = type(queries, heads * width), k = type(keys, heads * width), delta = type(queries, heads),
                    stats = "tensor<" + std::to_string(batch) + "x" + std::to_string(heads) + "x2x" + std::to_string(queries) + "xf32>";
  return countsOf("%q: " + q + ", %k: " + k + ", %s: " + stats + ", %d: " + delta,
                  "%a, %b, %c = kernel.attention_vjp q(%q : " + q + ") k(%k : " + k + ") v(%k : " + k + ") dy(%q : " + q + ") stats(%s : " + stats + ") delta(%d : " + delta + ") {" +
                      (causal ? "causal, " : "") + "heads = " + std::to_string(heads) + " : i64, scale = 0.125 : f64} -> " + q + ", " + k + ", " + k);
}

TEST(Executed, AttentionsGradientDoesFiveProductsOrSeven) {
  Counts heads = vjp(2, 256, 256, 10, 64); // heads enough: one pass
  EXPECT_EQ(heads.algorithm, 5LL * 2 * 2 * 10 * 256 * 256 * 64);
  EXPECT_EQ(heads.wide, heads.algorithm);
  Counts blocks = vjp(1, 256, 256, 4, 64); // tasks are blocks: scores and their gradients twice
  EXPECT_EQ(blocks.algorithm, 5LL * 2 * 4 * 256 * 256 * 64);
  EXPECT_EQ(blocks.wide * 5, blocks.algorithm * 7);
  // 77 keys take 80 lanes of either width; two products have them there, three the head's columns.
  Counts text = vjp(2, 64, 77, 10, 64);
  EXPECT_EQ(text.algorithm, 5LL * 2 * 20 * 64 * 77 * 64);
  EXPECT_EQ(text.wide, 2LL * 20 * 64 * 64 * (2 * 80 + 3 * 77));
  EXPECT_EQ(text.narrow, text.wide);
  // Heads of 24 columns: 32 of them with 16 lanes, in the three products that have them on lanes.
  Counts narrow = vjp(1, 64, 64, 8, 24);
  EXPECT_EQ(narrow.wide, 2LL * 8 * 64 * 64 * (2 * 24 + 3 * 32));
  EXPECT_EQ(narrow.narrow, narrow.algorithm);
}

TEST(Executed, CausalBlocksThatAreHiddenAreNotDone) {
  // One block of 512 keys for each head: all 1024 queries meet the first, the second is met by those from 512 on.
  Counts causal = vjp(1, 1024, 1024, 8, 64, true), whole = vjp(1, 1024, 1024, 8, 64);
  EXPECT_EQ(causal.algorithm, whole.algorithm);
  EXPECT_EQ(causal.wide * 4, whole.wide * 3);
  EXPECT_LT(causal.narrow, causal.wide); // blocks of 256 keys there
}

TEST(Executed, AttentionPadsQueriesToVectors) {
  const std::string q = "tensor<1x77x64xf32>";
  Counts forward = countsOf("%q: " + q, "%y = kernel.attention q(%q : " + q + ") k(%q : " + q + ") v(%q : " + q + ") {heads = 1 : i64, scale = 0.125 : f64} -> " + q);
  EXPECT_EQ(forward.algorithm, 4LL * 77 * 77 * 64);
  EXPECT_EQ(forward.wide, 4LL * 80 * 77 * 64);
  const std::string r = "tensor<1x36x64xf32>";
  Counts few = countsOf("%q: " + r, "%y = kernel.attention q(%q : " + r + ") k(%q : " + r + ") v(%q : " + r + ") {heads = 1 : i64, scale = 0.125 : f64} -> " + r);
  EXPECT_EQ(few.wide, 4LL * 48 * 36 * 64);
  EXPECT_EQ(few.narrow, 4LL * 40 * 36 * 64);
}

TEST(Executed, PanelsAreWhole) {
  const std::string rows = "tensor<10x64xf32>", panel = ", #kernel.packed<panel16>>";
  auto linear = [&](int columns, const std::string &more, const std::string &moreArguments) {
    const std::string weight = "tensor<" + std::to_string(columns) + "x64xf32" + panel;
    return countsOf("%x: " + rows + ", %w: " + weight + moreArguments,
                    "%y = kernel.contract linear a(%x : " + rows + ") weight(%w : " + weight + ")" + more + " -> tensor<10x" + std::to_string(columns) + "xf32>" + kIdentity);
  };
  Counts plain = linear(40, " {maps = []}", "");
  EXPECT_EQ(plain.algorithm, 2LL * 10 * 64 * 40);
  EXPECT_EQ(plain.wide, 2LL * 10 * 64 * 48);
  // An adapter of rank 4: its first factor is a panel of 16 columns, its second has 4 terms in each of the 48 columns; the scale counts as before.
  const std::string la = "tensor<4x64xf32" + panel, lb = "tensor<40x4xf32" + panel;
  Counts adapted = linear(40, " lora(%a : " + la + ", %b : " + lb + ", %s : tensor<4xf32>) {maps = []}", ", %a: " + la + ", %b: " + lb + ", %s: tensor<4xf32>");
  EXPECT_EQ(adapted.algorithm, plain.algorithm + 2LL * 10 * (4 * 64 + 40 * 4) + 10 * 4);
  EXPECT_EQ(adapted.wide, plain.wide + 2LL * 10 * (16 * 64 + 48 * 4) + 10 * 4);
  // Two merged linears of 40 columns, rank 2 each. Tiles of 48 columns: the first meets both blocks, the second one; with 8 lanes tiles of 16: one of five meets both.
  const std::string da = "tensor<4x64xf32" + panel, db = "tensor<80x4xf32, #kernel.packed<diagonal_panel16>>";
  Counts merged = linear(80, " lora(%a : " + da + ", %b : " + db + ", %s : tensor<4xf32>) {lora_blocks = array<i64: 40, 80>, maps = []}", ", %a: " + da + ", %b: " + db + ", %s: tensor<4xf32>");
  const int64_t without = linear(80, " {maps = []}", "").wide + 2LL * 10 * 16 * 64 + 10 * 4;
  EXPECT_EQ(merged.wide, without + 2LL * 10 * (48 * 4 + 32 * 2));
  EXPECT_EQ(merged.narrow, without + 2LL * 10 * (16 * 4 + 64 * 2));
}

TEST(Executed, OuterProductsPadTheWideSide) {
  Counts outer = countsOf("%a: tensor<77x4xf32>, %b: tensor<77x40xf32>",
                          "%y = kernel.contract outer a(%a : tensor<77x4xf32>) weight(%b : tensor<77x40xf32>) {maps = []} -> tensor<4x40xf32>" + kIdentity);
  EXPECT_EQ(outer.algorithm, 2LL * 77 * 4 * 40);
  EXPECT_EQ(outer.wide, 2LL * 77 * 4 * 48);
  EXPECT_EQ(outer.narrow, outer.algorithm);
}

} // namespace
} // namespace hb
