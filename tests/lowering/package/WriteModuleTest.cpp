// A module written by the compiler is what the runtime reads.
#include "dialects/kernel/Kernel.h"
#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "lowering/kernels/Passes.h"
#include "lowering/package/WriteModule.h"
#include "lowering/plan/Passes.h"
#include "lowering/plan/Reports.h"
#include "runtime/base/Error.h"
#include "runtime/module/Module.h"

#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace hb {
namespace {

constexpr const char *kSource = R"(
func.func @entry(%ids: tensor<1x7xi64> {nn.name = "input_ids"}, %n: tensor<i64> {nn.name = "steps"}) -> (tensor<1x7x16xf32> {nn.name = "hidden"}) {
  %table = nn.param "text" "embedding" : tensor<100x32xf16>
  %w = nn.param "text" "fc.weight" : tensor<16x32xf16>
  %half = nn.constant dense<[0.5, 0.25, 0.125]> : tensor<3xf32>
  %e = nn.gather %table, %ids {batch_dims = 0 : i64} : (tensor<100x32xf16>, tensor<1x7xi64>) -> tensor<1x7x32xf32>
  %y = nn.linear %e, %w : (tensor<1x7x32xf32>, tensor<16x32xf16>) -> tensor<1x7x16xf32>
  %r = nn.repeat count(%n) max 3 inits(%y) : (tensor<i64>, tensor<1x7x16xf32>) -> tensor<1x7x16xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<1x7x16xf32>):
    %s = nn.gather %half, %i {batch_dims = 0 : i64} : (tensor<3xf32>, tensor<i64>) -> tensor<f32>
    %z = nn.binary mul %c, %s : (tensor<1x7x16xf32>, tensor<f32>) -> tensor<1x7x16xf32>
    nn.yield %z : tensor<1x7x16xf32>
  }
  return %r : tensor<1x7x16xf32>
}
)";

class WriteModule : public testing::Test {
protected:
  WriteModule() {
    mlir::DialectRegistry registry;
    registry.insert<nn::NnDialect, kernel::KernelDialect, plan::PlanDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect, mlir::math::MathDialect>();
    context_.appendDialectRegistry(registry);
    module_ = mlir::parseSourceString<mlir::ModuleOp>(kSource, &context_);
    mlir::PassManager passes(&context_);
    buildKernelsPhase(passes);
    buildPlanPhase(passes);
    ready_ = module_ && mlir::succeeded(passes.run(*module_));
    info_.modelPath = "/models/text";
    info_.scopes = {{"text", "/models/text"}};
    info_.signature = {{"text", "embedding", "F16", {100, 32}}, {"text", "fc.weight", "F16", {16, 32}}};
    path_ = (std::filesystem::temp_directory_path() / ("hb-package-" + std::to_string(::getpid()) + ".hbm")).string();
  }
  ~WriteModule() override { std::filesystem::remove(path_); }

  /// What an emitter would leave behind.
  void pretendEmitted() {
    mlir::Builder b(&context_);
    for (auto def : module_->getOps<kernel::DefOp>()) {
      def->setAttr("grid", b.getI64IntegerAttr(5));
      def->setAttr("scratch_bytes", b.getI64IntegerAttr(128));
    }
  }

  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
  PackageInfo info_;
  std::string path_;
  bool ready_ = false;
};

TEST_F(WriteModule, TheRuntimeReadsWhatWasWritten) {
  ASSERT_TRUE(ready_);
  pretendEmitted();
  CodeBlob small{"x86-64", "x86-64-v3", {"avx2", "fma"}, std::vector<char>(100, 'a')}, large{"x86-64", "x86-64-v4", {"avx512f"}, std::vector<char>(1000, 'b')};
  writeModule(PackageTarget{"x86-64", *module_, {small, large}}, info_, path_);
  Module read = Module::open(path_);
  EXPECT_EQ(read.modelPath, "/models/text");
  ASSERT_EQ(read.programs.size(), 1u);
  const Program &program = read.programs[0];
  EXPECT_EQ(program.name, "entry");
  ASSERT_EQ(program.inputs.size(), 2u);
  EXPECT_EQ(program.inputs[0].name, "input_ids");
  EXPECT_EQ(program.inputs[0].dtype, DType::I64);
  ASSERT_TRUE(program.inputs[0].range.has_value());
  EXPECT_EQ(program.inputs[0].range->second, 100);
  EXPECT_EQ(program.inputs[1].range->second, 4); // as many steps as the table has rows
  EXPECT_EQ(program.outputs[0].name, "hidden");
  ASSERT_EQ(read.weights.size(), 2u);
  EXPECT_EQ(read.code.size(), 2u);
  for (const auto &kernel : read.kernels)
    EXPECT_EQ(kernel.grid, 5);
  auto product = std::find_if(read.kernels.begin(), read.kernels.end(), [](const KernelInfo &kernel) { return kernel.family == "contract"; });
  ASSERT_NE(product, read.kernels.end());
  EXPECT_EQ(product->shape.form, KernelShape::Form::Linear);
  EXPECT_EQ(product->shape.rows, 7);
  EXPECT_EQ(product->shape.columns, 16);
  EXPECT_EQ(product->shape.depth, 32);
  // Two launches, a copy into the loop, the loop, a copy out.
  ASSERT_EQ(program.commands.size(), 5u);
  EXPECT_EQ(program.commands[3].kind, Command::Kind::Repeat);
  EXPECT_EQ(program.commands[3].maxTripCount, 3);
  EXPECT_EQ(program.commands[3].body.size(), 3u);
}

TEST_F(WriteModule, BlobsAreAlignedAndWhole) {
  ASSERT_TRUE(ready_);
  pretendEmitted();
  CodeBlob blob{"x86-64", "x86-64-v3", {}, std::vector<char>(100, 'a')};
  writeModule(PackageTarget{"x86-64", *module_, blob}, info_, path_);
  std::ifstream file(path_, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  uint64_t length = 0;
  for (int i = 0; i < 8; ++i)
    length |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  auto header = nlohmann::json::parse(bytes.substr(8, length));
  uint64_t area = (8 + length + 63) / 64 * 64;
  const auto &target = header["targets"][0];
  uint64_t offset = target["code"][0]["offset"], constants = target["constants"]["offset"];
  EXPECT_EQ(offset % 64, 0u);
  EXPECT_EQ(bytes.substr(area + offset, 100), std::string(100, 'a'));
  float first = 0;
  std::memcpy(&first, bytes.data() + area + constants, 4);
  EXPECT_EQ(first, 0.5f);
  EXPECT_EQ(bytes.size(), area + offset + 100);
}

TEST_F(WriteModule, AKernelWithoutCodeIsAnErrorAndLeavesNoFile) {
  ASSERT_TRUE(ready_);
  CodeBlob blob{"x86-64", "x86-64-v3", {}, {}};
  try {
    writeModule(PackageTarget{"x86-64", *module_, blob}, info_, path_);
    FAIL() << "written";
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), 840);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(WriteModule, Reports) {
  ASSERT_TRUE(ready_);
  auto memory = memoryReport(*module_)["entry"], stats = statsReport(*module_, {})["entry"];
  EXPECT_GE(memory["peak_bytes"], memory["lower_bound_bytes"]);
  // The table as stored, the linear in panels: both already whole multiples.
  EXPECT_EQ(memory["weights_bytes"], 100 * 32 * 2 + 16 * 32 * 2);
  EXPECT_FALSE(memory["largest"].empty());
  EXPECT_EQ(stats["ops"], 5);
  EXPECT_EQ(stats["launches"], 4); // the body of a loop with a run-time count once
  EXPECT_EQ(stats["flops_forward"], 2 * 7 * 16 * 32 + 7 * 16);
}

} // namespace
} // namespace hb
