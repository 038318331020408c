#include "lowering/emit/nvvm/Compile.h"

#include "lowering/emit/LlvmCode.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Target/TargetMachine.h"

#include <chrono>
#include <mutex>

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

using namespace mlir;

namespace hb::nvvm {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void buildPipeline(PassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertNVVMToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

std::unique_ptr<llvm::TargetMachine> makeMachine(const CudaTarget &target, std::string &error) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found)
    return nullptr;
  // PTX 8.0: drivers from 12.0 on. `Standard`: what a kernel writes as one fused operation is one (vector.fma arrives as fmuladd), and products
  // and sums that it writes apart stay apart.
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(triple, target.arch(), "+ptx80", options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

} // namespace

void prepareContext(MLIRContext &context) {
  context.disableMultithreading();
  DialectRegistry registry;
  registry.insert<scf::SCFDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect, cf::ControlFlowDialect, ub::UBDialect, LLVM::LLVMDialect, NVVM::NVVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

bool compileToPtx(ModuleOp module, const CudaTarget &target, std::string &ptx, std::string &error, CompileTimes &times) {
  double start = now();
  PassManager pm(module.getContext());
#ifdef NDEBUG
  pm.enableVerifier(false);
#endif
  buildPipeline(pm);
  if (failed(pm.run(module))) {
    error = "the MLIR passes failed";
    return false;
  }
  times.passes += now() - start;

  start = now();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context);
  if (!code) {
    error = "translation to LLVM IR failed";
    return false;
  }
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(target, error);
  if (!machine)
    return false;
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  times.translate += now() - start;

  start = now();
  if (!emit::optimise(*code, *machine, "default<O2>", error))
    return false;
  times.optimise += now() - start;

  start = now();
  llvm::SmallVector<char, 0> bytes;
  if (!emit::printCode(*code, *machine, llvm::CodeGenFileType::AssemblyFile, bytes)) {
    error = "the target cannot emit PTX";
    return false;
  }
  ptx.assign(bytes.begin(), bytes.end());
  times.codegen += now() - start;
  return true;
}

bool joinPtx(const std::vector<std::string> &texts, std::string &joined, std::string &error) {
  bool declared = false;
  joined.clear();
  for (const std::string &text : texts) {
    bool inside = false;
    llvm::StringRef rest = text;
    while (!rest.empty()) {
      auto [line, next] = rest.split('\n');
      rest = next;
      llvm::StringRef words = line.trim();
      if (!inside) {
        const bool header = words.starts_with(".version") || words.starts_with(".target") || words.starts_with(".address_size");
        if (words.empty() || words.starts_with("//"))
          continue;
        if (words.starts_with(".visible .entry")) {
          inside = true;
        } else if (words.starts_with(".extern .shared")) {
          if (std::exchange(declared, true))
            continue;
        } else if (header) {
          if (&text != &texts.front())
            continue;
        } else {
          error = "cannot join kernels: " + words.str();
          return false;
        }
      }
      joined += line.str() + "\n";
      if (inside && line == "}")
        inside = false;
    }
  }
  return true;
}

} // namespace hb::nvvm
