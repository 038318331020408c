#include "lowering/emit/x86/Compile.h"

#include "lowering/emit/LlvmCode.h"

#include "lld/Common/Driver.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <chrono>
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;

namespace hb::x86 {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void initialiseLlvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
  });
}

void buildPipeline(PassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

std::unique_ptr<llvm::TargetMachine> makeMachine(const X86Target &target, std::string &error) {
  initialiseLlvm();
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found)
    return nullptr;
  return std::unique_ptr<llvm::TargetMachine>(
      found->createTargetMachine(triple, target.cpu, "", llvm::TargetOptions(), llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Kernels arrive vectorised and unrolled: a short pipeline gives the code of -O2 at a fraction of its time.
constexpr const char *optimisations =
    "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,loop-mssa(loop-rotate,licm),instcombine<no-verify-fixpoint>,simplifycfg)";

/// HB0901 for the linker's files, which lie where TMPDIR says.
std::string temporaryFailure(llvm::StringRef path, llvm::StringRef found) {
  return ("HB0901: " + path + ": expected a file that can be written; found " + found.trim() + "; free space there, or choose another place with TMPDIR").str();
}

/// A directory of its own for the linker's files, removed with everything in it.
struct TemporaryDirectory {
  llvm::SmallString<128> path;
  ~TemporaryDirectory() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
};

} // namespace

void prepareContext(MLIRContext &context) {
  context.disableMultithreading();
  DialectRegistry registry;
  registry.insert<func::FuncDialect, scf::SCFDialect, arith::ArithDialect, math::MathDialect, vector::VectorDialect, cf::ControlFlowDialect, ub::UBDialect,
                  LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

bool compileToObject(ModuleOp module, const X86Target &target, std::vector<char> &object, std::string &error, CompileTimes &times) {
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
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("tune-cpu", target.tune);
    // Several tunings prefer 256-bit vectors; the tiles were chosen for the full width.
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorLanes * 32));
    function.addFnAttr("min-legal-vector-width", std::to_string(target.vectorLanes * 32));
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
  times.translate += now() - start;

  start = now();
  if (!emit::optimise(*code, *machine, optimisations, error))
    return false;
  times.optimise += now() - start;

  start = now();
  llvm::SmallVector<char, 0> bytes;
  if (!emit::printCode(*code, *machine, llvm::CodeGenFileType::ObjectFile, bytes)) {
    error = "the target cannot emit objects";
    return false;
  }
  object.assign(bytes.begin(), bytes.end());
  times.codegen += now() - start;
  return true;
}

bool linkShared(const std::vector<std::vector<char>> &objects, std::vector<char> &shared, std::string &error) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  TemporaryDirectory directory;
  if (std::error_code code = llvm::sys::fs::createUniqueDirectory("hb-link", directory.path)) {
    error = temporaryFailure(directory.path.str(), code.message());
    return false;
  }
  auto inside = [&](const std::string &name) {
    llvm::SmallString<128> path(directory.path);
    llvm::sys::path::append(path, name);
    return std::string(path.str());
  };
  std::vector<std::string> args = {"ld.lld", "-shared", "--build-id=none", "--hash-style=gnu", "-z", "noexecstack", "--threads=2", "-o", inside("kernels.so")};
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string path = inside(std::to_string(i) + ".o");
    std::error_code code;
    llvm::raw_fd_ostream file(path, code);
    if (!code)
      file.write(objects[i].data(), objects[i].size());
    file.close();
    if (code || file.has_error()) {
      error = temporaryFailure(path, (code ? code : file.error()).message());
      file.clear_error();
      return false;
    }
    args.push_back(path);
  }
  std::vector<const char *> pointers;
  for (const std::string &arg : args)
    pointers.push_back(arg.c_str());
  std::string messages;
  llvm::raw_string_ostream sink(messages);
  lld::Result result = lld::lldMain(pointers, sink, sink, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0) {
    // A link of our own objects has one way to fail that is not our mistake.
    error = messages.find("No space left") != std::string::npos || messages.find("too large") != std::string::npos ? temporaryFailure(inside("kernels.so"), messages)
                                                                                                                   : "the linker failed: " + messages;
    return false;
  }
  auto buffer = llvm::MemoryBuffer::getFile(inside("kernels.so"), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read the linked object: " + buffer.getError().message();
    return false;
  }
  shared.assign((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
  return true;
}

} // namespace hb::x86
