#include "runtime/params/WeightStore.h"

#include "runtime/params/Packing.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/formats/RawFile.h"

#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {
namespace {

using namespace test;

/// A checkpoint of two matrices and a module that packs them (together, and one alone) for one program.
class WeightStoreTest : public testing::Test {
protected:
  WeightStoreTest() {
    writeCheckpoint(0.5f);
    module_.modelPath = folder_.path();
    module_.scopes = {{"", folder_.path()}};
    WeightSource a{"", "a", DType::F32, {20, 6}}, b{"", "b", DType::F32, {4, 6}};
    module_.weights = {{{a, b}, WeightLayout::Panel16, DType::F32, {24, 6}}, {{b}, WeightLayout::Dense, DType::F32, {4, 6}}};
    Command launch;
    launch.bindings = {{Binding::Kind::Weight, 0}, {Binding::Kind::Arena, 0}, {Binding::Kind::Weight, 1}};
    program_.commands = {launch};
    options_.cache.enabled = true;
    options_.cache.directory = folder_.path("cache");
    options_.cache.minimumBytes = 1;
    options_.cache.warn = [this](const std::string &text) { warnings_.push_back(text); };
  }
  void writeCheckpoint(float step) { writeTensors(folder_.path("model.safetensors"), {{"a", {20, 6}, step}, {"b", {4, 6}, step}}); }
  /// Packed bytes of both weights, and how many came from the cache.
  std::pair<std::vector<std::string>, uint64_t> pack() {
    WeightStore store(module_, "", options_);
    store.prepare(program_);
    std::vector<std::string> bytes;
    for (size_t i = 0; i < 2; ++i)
      bytes.emplace_back(reinterpret_cast<const char *>(store.get(i)), packedSize(module_.weights[i]));
    EXPECT_EQ(store.packedBytes(), bytes[0].size() + bytes[1].size());
    return {bytes, store.cachedBytes()};
  }
  size_t cacheFiles() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_.path("cache")), {})); }

  ScratchFolder folder_;
  Module module_;
  Program program_;
  WeightStoreOptions options_;
  std::vector<std::string> warnings_;
};

TEST_F(WeightStoreTest, CachedWeightsAreThePackedOnes) {
  options_.cache.enabled = false;
  auto [plain, none] = pack();
  EXPECT_EQ(none, 0u);
  options_.cache.enabled = true;
  for (int round = 0; round < 2; ++round) {
    auto [bytes, cached] = pack();
    EXPECT_EQ(bytes, plain);
    EXPECT_EQ(cached, plain[0].size() + plain[1].size());
    EXPECT_EQ(cacheFiles(), 1u);
  }
  // A moved checkpoint is the same checkpoint; the time of change moves with it.
  auto time = std::filesystem::last_write_time(folder_.path("model.safetensors"));
  std::filesystem::create_directory(folder_.path("moved"));
  std::filesystem::rename(folder_.path("model.safetensors"), folder_.path("moved/model.safetensors"));
  std::filesystem::last_write_time(folder_.path("moved/model.safetensors"), time);
  module_.scopes[0].path = folder_.path("moved");
  EXPECT_EQ(pack().first, plain);
  EXPECT_EQ(cacheFiles(), 1u);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(WeightStoreTest, AnotherCheckpointIsNotTakenForTheFirst) {
  auto first = pack().first;
  auto time = std::filesystem::last_write_time(folder_.path("model.safetensors"));
  writeCheckpoint(0.25f); // the same header and size
  std::filesystem::last_write_time(folder_.path("model.safetensors"), time);
  auto second = pack().first;
  EXPECT_NE(second, first);
  options_.cache.enabled = false;
  EXPECT_EQ(pack().first, second);
}

TEST_F(WeightStoreTest, ADamagedFileIsReplaced) {
  auto sound = pack().first;
  std::string path = std::filesystem::directory_iterator(folder_.path("cache"))->path();
  std::string contents = contentsOf(path);
  contents[5] ^= 1;
  std::ofstream(path, std::ios::binary) << contents;
  EXPECT_EQ(pack().first, sound);
  EXPECT_EQ(warnings_.size(), 1u);
  EXPECT_EQ(pack().first, sound);
  EXPECT_EQ(warnings_.size(), 1u) << "sound again";
}

TEST_F(WeightStoreTest, AFileCutOffAnywhereIsReplaced) {
  auto sound = pack().first;
  std::string path = std::filesystem::directory_iterator(folder_.path("cache"))->path();
  for (uintmax_t size : {uintmax_t(0), uintmax_t(1), std::filesystem::file_size(path) / 2, std::filesystem::file_size(path) - 1}) {
    std::filesystem::resize_file(path, size);
    warnings_.clear();
    EXPECT_EQ(pack().first, sound);
    ASSERT_EQ(warnings_.size(), 1u) << size;
    EXPECT_NE(warnings_[0].find("is damaged; the weights are packed again"), std::string::npos);
    EXPECT_EQ(pack(), std::pair(sound, uint64_t(sound[0].size() + sound[1].size()))) << "the new file serves";
    EXPECT_EQ(cacheFiles(), 1u);
  }
}

/// A disk that is full in the middle of the write, by a limit on file sizes: a warning, the same weights, nothing left.
TEST_F(WeightStoreTest, AFullDiskIsAWarning) {
  options_.cache.enabled = false;
  auto plain = pack().first;
  options_.cache.enabled = true;
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before, small;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 300;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto got = pack();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(got, std::pair(plain, uint64_t(0)));
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("packed weights are not kept: error HB0901"), std::string::npos) << warnings_[0];
  EXPECT_EQ(cacheFiles(), 0u);
  EXPECT_GT(pack().second, 0u) << "with room again, they are kept";
}

/// Processes that find no file at the same moment each write one, and files go while others look for them: all get the same weights,
/// and what lies there in the end is whole.
TEST_F(WeightStoreTest, ProcessesAtTheSameTime) {
  options_.cache.enabled = false;
  auto plain = pack().first;
  options_.cache.enabled = true;
  pack();
  std::string path = std::filesystem::directory_iterator(folder_.path("cache"))->path();
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    pid_t child = ::fork();
    if (child == 0) {
      for (int round = 0; round < 20; ++round) {
        ::unlink(path.c_str());
        if (pack().first != plain)
          ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(pack().first, plain);
  EXPECT_EQ(pack().second, plain[0].size() + plain[1].size());
  EXPECT_TRUE(warnings_.empty());
  EXPECT_EQ(cacheFiles(), 1u);
}

TEST_F(WeightStoreTest, SmallNetworksAndUnusableFoldersPackInMemory) {
  options_.cache.minimumBytes = 1 << 20;
  EXPECT_EQ(pack().second, 0u);
  EXPECT_EQ(cacheFiles(), 0u);
  options_.cache.minimumBytes = 1;
  options_.cache.limitBytes = 10;
  EXPECT_EQ(pack().second, 0u);
  EXPECT_EQ(warnings_.size(), 1u);
}

} // namespace
} // namespace hb
