#include "runtime/train/TrainCheckpoint.h"

#include "runtime/train/WholeFolder.h"
#include "tests/runtime/base/ScratchFolder.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {
namespace {

using test::contentsOf;
using test::expectError;
using test::ScratchFolder;

TrainState makeState(int64_t step, size_t width = 3) {
  std::vector<float> a(width), b{4, 5};
  for (size_t i = 0; i < width; ++i)
    a[i] = 0.1f * static_cast<float>(i) + static_cast<float>(step);
  TrainState state = TrainState::start({{"unet.x", static_cast<int64_t>(width), 2, 1, 4, a, b}}, true);
  state.average[0][1] = 0.3f;
  state.averageSquares[1][0] = 1e-30f;
  state.ema[0][2] = -7;
  state.step = step;
  state.samples = step * 8 + 3;
  state.best = BestReward{0.1 + 0.2, step};
  return state;
}

CheckpointSettings settings() { return {{{"rank", "1"}, {"manifest", "12-abc"}}, {"x"}, 0.1, "[model]\n"}; }

TEST(TrainCheckpoint, EveryBitComesBack) {
  ScratchFolder out;
  TrainState state = makeState(4);
  std::string folder = saveCheckpoint(out.path(), state, settings());
  EXPECT_EQ(folder, out.path("checkpoint-4"));
  EXPECT_EQ(contentsOf(folder + "/config.resolved.toml"), "[model]\n");
  TrainState back = TrainState::start({{"unet.x", 3, 2, 1, 4, {0, 0, 0}, {0, 0}}}, true);
  loadCheckpoint(findCheckpoint("latest", out.path()), settings().identity, back);
  EXPECT_EQ(back.adapter[0].a, state.adapter[0].a);
  EXPECT_EQ(back.adapter[0].b, state.adapter[0].b);
  EXPECT_EQ(back.average, state.average);
  EXPECT_EQ(back.averageSquares, state.averageSquares);
  EXPECT_EQ(back.ema, state.ema);
  EXPECT_EQ(back.step, 4);
  EXPECT_EQ(back.samples, 35);
  ASSERT_TRUE(back.best);
  EXPECT_EQ(back.best->reward, 0.1 + 0.2);
  EXPECT_EQ(back.best->step, 4);
}

TEST(TrainCheckpoint, LatestCountsAndTheLimitTakesTheOldest) {
  ScratchFolder out;
  for (int64_t step : {2, 10, 9, 100})
    saveCheckpoint(out.path(), makeState(step), settings());
  out.write("checkpoint-x/state.json", "");
  out.write("checkpoint-7", "a file");
  EXPECT_EQ(findCheckpoint("latest", out.path()), out.path("checkpoint-100"));
  limitCheckpoints(out.path(), 2);
  EXPECT_EQ(listCheckpoints(out.path()), (std::vector<std::string>{out.path("checkpoint-10"), out.path("checkpoint-100")}));
  limitCheckpoints(out.path(), 0);
  EXPECT_EQ(listCheckpoints(out.path()).size(), 2u);
  saveCheckpoint(out.path(), makeState(100, 5), settings()); // the same step again replaces it
  verifyCheckpoint(out.path("checkpoint-100"));
  EXPECT_EQ(listCheckpoints(out.path()).size(), 2u);
}

TEST(TrainCheckpoint, DamageIsSeenAndAnOlderOneOffered) {
  ScratchFolder out;
  saveCheckpoint(out.path(), makeState(1), settings());
  std::string folder = saveCheckpoint(out.path(), makeState(2), settings());
  TrainState state = makeState(0);
  for (const char *name : {"adapter_model.safetensors", "optimizer.safetensors", "adapter_config.json", "state.json", "config.resolved.toml"}) {
    std::string path = folder + "/" + name, whole = contentsOf(path);
    for (int kind = 0; kind < 3; ++kind) {
      if (kind == 0)
        std::filesystem::remove(path);
      else if (kind == 1)
        out.write(std::string("checkpoint-2/") + name, whole.substr(0, whole.size() / 2));
      else {
        std::string changed = whole;
        changed[changed.size() / 2] ^= 4;
        out.write(std::string("checkpoint-2/") + name, changed);
      }
      if (kind == 2 && std::string(name) == "state.json")
        continue; // a changed character may spell another sound state
      expectError(660, [&] { loadCheckpoint(folder, settings().identity, state); }, {"--resume " + out.path("checkpoint-1")});
    }
    out.write(std::string("checkpoint-2/") + name, whole);
  }
  loadCheckpoint(folder, settings().identity, state);
  EXPECT_EQ(state.step, 2);
}

TEST(TrainCheckpoint, OfAnotherRunOrNone) {
  ScratchFolder out;
  std::string folder = saveCheckpoint(out.path(), makeState(1), settings());
  TrainState state = makeState(0);
  RunIdentity other = settings().identity;
  other["rank"] = "8";
  expectError(662, [&] { loadCheckpoint(folder, other, state); }, {"rank", "'8'", "'1'"});
  expectError(661, [&] { findCheckpoint("latest", out.path("nothing")); }, {"checkpoint-<step>"});
  expectError(661, [&] { findCheckpoint(out.path("checkpoint-5"), out.path()); }, {"checkpoint-5"});
  TrainState larger = TrainState::start({{"unet.x", 4, 2, 1, 4, {0, 0, 0, 0}, {0, 0}}}, true);
  expectError(660, [&] { loadCheckpoint(folder, settings().identity, larger); }, {"lora_A"});
}

TEST(TrainCheckpoint, FullDiskLeavesNothing) {
  ScratchFolder out;
  saveCheckpoint(out.path(), makeState(1), settings());
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small{600, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  expectError(901, [&] { saveCheckpoint(out.path(), makeState(2, 10000), settings()); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(listCheckpoints(out.path()), std::vector<std::string>{out.path("checkpoint-1")});
  EXPECT_EQ(out.fileCount(), 1u);
  verifyCheckpoint(out.path("checkpoint-1"));
}

TEST(TrainCheckpoint, KilledAtAnyMoment) {
  ScratchFolder out;
  // Moments are spread over three times what one checkpoint takes on this disk, so that kills fall before, into and behind each part of it.
  auto started = std::chrono::steady_clock::now();
  saveCheckpoint(out.path(), makeState(1, 5000), settings());
  auto micros = std::max<int64_t>(1000, std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - started).count());
  int64_t next = 2, written = 0;
  size_t kept = 1; // checkpoints that the last child left
  for (int round = 0; round < 40; ++round) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t step = next;; ++step) {
        saveCheckpoint(out.path(), makeState(step, 5000), settings());
        limitCheckpoints(out.path(), 3);
      }
    }
    usleep(static_cast<useconds_t>(std::min<int64_t>(micros * ((round * 7919) % 3000) / 1000, 500000)));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    std::vector<std::string> all = listCheckpoints(out.path());
    // A child removes the surplus after its first checkpoint; until then there is one more than it found, kill after kill.
    EXPECT_LE(all.size(), std::max<size_t>(kept, 3) + 1);
    kept = all.size();
    for (const std::string &folder : all)
      verifyCheckpoint(folder);
    if (!all.empty()) {
      TrainState state = makeState(0, 5000);
      loadCheckpoint(all.back(), settings().identity, state);
      EXPECT_GE(state.step, next - 1) << "an older state than before the kill";
      EXPECT_EQ(state.adapter[0].a, makeState(state.step, 5000).adapter[0].a);
      written += state.step >= next;
      next = state.step + 1;
    }
    removeLeftovers(out.path());
    EXPECT_EQ(out.fileCount(), all.size());
  }
  EXPECT_GT(written, 5) << "hardly any child got as far as a checkpoint";
}

} // namespace
} // namespace hb
