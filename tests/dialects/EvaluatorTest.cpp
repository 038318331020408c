// The reference evaluator against numbers worked out by hand (or by a formula that shares no code with it).
#include "dialects/nn/reference/Evaluator.h"
#include "dialects/nn/reference/Kernels.h"
#include "runtime/base/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace hb;
using nn::Tensor;

namespace {

/// Parses a module, calls @f on the arguments and returns its first result.
class Program {
public:
  explicit Program(const std::string &text) {
    context_.loadDialect<nn::NnDialect, mlir::func::FuncDialect>();
    module_ = mlir::parseSourceString<mlir::ModuleOp>(text, &context_);
  }

  std::vector<Tensor> run(std::vector<Tensor> arguments, nn::ParameterReader parameters = {}) {
    EXPECT_TRUE(module_);
    return nn::Evaluator(std::move(parameters)).call(module_->lookupSymbol<mlir::func::FuncOp>("f"), arguments);
  }

private:
  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
};

/// `func @f(%x: type) -> result` around one op text that defines %y.
std::vector<double> unary(const std::string &op, const std::string &type, const std::string &result, Tensor x) {
  Program program("func.func @f(%x: tensor<" + type + ">) -> tensor<" + result + "> { %y = " + op + " return %y : tensor<" + result + "> }");
  return *program.run({std::move(x)}).front().elements;
}

void expectNear(const std::vector<double> &found, const std::vector<double> &expected, double limit = 1e-12) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], limit) << "element " << i;
}

TEST(Evaluator, UnaryFunctions) {
  const double x = 0.7, s = 1 / (1 + std::exp(-x));
  auto at = [&](const char *name, double v) { return unary(std::string("nn.unary ") + name + " %x : tensor<1xf64>", "1xf64", "1xf64", Tensor({1}, {v}))[0]; };
  EXPECT_NEAR(at("silu", x), x * s, 1e-15);
  EXPECT_NEAR(at("gelu", 1.0), 0.8413447460685429, 1e-15); // Φ(1)
  EXPECT_NEAR(at("gelu", -1.0), -0.15865525393145707, 1e-15);
  EXPECT_NEAR(at("quick_gelu", 1.0), 1 / (1 + std::exp(-1.702)), 1e-15);
  EXPECT_NEAR(at("sigmoid", x), s, 1e-15);
  EXPECT_EQ(at("relu", -2), 0);
  EXPECT_EQ(at("relu", 2), 2);
  EXPECT_EQ(at("neg", 2), -2);
  EXPECT_EQ(at("abs", -2), 2);
  EXPECT_NEAR(at("sqrt", 2), 1.4142135623730951, 1e-15);
  EXPECT_NEAR(at("log", 2), 0.6931471805599453, 1e-15);
  EXPECT_NEAR(at("tanh", 1), 0.7615941559557649, 1e-15);
  EXPECT_TRUE(std::isnan(at("relu", std::nan(""))));
}

TEST(Evaluator, SineRoundsItsAngleToTheType) {
  // 999.7 is not a float32; at this size the difference shows in the fifth digit of the sine.
  double angle = 999.7;
  std::vector<double> y = unary("nn.unary sin %x : tensor<1xf32>", "1xf32", "1xf32", Tensor({1}, {angle}));
  EXPECT_DOUBLE_EQ(y[0], std::sin(static_cast<double>(static_cast<float>(angle))));
  EXPECT_NE(y[0], std::sin(angle));
}

TEST(Evaluator, BinaryBroadcasts) {
  Program program("func.func @f(%a: tensor<2x1xf64>, %b: tensor<3xf64>) -> tensor<2x3xf64> {"
                  " %y = nn.binary sub %a, %b : (tensor<2x1xf64>, tensor<3xf64>) -> tensor<2x3xf64> return %y : tensor<2x3xf64> }");
  expectNear(*program.run({Tensor({2, 1}, {10, 20}), Tensor({3}, {1, 2, 3})}).front().elements, {9, 8, 7, 19, 18, 17});
}

/// The mask was computed by a Python program from the formulas in nn.dropout's description.
TEST(Evaluator, DropoutMask) {
  Program program("func.func @f(%x: tensor<16xf64>, %p: tensor<f32>, %seed: tensor<i64>, %step: tensor<i64>, %site: tensor<i64>) -> tensor<16xf64> {"
                  " %y = nn.dropout %x drop(%p, %seed, %step, %site) : (tensor<16xf64>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<16xf64> return %y : tensor<16xf64> }");
  auto mask = [&](double p, double seed, double step, double site) {
    std::vector<Tensor> y = program.run({Tensor({16}, std::vector<double>(16, 1.0)), Tensor({}, {p}), Tensor({}, {seed}), Tensor({}, {step}), Tensor({}, {site})});
    std::string bits;
    for (double value : *y.front().elements) {
      EXPECT_TRUE(value == 0 || value == 1 / (1 - p));
      bits += value == 0 ? '0' : '1';
    }
    return bits;
  };
  EXPECT_EQ(mask(0.25, 123456789012, 3, 4000000000), "0011011100100010");
  EXPECT_EQ(mask(0.25, 123456789012, 4, 4000000000), "1111111011100111");
  EXPECT_EQ(mask(0.25, 123456789012, 3, 4000000001), "1011010110000111");
  EXPECT_EQ(mask(0.25, 123456789013, 3, 4000000000), "1011011101101100");
  EXPECT_EQ(mask(0, 1, 2, 3), "1111111111111111");
}

TEST(Evaluator, LinearsAndTheirUpdates) {
  Program lora("func.func @f(%x: tensor<1x2xf64>, %w: tensor<2x2xf64>, %bias: tensor<2xf64>, %a: tensor<1x2xf64>, %b: tensor<2x1xf64>, %s: tensor<1xf64>)"
               " -> tensor<1x2xf64> { %y = nn.lora_linear %x, %w, bias(%bias), lora(%a, %b, %s) : (tensor<1x2xf64>, tensor<2x2xf64>, tensor<2xf64>,"
               " tensor<1x2xf64>, tensor<2x1xf64>, tensor<1xf64>) -> tensor<1x2xf64> return %y : tensor<1x2xf64> }");
  Tensor x({1, 2}, {1, 2}), w({2, 2}, {1, 2, 3, 4}), bias({2}, {10, 20}), a({1, 2}, {1, -1}), b({2, 1}, {5, 6}), s({1}, {0.5});
  // x·Wᵀ = [5, 11]; x·Aᵀ = -1, times 0.5, times B = [-2.5, -3].
  expectNear(*lora.run({x, w, bias, a, b, s}).front().elements, {12.5, 28});
  // Two merged linears with a row each and one row without an adapter: the blocks see their own half of the rank.
  Program merged("func.func @f(%x: tensor<1x2xf64>, %w: tensor<3x2xf64>, %a: tensor<2x2xf64>, %b: tensor<2x1xf64>, %s: tensor<2xf64>) -> tensor<1x3xf64> {"
                 " %y = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 1, 2>} : (tensor<1x2xf64>, tensor<3x2xf64>, tensor<2x2xf64>,"
                 " tensor<2x1xf64>, tensor<2xf64>) -> tensor<1x3xf64> return %y : tensor<1x3xf64> }");
  // x·Aᵀ∘s = [-1·0.5, 3·2]; rows: 5 + 5·(-0.5), 11 + 6·6, 1.
  expectNear(*merged.run({x, Tensor({3, 2}, {1, 2, 3, 4, 1, 0}), Tensor({2, 2}, {1, -1, 1, 1}), b, Tensor({2}, {0.5, 2})}).front().elements, {2.5, 47, 1});
  Program gated("func.func @f(%x: tensor<1x2xf64>, %w: tensor<2x2xf64>) -> tensor<1x1xf64> {"
                " %y = nn.gated_linear relu %x, %w : (tensor<1x2xf64>, tensor<2x2xf64>) -> tensor<1x1xf64> return %y : tensor<1x1xf64> }");
  expectNear(*gated.run({x, w}).front().elements, {55});
}

TEST(Evaluator, MatmulBothWays) {
  Tensor a({2, 2}, {1, 2, 3, 4}), b({2, 2}, {5, 6, 7, 8});
  expectNear(*nn::reference::matmul(a, b, false, false).elements, {19, 22, 43, 50});
  expectNear(*nn::reference::matmul(a, b, false, true).elements, {17, 23, 39, 53});
  expectNear(*nn::reference::matmul(a, b, true, false).elements, {26, 30, 38, 44});
  expectNear(*nn::reference::matmul(a, b, true, true).elements, {23, 31, 34, 46});
}

TEST(Evaluator, ConvolutionPadsAndStrides) {
  // A 3x3 sum over a 3x3 picture of 1 … 9, padded below and right only, stride 2.
  Tensor x({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), w({1, 1, 3, 3}, std::vector<double>(9, 1)), bias({1}, {100});
  nn::reference::ConvGeometry geometry{2, 2, 0, 0, 1, 1};
  expectNear(*nn::reference::conv2d(x, w, &bias, geometry, false).elements, {145});
  geometry = {2, 2, 1, 1, 2, 2};
  expectNear(*nn::reference::conv2d(x, w, nullptr, geometry, false).elements, {12, 16, 24, 28});
  // Cross-correlation: the kernel is not flipped.
  Tensor corner({1, 1, 3, 3}, {1, 0, 0, 0, 0, 0, 0, 0, 0});
  geometry = {1, 1, 0, 0, 1, 1};
  expectNear(*nn::reference::conv2d(x, corner, nullptr, geometry, false).elements, {1});
}

TEST(Evaluator, AttentionMasksAndHeads) {
  // One head of width 1: weights exp(q·k) normalised.
  Tensor q({1, 2, 1}, {0, 1}), k({1, 2, 1}, {0, 2}), v({1, 2, 1}, {3, 7});
  double e = std::exp(2.0);
  expectNear(*nn::reference::attention(q, k, v, nullptr, {1, 1, false}).elements, {5, (3 + 7 * e) / (1 + e)});
  expectNear(*nn::reference::attention(q, k, v, nullptr, {1, 1, true}).elements, {3, (3 + 7 * e) / (1 + e)});
  Tensor mask({1, 1, 2}, {0, -1e30});
  expectNear(*nn::reference::attention(q, k, v, &mask, {1, 1, false}).elements, {3, 3});
  // Two heads side by side do not see each other.
  Tensor two({1, 1, 2}, {1, 5});
  expectNear(*nn::reference::attention(two, two, two, nullptr, {2, 1, false}).elements, {1, 5});
}

TEST(Evaluator, NormsUsePopulationVariance) {
  Tensor x({1, 2}, {1, 3}), w({2}, {2, 2}), b({2}, {1, 1});
  expectNear(*nn::reference::layerNorm(x, w, b, 0).elements, {-1, 3});
  // Two groups of two channels, one pixel each: every group is ±1.
  Tensor picture({1, 4, 1, 1}, {1, 3, 10, 20}), ones({4}, {1, 1, 1, 1}), zeros({4}, {0, 0, 0, 0});
  expectNear(*nn::reference::groupNorm(picture, ones, zeros, 2, 0, false).elements, {-1, 1, -1, 1});
  Tensor last({1, 1, 1, 4}, {1, 3, 10, 20});
  expectNear(*nn::reference::groupNorm(last, ones, zeros, 2, 0, true).elements, {-1, 1, -1, 1});
  expectNear(*nn::reference::l2Normalize(Tensor({2}, {3, 4}), 1e-12).elements, {0.6, 0.8});
  expectNear(*nn::reference::softmax(Tensor({2}, {1000, 1000})).elements, {0.5, 0.5});
}

TEST(Evaluator, Pictures) {
  Tensor x({1, 1, 1, 3}, {1, 2, 3});
  expectNear(*nn::reference::resizeNearest(x, 1, 6, false).elements, {1, 1, 2, 2, 3, 3});
  // Bins of 3 → 2 overlap: [0, 2) and [1, 3).
  expectNear(*nn::reference::adaptiveAvgPool(x, 1, 2, false).elements, {1.5, 2.5});
}

TEST(Evaluator, MovesElements) {
  Tensor x({2, 3}, {1, 2, 3, 4, 5, 6});
  std::vector<int64_t> swap = {1, 0}, offsets = {0, 1}, axis0 = {0}, axis1 = {1};
  expectNear(*nn::reference::transpose(x, swap).elements, {1, 4, 2, 5, 3, 6});
  expectNear(*nn::reference::slice(x, offsets, {2, 2}).elements, {2, 3, 5, 6});
  expectNear(*nn::reference::concat({x, x}, 1).elements, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
  expectNear(*nn::reference::broadcast(Tensor({2, 1}, {1, 2}), {2, 2}).elements, {1, 1, 2, 2});
  auto sum = [](double a, double b) { return a + b; };
  expectNear(*nn::reference::reduce(x, axis0, 0, sum).elements, {5, 7, 9});
  expectNear(*nn::reference::reduce(x, axis1, 0, sum).elements, {6, 15});
  expectNear(*nn::reference::argmax(Tensor({2, 3}, {1, 7, 7, 5, 4, 3})).elements, {1, 0});
  expectNear(*nn::reference::gather(x, Tensor({2}, {1, 0}), false, "g").elements, {4, 5, 6, 1, 2, 3});
  expectNear(*nn::reference::gather(x, Tensor({2}, {2, 0}), true, "g").elements, {3, 4});
}

TEST(Evaluator, LoopsCountAndCarry) {
  Program program("func.func @f(%n: tensor<i64>, %x: tensor<1xf64>) -> tensor<1xf64> {"
                  " %r = nn.repeat count(%n) max 5 inits(%x) : (tensor<i64>, tensor<1xf64>) -> tensor<1xf64> {"
                  " ^bb0(%i: tensor<i64>, %c: tensor<1xf64>):"
                  "   %j = nn.cast %i : tensor<i64> to tensor<f64>"
                  "   %s = nn.binary add %c, %j : (tensor<1xf64>, tensor<f64>) -> tensor<1xf64>"
                  "   nn.yield %s : tensor<1xf64> } return %r : tensor<1xf64> }");
  expectNear(*program.run({Tensor({}, {4}), Tensor({1}, {10})}).front().elements, {16});
  expectNear(*program.run({Tensor({}, {0}), Tensor({1}, {10})}).front().elements, {10});
  EXPECT_THROW(program.run({Tensor({}, {6}), Tensor({1}, {10})}), Error);
}

TEST(Evaluator, ParametersAndAdapters) {
  const std::string text = "func.func @f() -> (tensor<2xf16>, tensor<2xf32>) { %w = nn.param \"unet\" \"w\" : tensor<2xf16>"
                           " %a = nn.param \"adapter:unet\" \"x.lora_A\" : tensor<2xf32> return %w, %a : tensor<2xf16>, tensor<2xf32> }";
  Program program(text);
  auto results = program.run({}, [](llvm::StringRef scope, llvm::StringRef key, mlir::RankedTensorType) {
    return scope == "unet" && key == "w" ? std::vector<double>{1, 2} : std::vector<double>{};
  });
  expectNear(*results[0].elements, {1, 2});
  expectNear(*results[1].elements, {0, 0}); // an adapter that is not there adds nothing
  auto failure = [&](auto action) {
    try {
      action();
    } catch (const Error &error) {
      return error.number();
    }
    return 0;
  };
  EXPECT_EQ(failure([&] { program.run({}); }), 811);
  EXPECT_EQ(failure([&] { program.run({Tensor({1}, {0})}); }), 813);
  EXPECT_EQ(failure([&] { nn::reference::gather(Tensor({2}, {1, 2}), Tensor({1}, {2}), false, "g"); }), 810);
  EXPECT_EQ(failure([&] { nn::reference::gather(Tensor({2}, {1, 2}), Tensor({1}, {-1}), false, "g"); }), 810);
}

TEST(Evaluator, ConstantsRoundToTheirType) {
  mlir::MLIRContext context;
  auto type = mlir::RankedTensorType::get({2}, mlir::Float16Type::get(&context));
  mlir::DenseElementsAttr elements = nn::elementsOf(Tensor({2}, {1.0 / 3, 2049}), type);
  expectNear(*nn::tensorOf(elements, mlir::UnknownLoc::get(&context)).elements, {0.333251953125, 2048}, 0);
}

} // namespace
