#include "runtime/base/Error.h"
#include "runtime/exec/Session.h"
#include "runtime/exec/SessionAdapters.h"
#include "runtime/hb_rt.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/module/ModuleText.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <new>
#include <sstream>

namespace {
std::atomic<uint64_t> gAllocations{0};
}

// Every allocation of the process goes through here, so that a test can see that a running program makes none. (The thread
// sanitizer brings its own; in that build nothing is counted and the test of allocations passes without having looked.)
#if !__has_feature(thread_sanitizer)
void *operator new(size_t size) {
  ++gAllocations;
  if (void *p = std::malloc(size ? size : 1))
    return p;
  throw std::bad_alloc();
}
void operator delete(void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }
#endif

namespace hb::test {
namespace {

class SessionTest : public testing::Test {
protected:
  SessionTest() {
    std::ostringstream code;
    code << std::ifstream(HB_TWICE_LIBRARY, std::ios::binary).rdbuf();
    nlohmann::json header = smallHeader();
    header["targets"][0]["code"] = {{{"target", "x86-64"}, {"cpu", "test"}, {"features", {"avx2-of-another-planet"}}, {"offset", 64}, {"size", code.str().size()}},
                      {{"target", "x86-64"}, {"cpu", "test"}, {"features", nlohmann::json::array()}, {"offset", 64}, {"size", code.str().size()}}};
    header_ = header;
    path_ = folder_.path("m.hbm");
    blobs_ = std::string(64, '\0') + code.str();
    writeBytes(path_, moduleBytes(header.dump(), blobs_));
  }

  /// The executor of the loop, bound to `tensors` that hold x and a count.
  static Executor &bound(Session &session, ProgramTensors &tensors, const std::vector<float> &x, int64_t count) {
    const int64_t ids[] = {0, 4};
    tensors.set("x", x.data(), 32);
    tensors.set("count", &count, 8);
    tensors.set("ids", ids, 16);
    tensors.allocateOutputs();
    Executor &executor = session.executor("double");
    tensors.bind(executor);
    return executor;
  }

  std::vector<float> run(Session &session, int64_t count) {
    ProgramTensors tensors(session.module().entry("double"));
    Executor &executor = bound(session, tensors, {1, 2, 3, 4, 5, 6, 7, 8}, count);
    uint64_t before = gAllocations;
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(gAllocations, before) << "a program allocated while it ran";
    return {tensors.output("y"), tensors.output("y") + 8};
  }

  ScratchFolder folder_;
  std::string path_, blobs_;
  nlohmann::json header_;
};

TEST_F(SessionTest, RunsTheLoopAsOftenAsAsked) {
  for (int threads : {1, 3}) {
    Session session(path_, {"", threads});
    EXPECT_EQ(run(session, 0)[7], 8);
    EXPECT_EQ(run(session, 3), (std::vector<float>{8, 16, 24, 32, 40, 48, 56, 64}));
    EXPECT_EQ(run(session, 10)[0], 1024);
  }
}

TEST_F(SessionTest, FindsTheFirstValueThatIsNotFinite) {
  Session session(path_, {"", 1});
  ProgramTensors tensors(session.module().entry("double"));
  auto look = [&](int64_t rounds) { return bound(session, tensors, {1, 2, 3, 4, 5, 6, 7, 1e38f}, rounds).firstNonFinite(); };
  EXPECT_EQ(look(1), "");
  EXPECT_EQ(look(2), "twice_0") << "2·2·1e38 is infinite";
  EXPECT_EQ(look(1), "") << "nothing is left from before";
}

TEST_F(SessionTest, TripCountOutOfRange) {
  Session session(path_, {});
  for (int64_t count : {int64_t(-1), int64_t(11), INT64_MAX}) {
    try {
      run(session, count);
      FAIL() << count;
    } catch (const Error &error) {
      EXPECT_EQ(error.number(), 508);
    }
  }
}

TEST_F(SessionTest, ChecksIdsAndSizes) {
  Session session(path_, {});
  ProgramTensors tensors(session.module().entry("double"));
  int64_t ids[] = {0, 5};
  auto number = [](auto body) {
    try {
      body();
      return 0;
    } catch (const Error &error) {
      return error.number();
    }
  };
  EXPECT_EQ(number([&] { tensors.set("ids", ids, 16); }), 505);
  EXPECT_EQ(number([&] { tensors.set("ids", ids, 8); }), 503);
  EXPECT_EQ(number([&] { tensors.set("idz", ids, 16); }), 510);
  EXPECT_EQ(number([&] { tensors.bind(session.executor("double")); }), 502);
}

TEST_F(SessionTest, NoCodeForThisMachine) {
  header_["targets"][0]["code"].erase(1);
  writeBytes(path_, moduleBytes(header_.dump(), blobs_));
  try {
    Session session(path_, {});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), 407);
    EXPECT_NE(std::string(error.what()).find("avx2-of-another-planet"), std::string::npos);
  }
}

TEST_F(SessionTest, DamagedCodeIsRefused) {
  writeBytes(path_, moduleBytes(header_.dump(), std::string(blobs_.size(), 'x')));
  try {
    Session session(path_, {});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.number(), 408);
  }
}

TEST_F(SessionTest, AdaptersNeedTheSlotsOfOneNetwork) {
  nlohmann::json set = {{"scope", "unet"}, {"rank", 1}, {"targets", nlohmann::json::array()}, {"sites", nlohmann::json::array()}, {"linears", nlohmann::json::array()}};
  for (int sets : {0, 2}) {
    header_["adapters"] = nlohmann::json(sets, set);
    writeBytes(path_, moduleBytes(header_.dump(), blobs_));
    Session session(path_, {});
    try {
      bindAdapters(session, {"a.safetensors"});
      FAIL() << sets;
    } catch (const Error &error) {
      EXPECT_EQ(error.number(), sets ? 509 : 507);
    }
  }
}

TEST_F(SessionTest, CApi) {
  hb_session *session = nullptr;
  EXPECT_EQ(hb_open(folder_.path("absent.hbm").c_str(), nullptr, &session), HB_BAD_FILE);
  EXPECT_NE(std::string(hb_last_error()).find("absent.hbm"), std::string::npos);
  ASSERT_EQ(hb_open(path_.c_str(), nullptr, &session), HB_OK) << hb_last_error();
  EXPECT_EQ(hb_entry_count(session), 1u);
  EXPECT_STREQ(hb_entry_name(session, 0), "double");
  EXPECT_EQ(hb_tensor_count(session, "double", 0), 3u);
  float x[8] = {1, 1, 1, 1, 1, 1, 1, 1}, y[8] = {};
  int64_t count = 4, ids[2] = {1, 2};
  hb_tensor inputs[] = {{"x", HB_F32, 1, {8}, x}, {"count", HB_I64, 0, {}, &count}, {"ids", HB_I64, 1, {2}, ids}};
  hb_tensor output = {"y", HB_F32, 1, {8}, y};
  int64_t seen = 0;
  auto step = [](void *user, int64_t, int64_t) {
    ++*static_cast<int64_t *>(user);
    return 0;
  };
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, step, &seen), HB_OK) << hb_last_error();
  EXPECT_EQ(y[3], 16);
  EXPECT_EQ(seen, 4);
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, [](void *, int64_t i, int64_t) { return int(i == 2); }, nullptr), HB_CANCELLED);
  output.shape[0] = 7;
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, nullptr, nullptr), HB_BAD_FILE);
  EXPECT_EQ(hb_run(session, "triple", inputs, 3, &output, 1, nullptr, nullptr), HB_USAGE);
  auto said = [](const char *number) { return std::string(hb_last_error()).starts_with(std::string("error ") + number); };
  output.shape[0] = 8;
  output.dtype = HB_I64;
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, nullptr, nullptr), HB_BAD_FILE);
  EXPECT_TRUE(said("HB0504")) << hb_last_error();
  EXPECT_EQ(hb_open(nullptr, nullptr, &session), HB_USAGE);
  EXPECT_TRUE(said("HB0511")) << hb_last_error();
  hb_tensor info;
  EXPECT_EQ(hb_tensor_info(session, "double", 1, 1, &info), HB_USAGE);
  EXPECT_TRUE(said("HB0511")) << hb_last_error();
  // Arguments that cannot be looked at are refused before anything looks at them.
  output = {"y", HB_F32, 1, {8}, nullptr};
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, nullptr, nullptr), HB_USAGE);
  output = {nullptr, HB_F32, 1, {8}, y};
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, nullptr, nullptr), HB_USAGE);
  output = {"y", HB_F32, HB_MAX_RANK + 1, {8}, y};
  EXPECT_EQ(hb_run(session, "double", inputs, 3, &output, 1, nullptr, nullptr), HB_USAGE);
  EXPECT_EQ(hb_run(session, nullptr, inputs, 3, nullptr, 0, nullptr, nullptr), HB_USAGE);
  EXPECT_EQ(hb_run(session, "double", nullptr, 1, nullptr, 0, nullptr, nullptr), HB_USAGE);
  EXPECT_TRUE(said("HB0511")) << hb_last_error();
  const char *adapter = "adapter.safetensors:0.5";
  EXPECT_EQ(hb_set_adapters(session, &adapter, 1), HB_BAD_FILE);
  EXPECT_TRUE(said("HB0507")) << hb_last_error();
  EXPECT_EQ(hb_set_adapters(session, nullptr, 0), HB_OK);
  hb_close(session);
}

} // namespace
} // namespace hb::test
