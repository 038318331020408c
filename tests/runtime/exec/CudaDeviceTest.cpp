// What is particular to CUDA devices, on the simulated one: choice of code, refusals, faults of kernels, graphs, staging.
#include "runtime/device/cuda/CudaCode.h"
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/device/cuda/CudaRecording.h"
#include "runtime/device/cuda/SimDriver.h"
#include "runtime/device/cuda/TargetChoice.h"
#include "runtime/exec/Session.h"
#include "runtime/formats/Safetensors.h"
#include "tests/runtime/exec/ConformanceKernels.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>

namespace hb::test {
namespace {

/// A variable of the environment for the length of a test.
class Setting {
public:
  Setting(const char *name, const std::string &value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Setting() { ::unsetenv(name_); }

private:
  const char *name_;
};

class CudaDeviceTest : public testing::Test {
protected:
  Session open(const ConformanceModule &module = {}) {
    SessionOptions options;
    options.device = "cuda:sim";
    return Session(module.write(folder_), options);
  }
  /// Doubles 1 … 8 once and gives the result.
  static std::vector<float> twice(Session &session) {
    ProgramTensors tensors(session.module().entry("double"));
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int64_t count = 1;
    tensors.set("x", x, sizeof x);
    tensors.set("count", &count, sizeof count);
    tensors.allocateOutputs();
    Executor &executor = session.executor("double");
    tensors.bind(executor);
    executor.run();
    return {tensors.output("y"), tensors.output("y") + 8};
  }
  /// The PTX with its first `from` replaced.
  static ConformanceModule mutated(const std::string &from, const std::string &to) {
    ConformanceModule module;
    size_t at = module.ptx.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    module.ptx.replace(at, from.size(), to);
    return module;
  }

  ScratchFolder folder_;
};

TEST(CudaTargetTest, HighestThatRuns) {
  struct {
    std::vector<std::string> names;
    int capability, want;
  } cases[] = {
      {{"x86-64", "cuda:sm_80", "cuda:sm_90"}, 80, 1}, {{"x86-64", "cuda:sm_80", "cuda:sm_90"}, 90, 2},     {{"cuda:sm_90", "cuda:sm_80"}, 89, 1},       {{"cuda:sm_80", "cuda:sm_90a"}, 90, 1},
      {{"cuda:sm_90a", "cuda:sm_90"}, 90, 0},          {{"cuda:sm_90", "cuda:sm_90a"}, 90, 1},              {{"cuda:sm_80", "cuda:sm_90a"}, 100, 0},     {{"cuda:sm_100", "cuda:sm_90"}, 120, 0},
      {{"cuda:sm_80"}, 75, -1},                        {{"x86-64"}, 90, -1},                                {{}, 90, -1},                               {{"cuda:sm_8", "cuda:80", "cuda:sm_x0", "cuda:sm_"}, 90, -1},
  };
  for (auto &c : cases) {
    auto chosen = cuda::chooseTarget(c.names, c.capability);
    EXPECT_EQ(chosen ? static_cast<int>(*chosen) : -1, c.want) << c.capability << " of " << testing::PrintToString(c.names);
  }
}

TEST(CudaDriverTest, NoLibrarySaysWhatWasTried) {
  expectError(905, [] { cuda::loadDriver({"libno-such-driver.so.1", "libno-such-driver.so"}); }, {"libno-such-driver.so.1", "libno-such-driver.so:", "--device cpu"});
  // A library that is no driver.
  expectError(905, [] { cuda::loadDriver({HB_CONFORMANCE_LIBRARY}); }, {"cuInit"});
}

TEST(DeviceNameTest, WrongNamesGetASuggestion) {
  for (auto [name, suggestion] : {std::pair{"gpu", "cuda"}, {"cud", "cuda"}, {"cuda:sin", "cuda:sim"}, {"CPU", "hb-rt devices"}, {"", "hb-rt devices"}, {"cuda:-1", "cuda:0"}, {"x86", "cpu"}})
    expectError(904, [&] { requireDeviceName(name); }, {suggestion});
  for (const char *name : {"cpu", "cuda", "cuda:0", "cuda:12", "cuda:sim"})
    requireDeviceName(name);
}

TEST_F(CudaDeviceTest, NoCodeForTheDevice) {
  Setting older("HB_SIM_SM", "75");
  expectError(407, [&] { open(); }, {"cuda:sm_75", "x86-64, cuda:sm_80", "--target"});
}

TEST_F(CudaDeviceTest, SettingsOfTheSimulatorAreNumbers) {
  for (const char *name : {"HB_SIM_SM", "HB_SIM_MEMORY_BYTES"}) {
    Setting wrong(name, "8O");
    expectError(904, [&] { open(); }, {name, "8O"});
  }
}

TEST_F(CudaDeviceTest, WhatDoesNotFitIsRefusedWithBothNumbers) {
  Setting small("HB_SIM_MEMORY_BYTES", "900");
  Session session = open();
  // Arena 64, weights 2 · 128, constants 128, inputs and outputs 2 · 256.
  expectError(907, [&] { session.executor("weighted"); }, {"arena", "weights and constants", "inputs and outputs", "free of", "cuda:sim"});
  Setting enough("HB_SIM_MEMORY_BYTES", "4096");
  session.executor("weighted");
}

TEST_F(CudaDeviceTest, DamagedPtxIsRefusedWithTheLog) { expectError(408, [&] { open(mutated("add.f32", "adt.f32")); }, {"adt.f32", "cuda:sm_80 ptx"}); }

TEST_F(CudaDeviceTest, MissingKernelIsRefused) { expectError(408, [&] { open(mutated("twice_0", "thrice_0")); }, {"twice_0"}); }

TEST_F(CudaDeviceTest, TooMuchSharedMemoryIsRefused) {
  ConformanceModule module;
  module.sharedBytes = 100 << 10; // has to be asked for
  Session session = open(module);
  EXPECT_EQ(twice(session)[7], 16);
  module.sharedBytes = 300 << 10;
  expectError(407, [&] { open(module); }, {"shared memory", "twice_0"});
}

TEST_F(CudaDeviceTest, FaultsOfKernelsNameKernelAndInstruction) {
  struct {
    const char *from, *to;
    std::vector<std::string> words;
  } faults[] = {
      {"mul.wide.s32 %rd5, %r4, 4", "mul.wide.s32 %rd5, %r4, 4000", {"twice_0", "out-of-bounds", "ld.global.f32"}},
      {"mul.wide.s32 %rd5, %r4, 4", "mul.wide.s32 %rd5, %r4, 3", {"twice_0", "misaligned"}},
  };
  for (auto &fault : faults) {
    Session session = open(mutated(fault.from, fault.to));
    expectError(908, [&] { twice(session); }, fault.words);
    // As on a card: nothing goes on after a failed launch, until the program is started again.
    expectError(906, [&] { twice(session); }, {"LAUNCH_FAILED"});
  }
  Session session = open();
  EXPECT_EQ(twice(session)[7], 16) << "a new session begins anew";
}

TEST_F(CudaDeviceTest, WeightsAreReadOnly) {
  // Writes through its second operand, the weight.
  Session session = open(mutated("st.global.f32 [%rd13], %f5", "st.global.f32 [%rd11], %f5"));
  ProgramTensors tensors(session.module().entry("weighted"));
  const float x[8] = {};
  tensors.set("x", x, sizeof x);
  tensors.allocateOutputs();
  tensors.bind(session.executor("weighted"));
  expectError(908, [&] { session.executor("weighted").run(); }, {"affine_0", "read-only"});
}

/// The simulator's table, with calls counted.
struct Counted {
  static inline int graphs = 0, launches = 0, instantiated = 0;
  static cuda::Driver table() {
    cuda::Driver driver = cuda::simulatorDriver();
    driver.graphLaunch = [](cuda::GraphExecHandle graph, cuda::StreamHandle stream) {
      ++graphs;
      return cuda::simulatorDriver().graphLaunch(graph, stream);
    };
    driver.graphInstantiate = [](cuda::GraphExecHandle *executable, cuda::GraphHandle graph, unsigned long long flags) {
      ++instantiated;
      return cuda::simulatorDriver().graphInstantiate(executable, graph, flags);
    };
    driver.launchKernel = [](cuda::FunctionHandle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, cuda::StreamHandle stream, void **parameters, void **extra) {
      ++launches;
      return cuda::simulatorDriver().launchKernel(function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
    };
    return driver;
  }
};

TEST_F(CudaDeviceTest, LoopsAreGraphsReplayedByTheHost) {
  const cuda::Driver driver = Counted::table();
  cuda::CudaDevice device(driver, 0, "cuda:sim");
  Module module = Module::open(ConformanceModule().write(folder_), [&](const auto &names) { return device.chooseTarget(names, "m"); });
  auto code = device.load(module);
  WeightStore store(module, "");
  DeviceWeights weights(module, store, device);
  Executor executor(module, module.entry("double"), device, *code, weights);
  ProgramTensors tensors(module.entry("double"));
  const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  int64_t count = 6;
  tensors.set("x", x, sizeof x);
  tensors.set("count", &count, sizeof count);
  tensors.allocateOutputs();
  tensors.bind(executor);
  for (int run = 1; run <= 2; ++run) {
    executor.run();
    EXPECT_EQ(tensors.output("y")[1], 128);
    // The copy before the loop, its body six times, the copy behind; the kernel is launched only while recording.
    EXPECT_EQ(Counted::instantiated, 3);
    EXPECT_EQ(Counted::graphs, 8 * run);
    EXPECT_EQ(Counted::launches, 1);
  }
}

TEST_F(CudaDeviceTest, StagingCarriesAnySize) {
  cuda::CudaDevice device(cuda::simulatorDriver(), 0, "cuda:sim");
  for (size_t count : {1, 1000, (8 << 20) / 4, (20 << 20) / 4 + 3}) {
    std::vector<uint32_t> sent(count), got(count);
    std::iota(sent.begin(), sent.end(), 7u);
    DeviceMemory memory = device.allocate(count * 4, "test", "numbers");
    device.write(memory.address(), sent.data(), count * 4);
    std::vector<uint32_t> want = sent;
    sent.assign(count, 0); // the caller's bytes may change at once
    device.read(got.data(), memory.address(), count * 4);
    EXPECT_EQ(got, want) << count;
    device.zero(memory.address(), count * 4);
    device.read(got.data(), memory.address(), count * 4);
    EXPECT_EQ(got, std::vector<uint32_t>(count)) << count;
  }
}

TEST_F(CudaDeviceTest, MemoryIsGivenBack) {
  cuda::CudaDevice device(cuda::simulatorDriver(), 0, "cuda:sim");
  auto used = [] {
    size_t free = 0, total = 0;
    cuda::simulatorDriver().memGetInfo(&free, &total);
    return total - free;
  };
  {
    Session session = open();
    twice(session);
    EXPECT_GT(used(), 0u);
    session.release("double");
    EXPECT_EQ(used(), 128u + 64u) << "the constants stay for other programs";
  }
  EXPECT_EQ(used(), 0u);
}

} // namespace
} // namespace hb::test
