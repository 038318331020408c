// The emit phase as a whole: targets, several kernels and variants in one call, what an object may need from outside.
#include "tests/lowering/emit/EmitHarness.h"

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/nvvm/Target.h"
#include "lowering/emit/x86/EmitX86.h"
#include "mlir/Parser/Parser.h"
#include "runtime/base/Error.h"
#include "llvm/Object/ELFObjectFile.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace hb::test {
namespace {

int errorOf(const std::string &spec) {
  try {
    x86::parseTarget(spec);
  } catch (const Error &error) {
    return error.number();
  }
  return 0;
}

TEST(Target, Levels) {
  EXPECT_EQ(x86::parseTarget("x86-64,cpu=haswell").cpu, "x86-64-v3");
  EXPECT_EQ(x86::parseTarget("x86-64,cpu=x86-64-v3").vectorLanes, 8);
  EXPECT_EQ(x86::parseTarget("x86-64,cpu=znver4").cpu, "x86-64-v4");
  EXPECT_EQ(x86::parseTarget("x86-64,cpu=znver4").tune, "znver4");
  EXPECT_EQ(x86::parseTarget("x86-64,cpu=x86-64-v4").vectorLanes, 16);
  EXPECT_FALSE(x86::parseTarget("x86-64").features.empty());
}

TEST(Target, CudaArchitectures) {
  EXPECT_EQ(nvvm::parseTarget("cuda:sm_80").capability, 80);
  EXPECT_EQ(nvvm::parseTarget("cuda:sm_90").name(), "cuda:sm_90");
  auto number = [](const std::string &spec) {
    try {
      nvvm::parseTarget(spec);
    } catch (const Error &error) {
      return error.number();
    }
    return 0;
  };
  EXPECT_EQ(number("cuda"), 730);
  EXPECT_EQ(number("cuda:80"), 730);
  EXPECT_EQ(number("cuda:sm_75"), 733);
  EXPECT_EQ(number("cuda:sm_800"), 733);
}

TEST(Target, Errors) {
  EXPECT_EQ(errorOf("nvptx"), 730);
  EXPECT_EQ(errorOf("x86-64,tune=zen"), 730);
  EXPECT_EQ(errorOf("x86-64,cpu="), 730);
  EXPECT_EQ(errorOf("x86-64,cpu=znver99"), 731);
  EXPECT_EQ(errorOf("x86-64,cpu=pentium4"), 731); // 32 bit
  EXPECT_EQ(errorOf("x86-64,cpu=nehalem"), 732);
}

const char *two = R"mlir(
kernel.def @first(%x: tensor<9x40xf32>, %w: tensor<20x40xf16, #kernel.packed<panel16>>) -> tensor<9x20xf32> {
  %y = kernel.contract linear a(%x : tensor<9x40xf32>) weight(%w : tensor<20x40xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<9x20xf32> {
  ^bb0(%acc: f32):
    %1 = math.tanh %acc : f32
    kernel.yield %1 : f32
  }
  kernel.return %y : tensor<9x20xf32>
}
kernel.def @second(%x: tensor<1x10x10x16xf32>) -> tensor<16x16x16xf32> {
  %v = kernel.winograd_input %x {m = array<i64: 2, 2>} : tensor<1x10x10x16xf32> -> tensor<16x16x16xf32>
  kernel.return %v : tensor<16x16x16xf32>
}
)mlir";

TEST(Emit, TwoKernelsTwoVariants) {
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(two, &context);
  ASSERT_TRUE(module);
  std::vector<CodeBlob> blobs;
  EmitReport report;
  ASSERT_TRUE(succeeded(emitX86(*module, {x86::parseTarget("x86-64,cpu=x86-64-v3"), x86::parseTarget("x86-64,cpu=znver4")}, blobs, &report)));
  ASSERT_EQ(blobs.size(), 2u);
  EXPECT_EQ(blobs[0].target, "x86-64");
  EXPECT_EQ(blobs[0].cpu, "x86-64-v3");
  EXPECT_EQ(blobs[1].cpu, "x86-64-v4");
  EXPECT_NE(std::find(blobs[1].features.begin(), blobs[1].features.end(), "avx512f"), blobs[1].features.end());
  EXPECT_EQ(report.kernels.size(), 4u);
  EXPECT_EQ(report.kernels[0].family, "contract");
  for (kernel::DefOp def : module->getOps<kernel::DefOp>()) {
    EXPECT_GT(def->getAttrOfType<IntegerAttr>("grid").getInt(), 0);
    EXPECT_GE(def->getAttrOfType<IntegerAttr>("scratch_bytes").getInt(), 0);
  }
  for (const CodeBlob &blob : blobs) {
    auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(llvm::StringRef(blob.object.data(), blob.object.size()), "kernels.so"));
    ASSERT_TRUE(bool(file));
    std::vector<std::string> defined, wanted;
    for (llvm::object::ELFSymbolRef symbol : llvm::cast<llvm::object::ELFObjectFileBase>(**file).getDynamicSymbolIterators()) {
      std::string name = llvm::cantFail(symbol.getName()).str();
      (llvm::cantFail(symbol.getFlags()) & llvm::object::SymbolRef::SF_Undefined ? wanted : defined).push_back(name);
    }
    std::sort(defined.begin(), defined.end());
    EXPECT_EQ(defined, (std::vector<std::string>{"first", "second"}));
    for (const std::string &name : wanted)
      EXPECT_TRUE(name.empty() || name == "memset" || name == "memcpy") << name;
  }
}

TEST(Emit, SameTextGivesTheSameBytes) {
  std::vector<CodeBlob> blobs;
  for (int round = 0; round < 2; ++round) {
    MLIRContext context;
    context.loadDialect<kernel::KernelDialect>();
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(two, &context);
    ASSERT_TRUE(succeeded(emitX86(*module, {x86::parseTarget("x86-64,cpu=x86-64-v3")}, blobs, nullptr)));
  }
  EXPECT_EQ(blobs[0].object, blobs[1].object);
}

} // namespace
} // namespace hb::test
