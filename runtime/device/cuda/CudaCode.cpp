#include "runtime/device/cuda/CudaCode.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/device/cuda/CudaRecording.h"
#include "runtime/device/cuda/TargetChoice.h"

namespace hb::cuda {
namespace {

constexpr uint64_t kSharedBytesWithoutAsking = 48 << 10; // a kernel that wants more has to be told so
constexpr size_t kLogBytes = 8 << 10, kMostArguments = 512; // 4 KiB of parameters, the least that every device takes

} // namespace

CudaCode::CudaCode(const Module &module, const CudaContext &context) : module_(module), context_(context), loaded_{context} {
  context.enter();
  choose();
  load();
  for (const KernelInfo &kernel : module.kernels) {
    const std::string where = module.path() + ": " + kernel.symbol;
    FunctionHandle function = nullptr;
    Result result = context.driver().moduleGetFunction(&function, loaded_.handle, kernel.symbol.c_str());
    if (result == kNotFound)
      throw Error(408, where, "the kernel in the module's code", "none of that name", "compile the model again");
    context.check(result, "cuModuleGetFunction");
    if (kernel.sharedBytes > static_cast<uint64_t>(context.sharedBytesOptIn()))
      throw Error(407, where, "at most " + std::to_string(context.sharedBytesOptIn()) + " bytes of shared memory a block", std::to_string(kernel.sharedBytes),
                  "compile again with --target for this device (" + context.info().description + ")");
    if (kernel.sharedBytes > kSharedBytesWithoutAsking)
      context.check(context.driver().funcSetAttribute(function, kMaxDynamicSharedBytes, static_cast<int>(kernel.sharedBytes)), "cuFuncSetAttribute");
    functions_.push_back(function);
  }
}

CudaCode::LoadedModule::~LoadedModule() {
  if (!handle)
    return;
  context.enterToFree();
  context.driver().moduleUnload(handle);
}

void CudaCode::choose() {
  auto target = parseTarget(module_.name);
  const bool fits = target && target->capability == context_.info().capability && !context_.driver().simulated;
  std::string have;
  for (const CodeVariant &variant : module_.code) {
    have += (have.empty() ? "" : ", ") + variant.cpu;
    const bool binary = variant.cpu == "cubin";
    // Machine code before PTX: it needs no compiling at the start of every program.
    if (binary ? fits : variant.cpu == "ptx" && (!variant_ || variant_->cpu != "cubin"))
      variant_ = &variant;
  }
  if (!variant_)
    throw Error(407, module_.path() + ": " + module_.name, "PTX, or machine code for " + context_.info().name, have.empty() ? "no code" : have, "compile again with --target " + module_.name);
}

void CudaCode::load() {
  auto bytes = module_.blob(variant_->offset, variant_->size);
  // PTX is a text to the driver: it ends with a NUL, which the file lacks.
  std::string image(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  std::string errors(kLogBytes, '\0'), notes(kLogBytes, '\0');
  int options[] = {kJitErrorLog, kJitErrorLogBytes, kJitInfoLog, kJitInfoLogBytes};
  void *values[] = {errors.data(), reinterpret_cast<void *>(kLogBytes), notes.data(), reinterpret_cast<void *>(kLogBytes)};
  Result result = context_.driver().moduleLoadDataEx(&loaded_.handle, image.c_str(), 4, options, values);
  if (result == kSuccess)
    return;
  loaded_.handle = nullptr;
  if (result == kOutOfMemory)
    context_.check(result, "cuModuleLoadDataEx");
  const char *name = nullptr;
  context_.driver().getErrorName(result, &name);
  std::string log = errors.c_str();
  if (log.empty())
    log = notes.c_str();
  while (!log.empty() && (log.back() == '\n' || log.back() == ' '))
    log.pop_back();
  throw Error(408, module_.path() + ": " + module_.name + " " + variant_->cpu, "code that the driver of " + context_.info().name + " takes",
              std::string(name ? name : "an error") + (log.empty() ? "" : ": " + printable(log, kLogBytes)), "install a newer driver, or compile the model again");
}

void CudaCode::launch(uint32_t kernel, std::byte *const *addresses, size_t count) const {
  const KernelInfo &info = module_.kernels[kernel];
  if (info.grid == 0)
    return; // nothing to compute, and the driver refuses an empty grid
  void *parameters[kMostArguments];
  if (count > kMostArguments)
    throw Error(408, module_.path() + ": " + info.symbol, "at most " + std::to_string(kMostArguments) + " operands and results", std::to_string(count), "compile the model again");
  for (size_t i = 0; i < count; ++i)
    parameters[i] = const_cast<std::byte **>(&addresses[i]);
  context_.check(context_.driver().launchKernel(functions_[kernel], static_cast<unsigned>(info.grid), 1, 1, static_cast<unsigned>(info.block), 1, 1, static_cast<unsigned>(info.sharedBytes), context_.stream(),
                                                parameters, nullptr),
                 info.symbol.c_str());
}

std::unique_ptr<Recording> CudaCode::record(const PlacedProgram &program) { return std::make_unique<CudaRecording>(program, *this, context_); }

} // namespace hb::cuda
