// What every device promises, run on all that this machine has: the processor, the simulated CUDA device, and a real one where there is one
// (the names of the tests say which).
#include "runtime/base/Error.h"
#include "runtime/exec/Session.h"
#include "runtime/formats/Safetensors.h"
#include "tests/runtime/exec/ConformanceKernels.h"

#include <gtest/gtest.h>

#include <limits>

namespace hb::test {
namespace {

std::vector<std::string> devicesHere() {
  std::vector<std::string> names;
  for (const ListedDevice &device : listDevices())
    if (device.note.empty())
      names.push_back(device.info.name);
  return names;
}

class DeviceConformanceTest : public testing::TestWithParam<std::string> {
protected:
  Session open() {
    SessionOptions options;
    options.device = GetParam();
    options.threads = 2;
    return Session(ConformanceModule().write(folder_), options);
  }
  static std::vector<float> floats(const ProgramTensors &tensors, const std::string &name, size_t count) { return {tensors.output(name), tensors.output(name) + count}; }

  ScratchFolder folder_;
  const std::vector<float> x_ = {1, 2, 3, 4, 5, 6, 7, 8};
};

/// One entry with its tensors.
struct Entry {
  Entry(Session &session, const std::string &name) : executor(session.executor(name)), tensors(session.module().entry(name)) { tensors.allocateOutputs(); }
  void set(const std::string &name, const std::vector<float> &values) { tensors.set(name, values.data(), values.size() * sizeof(float)); }
  void set(const std::string &name, int64_t value) { tensors.set(name, &value, sizeof value); }
  bool run() {
    tensors.bind(executor);
    return executor.run();
  }
  Executor &executor;
  ProgramTensors tensors;
};

TEST_P(DeviceConformanceTest, OpensUnderItsName) {
  Session session = open();
  EXPECT_EQ(session.device().info().name, GetParam());
  EXPECT_FALSE(session.device().info().description.empty());
  EXPECT_EQ(session.module().name, GetParam() == "cpu" ? "x86-64" : "cuda:sm_80");
}

TEST_P(DeviceConformanceTest, CopiesOfInputsArenaAndConstants) {
  Session session = open();
  Entry entry(session, "copy");
  for (float factor : {1.0f, -3.0f}) {
    std::vector<float> x;
    for (float v : x_)
      x.push_back(v * factor);
    entry.set("x", x);
    EXPECT_TRUE(entry.run());
    EXPECT_EQ(floats(entry.tensors, "y", 8), x);
    EXPECT_EQ(floats(entry.tensors, "c", 4), std::vector<float>(4, 0.5f));
  }
}

TEST_P(DeviceConformanceTest, LoopsAsOftenAsAsked) {
  Session session = open();
  Entry entry(session, "double");
  entry.set("x", x_);
  for (int64_t count : {0, 1, 3, 10, 2}) {
    entry.set("count", count);
    EXPECT_TRUE(entry.run());
    std::vector<float> want;
    for (float v : x_)
      want.push_back(v * static_cast<float>(1 << count));
    EXPECT_EQ(floats(entry.tensors, "y", 8), want) << count;
  }
  for (int64_t count : {int64_t(-1), int64_t(11), std::numeric_limits<int64_t>::max()}) {
    entry.set("count", count);
    expectError(508, [&] { entry.run(); });
  }
  entry.set("count", 1);
  EXPECT_TRUE(entry.run()) << "a refused count leaves the device usable";
  EXPECT_EQ(floats(entry.tensors, "y", 8)[7], 16);
}

/// The digits are outer + inner counter of each round.
TEST_P(DeviceConformanceTest, NestedLoopsCount) {
  Session session = open();
  Entry entry(session, "nested");
  for (auto [n, want] : {std::pair<int64_t, int64_t>{0, 12123}, {1, 1212301}, {3, 12123012123}}) {
    entry.set("n", n);
    EXPECT_TRUE(entry.run());
    EXPECT_EQ(reinterpret_cast<const int64_t *>(entry.tensors.outputs()[0].data)[0], want) << n;
  }
  entry.set("n", 6);
  expectError(508, [&] { entry.run(); });
}

TEST_P(DeviceConformanceTest, StepCallbackSeesEveryRoundAndStops) {
  Session session = open();
  Entry entry(session, "double");
  entry.set("x", x_);
  entry.set("count", 7);
  std::vector<std::pair<int64_t, int64_t>> seen;
  entry.executor.onStep([&](int64_t step, int64_t steps) {
    seen.push_back({step, steps});
    return true;
  });
  EXPECT_TRUE(entry.run());
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(seen.back(), (std::pair<int64_t, int64_t>{6, 7}));
  entry.executor.onStep([&](int64_t step, int64_t) { return step < 4; });
  EXPECT_FALSE(entry.run());
  entry.executor.onStep(nullptr);
  EXPECT_TRUE(entry.run());
  EXPECT_EQ(floats(entry.tensors, "y", 8)[0], 128);
}

TEST_P(DeviceConformanceTest, WeightsConstantsAndAdapters) {
  Session session = open();
  Entry entry(session, "weighted");
  entry.set("x", x_);
  EXPECT_TRUE(entry.run());
  EXPECT_EQ(floats(entry.tensors, "y", 8), std::vector<float>(8, 0.5f)) << "an empty adapter slot is zero";
  for (float scale : {2.0f, -1.0f}) {
    AdapterFactors factors;
    factors.scale.assign(8, scale);
    session.weights().setAdapters({{"net\nsite", factors}});
    EXPECT_TRUE(entry.run());
    for (size_t i = 0; i < 8; ++i)
      EXPECT_EQ(floats(entry.tensors, "y", 8)[i], (x_[i] * x_[i] + 0.5f) * scale + 0.5f) << i;
  }
  session.weights().setAdapters({});
  EXPECT_TRUE(entry.run());
  EXPECT_EQ(floats(entry.tensors, "y", 8), std::vector<float>(8, 0.5f)) << "removed again";
}

TEST_P(DeviceConformanceTest, EntriesShareWeightsAndCanBeReleased) {
  Session session = open();
  {
    Entry entry(session, "weighted");
    entry.set("x", x_);
    EXPECT_TRUE(entry.run());
  }
  uint64_t held = session.deviceWeights().bytes();
  EXPECT_GT(held, 0u);
  session.release("weighted");
  Entry again(session, "weighted");
  again.set("x", x_);
  EXPECT_TRUE(again.run());
  EXPECT_EQ(session.deviceWeights().bytes(), held) << "uploaded once";
}

TEST_P(DeviceConformanceTest, TimesEveryLaunch) {
  Session session = open();
  Entry entry(session, "double");
  entry.set("x", x_);
  entry.set("count", 300);
  expectError(508, [&] { entry.run(); });
  entry.set("count", 9);
  entry.executor.profile(true);
  for (int i = 0; i < 60; ++i)
    EXPECT_TRUE(entry.run());
  ASSERT_EQ(entry.executor.launchTimes().size(), 1u);
  const LaunchTime &time = entry.executor.launchTimes()[0];
  EXPECT_EQ(time.count, 540u);
  EXPECT_GT(time.seconds, 0);
  EXPECT_GT(time.cpuSeconds, 0);
  EXPECT_LE(time.best * 540, time.seconds * 1.0001);
  EXPECT_EQ(floats(entry.tensors, "y", 8)[0], 512) << "launch by launch computes the same";
  entry.executor.profile(false);
  EXPECT_TRUE(entry.run());
  EXPECT_EQ(entry.executor.launchTimes()[0].count, 540u);
}

TEST_P(DeviceConformanceTest, FindsTheFirstValueThatIsNotFinite) {
  Session session = open();
  Entry entry(session, "double");
  std::vector<float> x = x_;
  x[7] = 1e38f;
  entry.set("x", x);
  for (auto [count, want] : {std::pair<int64_t, const char *>{1, ""}, {2, "twice_0"}, {1, ""}}) {
    entry.set("count", count);
    entry.tensors.bind(entry.executor);
    EXPECT_EQ(entry.executor.firstNonFinite(), want) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(On, DeviceConformanceTest, testing::ValuesIn(devicesHere()), [](const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ':', '_');
  return name;
});

} // namespace
} // namespace hb::test
