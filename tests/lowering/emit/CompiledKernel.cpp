#include "tests/lowering/emit/CompiledKernel.h"

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/x86/EmitX86.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "runtime/abi/kernel.h"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <random>
#include <unistd.h>

using namespace mlir;

namespace hb::test {

bool canRun(const std::string &cpu) { return cpu != "x86-64-v4" || __builtin_cpu_supports("avx512f"); }

CompiledKernel::CompiledKernel(const std::string &text, const std::string &cpu) {
  MLIRContext context;
  context.getOrLoadDialect<kernel::KernelDialect>();
  context.getOrLoadDialect<arith::ArithDialect>();
  context.getOrLoadDialect<math::MathDialect>();
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error_ += diagnostic.str() + "\n";
    return success();
  });
  auto module = parseSourceString<ModuleOp>(text, ParserConfig(&context));
  if (!module) {
    error_ += "cannot parse";
    return;
  }
  if (cpu.starts_with("cuda")) {
    simulated_.emplace();
    if (!simulated_->compile(*module))
      error_ += "cannot compile";
    else
      error_.clear();
    grid_ = simulated_->grid;
    return;
  }
  std::vector<CodeBlob> blobs;
  auto start = std::chrono::steady_clock::now();
  if (failed(emitX86(*module, {x86::parseTarget("x86-64,cpu=" + cpu)}, blobs, nullptr))) {
    error_ += "cannot compile";
    return;
  }
  seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  kernel::DefOp def = *module->getOps<kernel::DefOp>().begin();
  grid_ = def->getAttrOfType<IntegerAttr>("grid").getInt();
  scratchBytes_ = def->getAttrOfType<IntegerAttr>("scratch_bytes").getInt();
  char path[] = "/tmp/hb-kernel-XXXXXX";
  int file = mkstemp(path);
  if (file < 0 || write(file, blobs[0].object.data(), blobs[0].object.size()) != static_cast<ssize_t>(blobs[0].object.size())) {
    error_ = "cannot write the code";
    return;
  }
  close(file);
  library_ = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unlink(path);
  function_ = library_ ? reinterpret_cast<decltype(function_)>(dlsym(library_, def.getSymName().str().c_str())) : nullptr;
  if (!function_)
    error_ = dlerror();
  else
    error_.clear();
  scratch_ = static_cast<char *>(std::aligned_alloc(64, (scratchBytes_ + HB_SCRATCH_TAG_BYTES + 127) / 64 * 64));
}

CompiledKernel::~CompiledKernel() {
  if (library_)
    dlclose(library_);
  std::free(scratch_);
}

void CompiledKernel::run(const std::vector<void *> &buffers) {
  if (simulated_)
    return simulated_->run(buffers);
  for (int64_t task = grid_; task-- > 0;) {
    std::memset(scratch_, 0x7f, scratchBytes_);
    for (int64_t at = 0; at + 4 <= scratchBytes_; at += 4) {
      const float nan = NAN;
      std::memcpy(scratch_ + at, &nan, 4);
    }
    function_(buffers.data(), scratch_, task);
  }
}

void CompiledKernel::runInOrder(const std::vector<void *> &buffers) {
  if (simulated_)
    return simulated_->run(buffers);
  std::memset(scratch_, 0, HB_SCRATCH_TAG_BYTES);
  for (int64_t task = 0; task < grid_; ++task)
    function_(buffers.data(), scratch_, task);
}

std::vector<float> normals(size_t count, unsigned seed, double mean, double deviation) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(static_cast<float>(mean), static_cast<float>(deviation));
  std::vector<float> values(count);
  for (float &value : values)
    value = distribution(generator);
  return values;
}

double distance(const float *values, const std::vector<double> &expected) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += (values[i] - expected[i]) * (values[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return std::sqrt(difference / (norm > 0 ? norm : 1));
}

uint16_t toHalf(float value) { return std::bit_cast<uint16_t>(static_cast<_Float16>(value)); }
float fromHalf(uint16_t bits) { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
float fromBfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }
uint16_t toBfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace hb::test
