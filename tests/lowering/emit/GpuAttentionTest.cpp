// What only the device form of attention has: limits of shared memory, widths without a tile, barriers that matter.
#include "dialects/kernel/Kernel.h"
#include "mlir/Parser/Parser.h"
#include "tests/lowering/emit/CompiledKernel.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hb::test {
namespace {

std::string tensor(int64_t rows, int64_t columns) { return fmt::format("tensor<1x{}x{}xf32>", rows, columns); }

std::string forwardText(int64_t queries, int64_t keys, int64_t width) {
  return fmt::format("kernel.def @attention(%q: {0}, %k: {1}, %v: {1}) -> {0} {{\n  %y = kernel.attention q(%q : {0}) k(%k : {1}) v(%v : {1}) "
                     "{{heads = 1 : i64, scale = 0.1 : f64}} -> {0}\n  kernel.return %y : {0}\n}}\n",
                     tensor(queries, width), tensor(keys, width));
}

std::string backwardText(int64_t queries, int64_t keys, int64_t width) {
  return fmt::format("kernel.def @vjp(%q: {0}, %k: {1}, %v: {1}, %g: {0}, %s: {2}, %d: {3}) -> ({0}, {1}, {1}) {{\n  %dq, %dk, %dv = kernel.attention_vjp q(%q : {0}) k(%k : {1}) v(%v : {1}) "
                     "dy(%g : {0}) stats(%s : {2}) delta(%d : {3}) {{heads = 1 : i64, scale = 0.1 : f64}} -> {0}, {1}, {1}\n  kernel.return %dq, %dk, %dv : {0}, {1}, {1}\n}}\n",
                     tensor(queries, width), tensor(keys, width), fmt::format("tensor<1x1x2x{}xf32>", queries), tensor(queries, 1));
}

/// Compiles for CUDA; the diagnostics where that fails.
std::string compile(const std::string &text, SimulatedKernel &kernel) {
  mlir::MLIRContext context;
  context.getOrLoadDialect<kernel::KernelDialect>();
  std::string error;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    error += diagnostic.str();
    return mlir::success();
  });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
  if (!module || !kernel.compile(*module))
    return "failed: " + error;
  return "";
}

TEST(GpuAttention, SharedMemoryFits) {
  for (int64_t width : {64, 128, 136})
    for (const std::string &text : {forwardText(100, 100, width), backwardText(100, 100, width)}) {
      SimulatedKernel kernel;
      ASSERT_EQ(compile(text, kernel), "");
      EXPECT_LE(kernel.sharedBytes, 96 << 10) << width;
    }
}

/// An error of the compiler, not a wrong kernel.
TEST(GpuAttention, WidthsWithoutATileAreRefused) {
  for (const std::string &text : {forwardText(2, 2, 1040), backwardText(2, 2, 1040)}) {
    SimulatedKernel kernel;
    EXPECT_NE(compile(text, kernel).find("wider than 1024"), std::string::npos);
  }
}

/// A clean report means something: the same kernels without their barriers are found out.
TEST(GpuAttention, MissingBarriersAreFound) {
  constexpr int64_t count = 70, width = 64;
  SimulatedKernel forward, backward;
  ASSERT_EQ(compile(forwardText(count, count, width), forward) + compile(backwardText(count, count, width), backward), "");
  Buffer<float> q(normals(count * width, 1)), k(normals(count * width, 2)), v(normals(count * width, 3)), dy(normals(count * width, 4)), stats(std::vector<float>(2 * count, 1)),
      delta(std::vector<float>(count, 0)), y(count * width), dk(count * width), dv(count * width);
  const std::vector<void *> forwardBuffers = {q, k, v, y}, backwardBuffers = {q, k, v, dy, stats, delta, y, dk, dv};
  forward.run(forwardBuffers);
  backward.run(backwardBuffers);
  ASSERT_GT(forward.replace("bar.sync", "// bar.sync"), 0);
  ASSERT_GT(backward.replace("bar.sync", "// bar.sync"), 0);
  EXPECT_THROW(forward.run(forwardBuffers), std::runtime_error);
  EXPECT_THROW(backward.run(backwardBuffers), std::runtime_error);
}

} // namespace
} // namespace hb::test
