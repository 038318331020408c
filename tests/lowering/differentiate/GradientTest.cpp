// Every gradient rule against central differences in float64: for a random direction v of one operand and a random cotangent c of the
// result, ⟨c, (f(x + hv) − f(x − hv)) / 2h⟩ must be ⟨gradient, v⟩.
#include "dialects/nn/reference/Evaluator.h"
#include "lowering/differentiate/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace hb;
using nn::Tensor;

namespace {

/// An op as text: operands are %0, %1, …; `types` are their shapes, `wrt` the operands to differentiate for.
struct Rule {
  const char *name;
  std::vector<std::string> shapes;
  std::string op, result;
  std::vector<int> wrt;
  double low = -1, high = 1; ///< range of the operands' values
};

std::string tensorType(const std::string &shape) { return "tensor<" + (shape.empty() ? std::string("f64") : shape + "xf64") + ">"; }

nn::Shape shapeOf(const std::string &text) {
  nn::Shape shape;
  size_t at = 0;
  while (at < text.size()) {
    shape.push_back(std::stoll(text.substr(at)));
    at = text.find('x', at);
    at = at == std::string::npos ? text.size() : at + 1;
  }
  return shape;
}

const std::vector<Rule> &rules() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> list = {
        {"add", {"3x4", "4"}, "nn.binary add %0, %1 : (tensor<3x4xf64>, tensor<4xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}},
        {"sub", {"3x1", "3x4"}, "nn.binary sub %0, %1 : (tensor<3x1xf64>, tensor<3x4xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}},
        {"mul", {"3x4", "1x4"}, "nn.binary mul %0, %1 : (tensor<3x4xf64>, tensor<1x4xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}},
        {"square", {"3x4"}, "nn.binary mul %0, %0 : (tensor<3x4xf64>, tensor<3x4xf64>) -> tensor<3x4xf64>", "3x4", {0}},
        {"div", {"3x4", "3x1"}, "nn.binary div %0, %1 : (tensor<3x4xf64>, tensor<3x1xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}, 0.5, 2},
        {"max", {"3x4", "4"}, "nn.binary max %0, %1 : (tensor<3x4xf64>, tensor<4xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}},
        {"min", {"4", "3x4"}, "nn.binary min %0, %1 : (tensor<4xf64>, tensor<3x4xf64>) -> tensor<3x4xf64>", "3x4", {0, 1}},
        {"clamp", {"5x7"}, "nn.clamp %0 [-0.5, 0.25] : tensor<5x7xf64>", "5x7", {0}},
        {"linear", {"2x3x5", "4x5", "4"}, "nn.linear %0, %1, %2 : (tensor<2x3x5xf64>, tensor<4x5xf64>, tensor<4xf64>) -> tensor<2x3x4xf64>", "2x3x4", {0, 1, 2}},
        {"lora_linear", {"2x3x5", "4x5", "4", "2x5", "4x2", "2"},
         "nn.lora_linear %0, %1, bias(%2), lora(%3, %4, %5) : (tensor<2x3x5xf64>, tensor<4x5xf64>, tensor<4xf64>, tensor<2x5xf64>, tensor<4x2xf64>, tensor<2xf64>) -> "
         "tensor<2x3x4xf64>", "2x3x4", {0, 3, 4}},
        {"dropout", {"3x40"}, "nn.dropout %0 drop(%p, %seed, %step, %site) : (tensor<3x40xf64>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<3x40xf64>", "3x40", {0}},
        {"lora_linear_dropout", {"2x3x5", "4x5", "4", "2x5", "4x2", "2"},
         "nn.lora_linear %0, %1, bias(%2), lora(%3, %4, %5) drop(%p, %seed, %step, %site) : (tensor<2x3x5xf64>, tensor<4x5xf64>, tensor<4xf64>, tensor<2x5xf64>, "
         "tensor<4x2xf64>, tensor<2xf64>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x3x4xf64>", "2x3x4", {0, 3, 4}},
        {"gated_linear_dropout", {"4x5", "6x5", "2x5", "6x2", "2"},
         "nn.gated_linear gelu %0, %1 lora(%2, %3, %4) drop(%p, %seed, %step, %site) : (tensor<4x5xf64>, tensor<6x5xf64>, tensor<2x5xf64>, tensor<6x2xf64>, tensor<2xf64>, "
         "tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<4x3xf64>", "4x3", {0, 2, 3}},
        {"gated_linear", {"2x5", "6x5", "6", "2x5", "6x2", "2"},
         "nn.gated_linear gelu %0, %1 bias(%2) lora(%3, %4, %5) : (tensor<2x5xf64>, tensor<6x5xf64>, tensor<6xf64>, tensor<2x5xf64>, tensor<6x2xf64>, tensor<2xf64>) -> "
         "tensor<2x3xf64>", "2x3", {0, 3, 4}},
        {"gated_linear_plain", {"2x5", "6x5"}, "nn.gated_linear silu %0, %1 : (tensor<2x5xf64>, tensor<6x5xf64>) -> tensor<2x3xf64>", "2x3", {0}},
        {"conv2d", {"2x3x7x6", "4x3x3x3", "4"},
         "nn.conv2d %0, %1, %2 {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<2x3x7x6xf64>, tensor<4x3x3x3xf64>, "
         "tensor<4xf64>) -> tensor<2x4x7x6xf64>", "2x4x7x6", {0}},
        {"conv2d_strided", {"1x7x6x3", "4x3x3x2"},
         "nn.conv2d %0, %1 {layout = #nn.layout<nhwc>, strides = array<i64: 2, 3>, padding = array<i64: 0, 1, 2, 0>} : (tensor<1x7x6x3xf64>, tensor<4x3x3x2xf64>) -> "
         "tensor<1x3x3x4xf64>", "1x3x3x4", {0}},
        {"attention", {"2x5x6", "2x4x6", "2x4x9"},
         "nn.attention %0, %1, %2 {heads = 3 : i64, scale = 0.7 : f64} : (tensor<2x5x6xf64>, tensor<2x4x6xf64>, tensor<2x4x9xf64>) -> tensor<2x5x9xf64>", "2x5x9", {0, 1, 2}},
        {"attention_masked", {"2x4x6", "2x4x6", "2x4x6", "1x4x4"},
         "nn.attention %0, %1, %2, %3 {heads = 2 : i64, scale = 0.5 : f64, causal} : (tensor<2x4x6xf64>, tensor<2x4x6xf64>, tensor<2x4x6xf64>, tensor<1x4x4xf64>) -> "
         "tensor<2x4x6xf64>", "2x4x6", {0, 1, 2}},
        {"group_norm", {"2x6x3x4", "6", "6"},
         "nn.group_norm %0, %1, %2 {groups = 3 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<2x6x3x4xf64>, tensor<6xf64>, tensor<6xf64>) -> tensor<2x6x3x4xf64>",
         "2x6x3x4", {0}},
        {"group_norm_last", {"2x3x4x6", "6", "6"},
         "nn.group_norm %0, %1, %2 {groups = 2 : i64, eps = 1.0e-3 : f64, layout = #nn.layout<nhwc>} : (tensor<2x3x4x6xf64>, tensor<6xf64>, tensor<6xf64>) -> tensor<2x3x4x6xf64>",
         "2x3x4x6", {0}},
        {"layer_norm", {"3x7", "7", "7"}, "nn.layer_norm %0, %1, %2 {eps = 1.0e-5 : f64} : (tensor<3x7xf64>, tensor<7xf64>, tensor<7xf64>) -> tensor<3x7xf64>", "3x7", {0}},
        {"softmax", {"3x5"}, "nn.softmax %0 : tensor<3x5xf64>", "3x5", {0}},
        {"l2_normalize", {"3x5"}, "nn.l2_normalize %0 {eps = 1.0e-12 : f64} : tensor<3x5xf64>", "3x5", {0}},
        {"l2_normalize_short", {"3x5"}, "nn.l2_normalize %0 {eps = 100.0 : f64} : tensor<3x5xf64>", "3x5", {0}},
        {"sum", {"3x4x5"}, "nn.reduce sum %0 {axes = array<i64: 0, 2>} : tensor<3x4x5xf64> -> tensor<4xf64>", "4", {0}},
        {"mean", {"3x4x5"}, "nn.reduce mean %0 {axes = array<i64: 1>} : tensor<3x4x5xf64> -> tensor<3x5xf64>", "3x5", {0}},
        {"reduce_max", {"3x4x5"}, "nn.reduce max %0 {axes = array<i64: 1>} : tensor<3x4x5xf64> -> tensor<3x5xf64>", "3x5", {0}},
        {"concat", {"2x3", "2x4", "2x3"}, "nn.concat %0, %1, %0 {axis = 1 : i64} : (tensor<2x3xf64>, tensor<2x4xf64>, tensor<2x3xf64>) -> tensor<2x10xf64>", "2x10", {0, 1}},
        {"slice", {"4x6"}, "nn.slice %0 {offsets = array<i64: 1, 2>} : tensor<4x6xf64> -> tensor<2x3xf64>", "2x3", {0}},
        {"reshape", {"4x6"}, "nn.reshape %0 : tensor<4x6xf64> -> tensor<3x8xf64>", "3x8", {0}},
        {"transpose", {"2x3x4"}, "nn.transpose %0 {permutation = array<i64: 2, 0, 1>} : tensor<2x3x4xf64> -> tensor<4x2x3xf64>", "4x2x3", {0}},
        {"broadcast", {"3x1"}, "nn.broadcast %0 : tensor<3x1xf64> -> tensor<2x3x4xf64>", "2x3x4", {0}},
        {"cast", {"3x4"}, "nn.cast %0 : tensor<3x4xf64> to tensor<3x4xf64>", "3x4", {0}},
        {"resize_nearest", {"1x2x3x4"}, "nn.resize_nearest %0 {layout = #nn.layout<nchw>} : tensor<1x2x3x4xf64> -> tensor<1x2x7x8xf64>", "1x2x7x8", {0}},
        {"adaptive_avg_pool", {"1x2x7x9"}, "nn.adaptive_avg_pool %0 {layout = #nn.layout<nchw>} : tensor<1x2x7x9xf64> -> tensor<1x2x3x4xf64>", "1x2x3x4", {0}},
        {"adaptive_avg_pool_up", {"1x3x4x2"}, "nn.adaptive_avg_pool %0 {layout = #nn.layout<nhwc>} : tensor<1x3x4x2xf64> -> tensor<1x5x4x2xf64>", "1x5x4x2", {0}},
    };
    for (const char *kind : {"silu", "gelu", "quick_gelu", "exp", "log", "sqrt", "neg", "sigmoid", "tanh", "relu", "abs"}) {
      bool positive = std::string(kind) == "log" || std::string(kind) == "sqrt";
      list.push_back({kind, {"4x5"}, std::string("nn.unary ") + kind + " %0 : tensor<4x5xf64>", "4x5", {0}, positive ? 0.5 : -3.0, 3});
    }
    static const char *flags[] = {"", " {transpose_a}", " {transpose_b}", " {transpose_a, transpose_b}"};
    static const char *names[] = {"matmul", "matmul_ta", "matmul_tb", "matmul_tab"};
    for (int i = 0; i < 4; ++i) {
      std::string a = i & 1 ? "2x5x3" : "2x3x5", b = i & 2 ? "2x4x5" : "2x5x4";
      list.push_back({names[i], {a, b}, std::string("nn.matmul %0, %1") + flags[i] + " : (" + tensorType(a) + ", " + tensorType(b) + ") -> tensor<2x3x4xf64>", "2x3x4", {0, 1}});
    }
    return list;
  }();
  return all;
}

constexpr const char *prelude = "%argp = nn.constant dense<0.4> : tensor<f32> %argseed = nn.constant dense<77> : tensor<i64> %argstep = nn.constant dense<2> : tensor<i64> "
                                "%argsite = nn.constant dense<5> : tensor<i64> %y = ";

class Gradient : public testing::TestWithParam<size_t> {
protected:
  Gradient() { context_.loadDialect<grad::GradDialect, nn::NnDialect, mlir::func::FuncDialect>(); }

  std::vector<Tensor> run(const std::string &text, const std::vector<Tensor> &arguments) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context_);
    EXPECT_TRUE(module) << text;
    mlir::PassManager passes(&context_, mlir::ModuleOp::getOperationName());
    buildDifferentiatePhase(passes);
    EXPECT_TRUE(mlir::succeeded(passes.run(*module)));
    return nn::Evaluator({}).call(module->lookupSymbol<mlir::func::FuncOp>("f"), arguments);
  }

  Tensor random(const nn::Shape &shape, double low, double high) {
    std::uniform_real_distribution<double> uniform(low, high);
    std::vector<double> values(nn::elementCount(shape));
    for (double &value : values)
      value = uniform(engine_);
    return {shape, std::move(values)};
  }

  mlir::MLIRContext context_;
  std::mt19937 engine_{7};
};

double dot(const Tensor &a, const Tensor &b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

TEST_P(Gradient, FollowsCentralDifferences) {
  const Rule &rule = rules()[GetParam()];
  std::string arguments, body = rule.op;
  for (size_t i = 0; i < rule.shapes.size(); ++i)
    arguments += "%arg" + std::to_string(i) + ": " + tensorType(rule.shapes[i]) + ", ";
  for (size_t at = 0; (at = body.find('%', at)) != std::string::npos; at += 4)
    body.insert(at + 1, "arg");
  // What dropout reads besides its tensors.
  if (rule.op.find("drop(") != std::string::npos)
    body = prelude + body;
  else
    body = "%y = " + body;
  std::string out = tensorType(rule.result), grads, gradTypes, wrt, wrtTypes;
  for (int i : rule.wrt) {
    wrt += (wrt.empty() ? "%arg" : ", %arg") + std::to_string(i);
    wrtTypes += ", " + tensorType(rule.shapes[i]);
    gradTypes += (gradTypes.empty() ? "" : ", ") + tensorType(rule.shapes[i]);
  }
  for (size_t i = 0; i < rule.wrt.size(); ++i)
    grads += (i ? ", %g#" : "%g#") + std::to_string(i);
  std::string forward = "func.func @f(" + arguments.substr(0, arguments.size() - 2) + ") -> " + out + " { " + body + " return %y : " + out + " }";
  std::string backward = "func.func @f(" + arguments + "%c: " + out + ") -> (" + gradTypes + ") { " + body + " %g:" + std::to_string(rule.wrt.size()) +
                         " = grad.vjp of(%y) cotangents(%c) wrt(" + wrt + ") : (" + out + ", " + out + wrtTypes + ") -> (" + gradTypes + ") return " + grads + " : " + gradTypes + " }";
  std::vector<Tensor> x;
  for (const std::string &shape : rule.shapes)
    x.push_back(random(shapeOf(shape), rule.low, rule.high));
  Tensor cotangent = random(shapeOf(rule.result), -1, 1);
  std::vector<Tensor> all = x;
  all.push_back(cotangent);
  std::vector<Tensor> gradients = run(backward, all);
  for (size_t i = 0; i < rule.wrt.size(); ++i) {
    Tensor direction = random(x[rule.wrt[i]].shape, -1, 1);
    constexpr double h = 1e-5;
    auto moved = [&](double by) {
      std::vector<Tensor> at = x;
      at[rule.wrt[i]] = nn::Tensor(direction.shape, [&] {
        std::vector<double> values(direction.size());
        for (int64_t j = 0; j < direction.size(); ++j)
          values[j] = x[rule.wrt[i]][j] + by * direction[j];
        return values;
      }());
      return dot(run(forward, at).front(), cotangent);
    };
    double expected = (moved(h) - moved(-h)) / (2 * h), found = dot(gradients[i], direction);
    EXPECT_NEAR(found, expected, 1e-7 * std::max(1.0, std::fabs(expected))) << rule.name << ", operand " << rule.wrt[i];
    EXPECT_GT(std::fabs(expected), 1e-6) << "the case says nothing";
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, Gradient, testing::Range<size_t>(0, rules().size()), [](const auto &info) { return std::string(rules()[info.param].name); });

} // namespace
