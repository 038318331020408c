// What the timeline reads off finished plans, against what the planner knew while it made them.
#include "lowering/plan/Timeline.h"

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "lowering/kernels/Passes.h"
#include "lowering/plan/Arena.h"
#include "lowering/plan/Passes.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gtest/gtest.h>
#include <numeric>

using namespace mlir;

namespace hb {
namespace {

class TimelineTest : public testing::Test {
protected:
  TimelineTest() { context_.loadDialect<nn::NnDialect, kernel::KernelDialect, plan::PlanDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>(); }

  /// The program of a function on launches of `@square`, or of `nn` ops where it is to go through the kernels phase first.
  plan::ProgramOp planned(const std::string &text, bool fromNn) {
    module_ = parseSourceString<ModuleOp>(text, &context_);
    if (!module_)
      return nullptr;
    PassManager passes(&context_);
    if (fromNn)
      buildKernelsPhase(passes);
    buildPlanPhase(passes);
    if (failed(passes.run(*module_)))
      return nullptr;
    return *module_->getOps<plan::ProgramOp>().begin();
  }

  static int64_t peakOf(const Timeline &timeline) {
    int64_t peak = 0;
    for (const Timeline::Kinds &kinds : timeline.occupied())
      peak = std::max(peak, std::accumulate(kinds.begin(), kinds.end(), int64_t(0)));
    return peak;
  }

  MLIRContext context_;
  OwningOpRef<ModuleOp> module_;
};

constexpr const char *kSquare = R"(
kernel.def @square(%x: tensor<16xf32>) -> tensor<16xf32> attributes {flops = 16 : i64, inplace = [[0, 0]]} {
  %y = kernel.map (%x : tensor<16xf32>) [affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    kernel.yield %b : f32
  }
  kernel.return %y : tensor<16xf32>
}
kernel.def @sum(%x: tensor<16xf32>, %z: tensor<16xf32>) -> tensor<16xf32> attributes {flops = 16 : i64} {
  %y = kernel.map (%x, %z : tensor<16xf32>, tensor<16xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<16xf32> {
  ^bb0(%a: f32, %c: f32):
    %b = arith.addf %a, %c : f32
    kernel.yield %b : f32
  }
  kernel.return %y : tensor<16xf32>
}
)";

TEST_F(TimelineTest, PlacesThatAreTakenOverCountOnce) {
  plan::ProgramOp program = planned(std::string(kSquare) + R"(
func.func @f(%x: tensor<16xf32> {nn.name = "x"}) -> (tensor<16xf32> {nn.name = "y"}) {
  %a = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %b = kernel.launch @square(%a) : (tensor<16xf32>) -> tensor<16xf32>
  %c = kernel.launch @square(%b) : (tensor<16xf32>) -> tensor<16xf32>
  %d = kernel.launch @sum(%b, %c) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %d : tensor<16xf32>
})", false);
  ASSERT_TRUE(program);
  Timeline timeline = timelineOf(program);
  ASSERT_EQ(timeline.values.size(), 3u) << "the last result is an output";
  EXPECT_EQ(timeline.commands, 5);
  EXPECT_EQ(timeline.values[0].begin, 0);
  EXPECT_EQ(timeline.values[0].end, 0) << "the second takes the place of the first";
  EXPECT_EQ(timeline.values[1].begin, 1);
  EXPECT_EQ(timeline.values[1].end, 3);
  EXPECT_EQ(timeline.values[2].begin, 2);
  EXPECT_EQ(peakOf(timeline), 128);
  EXPECT_EQ(static_cast<int64_t>(program.getLowerBound()), 128 + kReadablePadding);
}

TEST_F(TimelineTest, LoopsKeepWhatTheirNextIterationNeeds) {
  plan::ProgramOp program = planned(std::string(kSquare) + R"(
func.func @f(%x: tensor<16xf32> {nn.name = "x"}, %n: tensor<i64> {nn.name = "n"}) -> (tensor<16xf32> {nn.name = "y"}) {
  %a = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %b = kernel.launch @square(%x) : (tensor<16xf32>) -> tensor<16xf32>
  %r = nn.repeat count(%n) max 7 inits(%b) : (tensor<i64>, tensor<16xf32>) -> tensor<16xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<16xf32>):
    %d = kernel.launch @square(%c) : (tensor<16xf32>) -> tensor<16xf32>
    %e = kernel.launch @sum(%d, %a) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
    %s = nn.repeat max 3 inits(%e) : (tensor<16xf32>) -> tensor<16xf32> {
    ^bb0(%j: tensor<i64>, %g: tensor<16xf32>):
      %h = kernel.launch @sum(%g, %a) : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
      nn.yield %h : tensor<16xf32>
    }
    nn.yield %s : tensor<16xf32>
  }
  %y = kernel.launch @square(%r) : (tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
})", false);
  ASSERT_TRUE(program);
  Timeline timeline = timelineOf(program);
  ASSERT_EQ(timeline.loops.size(), 2u);
  EXPECT_EQ(timeline.loops[0].count, 7);
  EXPECT_FALSE(timeline.loops[0].countIsKnown);
  EXPECT_EQ(timeline.loops[1].count, 3);
  EXPECT_TRUE(timeline.loops[1].countIsKnown);
  EXPECT_EQ(timeline.loops[1].depth, 1);
  EXPECT_LT(timeline.loops[0].begin, timeline.loops[1].begin);
  EXPECT_LT(timeline.loops[1].end, timeline.loops[0].end);
  EXPECT_EQ(timeline.values[0].end, timeline.loops[0].end) << "read in both loops, written outside";
  EXPECT_EQ(peakOf(timeline) + kReadablePadding, static_cast<int64_t>(program.getLowerBound()));
}

TEST_F(TimelineTest, AgreesWithThePlannerOnANetwork) {
  plan::ProgramOp program = planned(R"(
func.func @f(%x: tensor<1x32x16x16xf32> {nn.name = "x"}, %n: tensor<i64> {nn.name = "n"}) -> (tensor<1x32x16x16xf32> {nn.name = "y"}, tensor<1x32x16x16xf32> {nn.name = "z"}) {
  %a = nn.unary exp %x : tensor<1x32x16x16xf32>
  %t = nn.transpose %a {permutation = array<i64: 0, 1, 3, 2>} : tensor<1x32x16x16xf32> -> tensor<1x32x16x16xf32>
  %r:2 = nn.repeat count(%n) max 3 inits(%t, %x) : (tensor<i64>, tensor<1x32x16x16xf32>, tensor<1x32x16x16xf32>) -> (tensor<1x32x16x16xf32>, tensor<1x32x16x16xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<1x32x16x16xf32>, %d: tensor<1x32x16x16xf32>):
    %p = nn.transpose %c {permutation = array<i64: 0, 1, 3, 2>} : tensor<1x32x16x16xf32> -> tensor<1x32x16x16xf32>
    %s = nn.binary add %p, %a : (tensor<1x32x16x16xf32>, tensor<1x32x16x16xf32>) -> tensor<1x32x16x16xf32>
    nn.yield %d, %s : tensor<1x32x16x16xf32>, tensor<1x32x16x16xf32>
  }
  return %r#0, %r#1 : tensor<1x32x16x16xf32>, tensor<1x32x16x16xf32>
})", true);
  ASSERT_TRUE(program);
  Timeline timeline = timelineOf(program);
  EXPECT_GT(peakOf(timeline), 3 * 32 * 16 * 16 * 4) << "two carried values that change places, one that waits, one on its way";
  EXPECT_EQ(peakOf(timeline) + kReadablePadding, static_cast<int64_t>(program.getLowerBound()));
}

} // namespace
} // namespace hb
