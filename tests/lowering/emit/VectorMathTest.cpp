// The vector functions against the C library in double precision, through the epilogue of a one-term contraction (y = f(x·1)).
#include "tests/lowering/emit/EmitHarness.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

struct Function {
  const char *op;
  double low, high;
  double absolute, relative; ///< allowed: absolute + relative·|value|
  std::function<double(double)> value;
};

const Function functions[] = {
    {"exp", -100, 88, 1.5e-45, 1.3e-7, [](double x) { return std::exp(x); }},
    {"exp2", -140, 127, 1.5e-45, 1.3e-7, [](double x) { return std::exp2(x); }},
    {"log", 1e-30, 1e30, 1.2e-7, 1.2e-7, [](double x) { return std::log(x); }},
    {"log", 0.25, 4, 1.2e-7, 1.2e-7, [](double x) { return std::log(x); }},
    {"erf", -5, 5, 0, 3e-7, [](double x) { return std::erf(x); }},
    {"tanh", -12, 12, 0, 3e-7, [](double x) { return std::tanh(x); }},
    {"sin", -1e4, 1e4, 1.5e-7, 0, [](double x) { return std::sin(x); }},
    {"cos", -1e4, 1e4, 1.5e-7, 0, [](double x) { return std::cos(x); }},
    {"sqrt", 0, 1e6, 0, 6e-8, [](double x) { return std::sqrt(x); }},
    {"rsqrt", 1e-6, 1e6, 0, 1.8e-7, [](double x) { return 1 / std::sqrt(x); }},
};

/// y[i] = f(x[i]) by `math.<op>`.
std::vector<float> evaluate(const std::string &op, const std::vector<float> &x, const TestTarget &target) {
  const std::string m = std::to_string(x.size()), at = "tensor<" + m + "x1xf32>", yt = "tensor<" + m + "x16xf32>";
  Kernel kernel =
      compileKernel("kernel.def @k(%x: " + at + ", %w: tensor<16x1xf32, #kernel.packed<panel16>>) -> " + yt + " {\n %y = kernel.contract linear a(%x : " + at +
                        ") weight(%w : tensor<16x1xf32, #kernel.packed<panel16>>) {maps = []} -> " + yt + " {\n ^bb0(%acc: f32):\n  %1 = math." + op +
                        " %acc : f32\n  kernel.yield %1 : f32\n }\n kernel.return %y : " + yt + "\n}",
                    target);
  EXPECT_NE(kernel.function, nullptr) << kernel.error;
  Buffer<float> bx(x.size()), w(16), y(x.size() * 16);
  std::copy(x.begin(), x.end(), &bx[0]);
  for (int lane = 0; lane < 16; ++lane)
    w[lane] = 1.0f;
  if (kernel.function)
    kernel.run({&bx[0], &w[0], &y[0]});
  std::vector<float> result;
  for (size_t i = 0; i < x.size(); ++i)
    result.push_back(y[i * 16 + i % 16]);
  return result;
}

TEST(VectorMath, Accuracy) {
  for (const TestTarget &target : allTargets())
    for (const Function &f : functions) {
      std::vector<float> x;
      for (int i = 0; i <= 40000; ++i) {
        double t = i / 40000.0;
        x.push_back(static_cast<float>(f.low > 0 && f.high / f.low > 100 ? f.low * std::pow(f.high / f.low, t) : f.low + (f.high - f.low) * t));
      }
      std::vector<float> y = evaluate(f.op, x, target);
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        double want = f.value(x[i]), excess = std::fabs(y[i] - want) / (f.absolute + f.relative * std::fabs(want));
        if (!(excess <= worst)) {
          worst = excess;
          at = x[i];
        }
      }
      EXPECT_LE(worst, 1.0) << target.cpu << " " << f.op << " at " << at;
    }
}

TEST(VectorMath, Limits) {
  const float inf = INFINITY;
  for (const TestTarget &target : allTargets()) {
    SCOPED_TRACE(target.cpu);
    std::vector<float> e = evaluate("exp", {-inf, -200.0f, 0.0f, 200.0f, inf, NAN}, target);
    EXPECT_EQ(e[0], 0.0f);
    EXPECT_EQ(e[1], 0.0f);
    EXPECT_EQ(e[2], 1.0f);
    EXPECT_EQ(e[3], inf);
    EXPECT_EQ(e[4], inf);
    EXPECT_TRUE(std::isnan(e[5]));
    std::vector<float> p = evaluate("exp2", {-3.0f, 0.0f, 10.0f, -inf}, target);
    EXPECT_EQ(p, (std::vector<float>{0.125f, 1.0f, 1024.0f, 0.0f}));
    std::vector<float> l = evaluate("log", {0.0f, 1.0f, -1.0f, inf}, target);
    EXPECT_EQ(l[0], -inf);
    EXPECT_EQ(l[1], 0.0f);
    EXPECT_TRUE(std::isnan(l[2]));
    EXPECT_EQ(l[3], inf);
    std::vector<float> t = evaluate("tanh", {-inf, 0.0f, inf, NAN}, target);
    EXPECT_EQ(t[0], -1.0f);
    EXPECT_EQ(t[1], 0.0f);
    EXPECT_EQ(t[2], 1.0f);
    EXPECT_TRUE(std::isnan(t[3]));
  }
}

} // namespace
} // namespace hb::test
