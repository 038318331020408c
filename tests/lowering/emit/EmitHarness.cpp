#include "tests/lowering/emit/EmitHarness.h"

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/x86/EmitX86.h"
#include "mlir/Parser/Parser.h"
#include "runtime/abi/kernel.h"

#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <random>
#include <unistd.h>

using namespace mlir;

namespace hb::test {

void Kernel::run(const std::vector<void *> &buffers) const {
  if (simulated)
    return simulated->run(buffers);
  std::memset(scratch.get(), 0, HB_SCRATCH_TAG_BYTES);
  for (int64_t task = 0; task < grid; ++task)
    function(buffers.data(), scratch.get(), task);
}

/// Loads a shared object from memory through a temporary file that is gone afterwards.
static std::shared_ptr<void> loadBytes(const std::vector<char> &bytes, std::string &error) {
  char path[] = "/tmp/hb-kernel-XXXXXX";
  int file = mkstemp(path);
  if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    error = "cannot write the kernel's object";
    return nullptr;
  }
  close(file);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  unlink(path);
  if (!handle) {
    error = dlerror();
    return nullptr;
  }
  return {handle, [](void *h) { dlclose(h); }};
}

static Kernel compileFor(const std::string &text, const TestTarget &target) {
  Kernel kernel;
  MLIRContext context;
  x86::prepareContext(context);
  context.getOrLoadDialect<kernel::KernelDialect>();
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    kernel.error += diagnostic.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>("module {\n" + text + "\n}", ParserConfig(&context));
  if (!module) {
    kernel.error += "the text does not parse";
    return kernel;
  }
  if (!target.x86) {
    auto simulated = std::make_shared<SimulatedKernel>();
    if (simulated->compile(*module)) {
      kernel.grid = simulated->grid;
      kernel.function = [](void *const *, void *, int64_t) {}; // for tests that ask whether there is one
      kernel.simulated = std::move(simulated);
    }
    return kernel;
  }
  std::vector<CodeBlob> blobs;
  EmitReport report;
  if (failed(emitX86(*module, {*target.x86}, blobs, &report)))
    return kernel;
  kernel::DefOp def = *module->getOps<kernel::DefOp>().begin();
  kernel.grid = def->getAttrOfType<IntegerAttr>("grid").getInt();
  kernel.scratchBytes = def->getAttrOfType<IntegerAttr>("scratch_bytes").getInt();
  kernel.objectBytes = report.kernels[0].objectBytes;
  kernel.compileSeconds = report.kernels[0].times.total();
  kernel.object = blobs[0].object;
  kernel.library = loadBytes(kernel.object, kernel.error);
  if (!kernel.library)
    return kernel;
  kernel.function = reinterpret_cast<Kernel::Function>(dlsym(kernel.library.get(), def.getSymName().str().c_str()));
  kernel.scratch = {std::aligned_alloc(64, (kernel.scratchBytes + HB_SCRATCH_TAG_BYTES + 127) / 64 * 64), &std::free};
  return kernel;
}

Kernel compileKernel(const std::string &text, const TestTarget &target) { return compileFor(text, target); }
Kernel compileKernel(const std::string &text, const x86::X86Target &target) { return compileFor(text, {target.cpu, target}); }

std::vector<TestTarget> runnableTargets() {
  std::vector<TestTarget> targets;
  auto add = [&](const char *spec) {
    x86::X86Target target = x86::parseTarget(spec);
    targets.push_back({target.cpu, target});
  };
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    add("x86-64,cpu=x86-64-v3");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    add("x86-64,cpu=x86-64-v4");
  return targets;
}

std::vector<TestTarget> allTargets() {
  std::vector<TestTarget> targets = runnableTargets();
  targets.push_back({"cuda:sm_80", std::nullopt});
  return targets;
}

void fillRandom(float *to, size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1.0f, 1.0f);
  for (size_t i = 0; i < count; ++i)
    to[i] = distribution(generator);
}

uint16_t toHalf(float value) {
  _Float16 half = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}
float fromHalf(uint16_t value) {
  _Float16 half;
  std::memcpy(&half, &value, 2);
  return static_cast<float>(half);
}
uint16_t toBrain(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
float fromBrain(uint16_t value) {
  uint32_t bits = static_cast<uint32_t>(value) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

const char *typeName(Storage storage) { return storage == Storage::F32 ? "f32" : storage == Storage::F16 ? "f16" : "bf16"; }

float rounded(float value, Storage storage) {
  return storage == Storage::F32 ? value : storage == Storage::F16 ? fromHalf(toHalf(value)) : fromBrain(toBrain(value));
}

Buffer<char> packPanels(std::vector<float> &matrix, int64_t n, int64_t k, Storage storage, bool gated) {
  const int64_t half = gated ? n / 2 : n, units = (half + 15) / 16, panels = gated ? 2 * units : units;
  const size_t bytes = storage == Storage::F32 ? 4 : 2;
  Buffer<char> packed(panels * k * 16 * bytes);
  for (float &value : matrix)
    value = rounded(value, storage);
  for (int64_t panel = 0; panel < panels; ++panel)
    for (int64_t lane = 0; lane < 16; ++lane) {
      int64_t inHalf = (gated ? panel / 2 : panel) * 16 + lane, row = inHalf + (gated && panel % 2 ? half : 0);
      if (inHalf >= half)
        continue;
      for (int64_t j = 0; j < k; ++j) {
        float value = matrix[row * k + j];
        char *to = &packed[((panel * k + j) * 16 + lane) * bytes];
        if (storage == Storage::F32) {
          std::memcpy(to, &value, 4);
        } else {
          uint16_t bits = storage == Storage::F16 ? toHalf(value) : toBrain(value);
          std::memcpy(to, &bits, 2);
        }
      }
    }
  return packed;
}

bool dropoutKeeps(double probability, uint64_t seed, uint64_t step, uint64_t site, uint64_t index) {
  auto f = [](uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  };
  auto m = [](uint32_t h) {
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
  };
  const uint64_t key = f(f(f(seed) + step) + site);
  return m(m(static_cast<uint32_t>(index) ^ static_cast<uint32_t>(key)) ^ static_cast<uint32_t>(key >> 32)) >= std::floor(probability * 4294967296.0);
}

double relativeError(const float *got, const double *want, size_t count) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(got[i]))
      return INFINITY;
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

} // namespace hb::test
