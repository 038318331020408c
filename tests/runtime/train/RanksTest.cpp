// Several ranks as threads of one process: every bit as one rank that computes the same samples.
#include "tests/runtime/train/ToyStep.h"

#include "runtime/train/GradientSum.h"
#include "runtime/train/Lifeline.h"

#include <nlohmann/json.hpp>

#include <barrier>
#include <thread>

namespace hb {
namespace {

using test::contentsOf;
using test::ToyRun;
using test::ToyStep;

/// What the ranks of one test share.
struct Meeting {
  explicit Meeting(int size) : size(size), barrier(size), sent(static_cast<size_t>(size)) {}
  int size;
  std::barrier<> barrier;
  std::vector<const void *> sent;
};

class ThreadRanks : public Ranks {
public:
  ThreadRanks(Meeting &meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.size; }
  void exchange(const float *mine, float *all, size_t count) override {
    meet(mine, [&](int from, const void *sent) { std::memcpy(all + static_cast<size_t>(from) * count, static_cast<const float *>(sent) + static_cast<size_t>(rank_) * count, count * sizeof(float)); });
  }
  void gather(const void *mine, void *all, size_t bytes) override {
    meet(mine, [&](int from, const void *sent) { std::memcpy(static_cast<char *>(all) + static_cast<size_t>(from) * bytes, sent, bytes); });
  }

private:
  template <typename Take> void meet(const void *mine, Take take) {
    meeting_.sent[static_cast<size_t>(rank_)] = mine;
    meeting_.barrier.arrive_and_wait();
    for (int from = 0; from < meeting_.size; ++from)
      take(from, meeting_.sent[static_cast<size_t>(from)]);
    meeting_.barrier.arrive_and_wait();
  }
  Meeting &meeting_;
  int rank_;
};

/// Calls `body` as every rank, each on a thread of its own.
void asRanks(int size, const std::function<void(Ranks &)> &body) {
  Meeting meeting(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRanks ranks(meeting, rank);
      body(ranks);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(GradientSum, FoldsInTheOrderOfSamples) {
  // Numbers whose sum depends on the order, in tensors that no number of ranks divides.
  const std::vector<size_t> sizes = {5, 1, 7};
  auto gradient = [&](int64_t sample) {
    std::vector<std::vector<float>> tensors;
    for (size_t t = 0; t < sizes.size(); ++t)
      for (size_t k = 0; (tensors.resize(t + 1), k < sizes[t]); ++k)
        tensors[t].push_back(static_cast<float>(std::sin(static_cast<double>(sample * 31 + static_cast<int64_t>(t * 7 + k))) * std::pow(10.0, static_cast<double>((sample * 5 + static_cast<int64_t>(k)) % 9) - 4)));
    return tensors;
  };
  auto sum = [&](Ranks &ranks, int64_t rounds, std::vector<float> &out) {
    GradientSum total(ranks, sizes);
    for (int repeat = 0; repeat < 2; ++repeat) {
      total.clear();
      for (int64_t i = 0; i < rounds; ++i) {
        auto tensors = gradient(i * ranks.size() + ranks.rank());
        total.add({tensors.begin(), tensors.end()}, 1.0f / 12);
      }
      out.clear();
      for (std::span<float> tensor : total.total()) {
        out.insert(out.end(), tensor.begin(), tensor.end());
        std::fill(tensor.begin(), tensor.end(), 99.0f); // as clipping may
      }
    }
  };
  std::vector<float> want, backwards(13);
  sum(oneRank(), 12, want);
  ASSERT_EQ(want.size(), 13u);
  for (int64_t sample = 11; sample >= 0; --sample) {
    auto tensors = gradient(sample);
    for (size_t t = 0, at = 0; t < 3; ++t)
      for (float value : tensors[t])
        backwards[at++] += value * (1.0f / 12);
  }
  EXPECT_NE(backwards, want) << "the order must matter for this test to say anything";
  for (int size : {2, 3, 4}) {
    std::vector<std::vector<float>> got(static_cast<size_t>(size));
    asRanks(size, [&](Ranks &ranks) { sum(ranks, 12 / size, got[static_cast<size_t>(ranks.rank())]); });
    for (const auto &values : got)
      EXPECT_EQ(values, want) << size << " ranks";
  }
}

/// Everything that a run leaves and that must not depend on the number of ranks.
std::string leftBy(const ToyRun &run) {
  std::string all;
  for (const char *name : {"checkpoint-12/adapter_model.safetensors", "checkpoint-12/optimizer.safetensors", "checkpoint-12/state.json", "best/adapter_model.safetensors", "final/kohya.safetensors"}) {
    EXPECT_TRUE(std::filesystem::exists(run.out(name))) << name;
    all += contentsOf(run.out(name));
  }
  std::ifstream lines(run.out("metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json values = nlohmann::json::parse(line);
    for (const char *measured : {"step_time_s", "samples_per_s", "peak_mem_bytes"})
      values.erase(measured);
    all += values.dump() + "\n";
  }
  // The stored configuration differs where it says so: the accumulation.
  size_t at = all.find("\"config.resolved.toml\"");
  return all.erase(at, all.find('}', at) - at);
}

std::vector<ConfigOverride> accumulation(int64_t rounds) { return {{"train.gradient_accumulation_steps", std::to_string(rounds)}, {"data.validation", "val.jsonl"}, {"checkpoint.validation_steps", "4"}}; }

TEST(Ranks, TrainAsOneDoes) {
  ToyRun one(accumulation(6));
  ToyStep step;
  one.trainer(step, true).run();
  const std::string want = leftBy(one);
  for (int size : {2, 3}) {
    ToyRun run(accumulation(6 / size));
    std::vector<std::vector<int64_t>> seen(static_cast<size_t>(size));
    asRanks(size, [&](Ranks &ranks) {
      ToyStep mine;
      EXPECT_EQ(run.trainer(mine, true, ranks).run(), TrainEnd::Finished);
      seen[static_cast<size_t>(ranks.rank())] = mine.seen;
    });
    EXPECT_EQ(leftBy(run), want) << size << " ranks";
    EXPECT_EQ(seen[0][0], 0);
    EXPECT_EQ(seen[1][0], 1) << "each computes its own share";
  }
}

TEST(Ranks, ContinueEachOthersRuns) {
  ToyRun one(accumulation(6));
  ToyStep step;
  one.trainer(step, true).run();
  ToyRun run(accumulation(6));
  run.config.train.maxTrainSteps = 6;
  run.config.optimizer.lrScheduler = "constant";
  one.config.optimizer.lrScheduler = "constant";
  ToyStep first;
  run.trainer(first, true).run();
  run.config.train.maxTrainSteps = 12;
  run.config.train.gradientAccumulationSteps = 3;
  asRanks(2, [&](Ranks &ranks) {
    ToyStep mine;
    Trainer trainer = run.trainer(mine, true, ranks);
    trainer.resume("latest");
    trainer.run();
  });
  ToyRun whole(accumulation(6));
  whole.config.optimizer.lrScheduler = "constant";
  ToyStep all;
  whole.trainer(all, true).run();
  EXPECT_EQ(leftBy(run), leftBy(whole));
}

TEST(Ranks, MustAgree) {
  ToyRun run;
  asRanks(2, [&](Ranks &ranks) {
    ToyRun mine({{"data.shuffle_seed", std::to_string(ranks.rank())}});
    ToyStep step;
    test::expectError(668, [&] { mine.trainer(step, false, ranks).run(); }, {"rank 1"});
  });
}

TEST(Ranks, ACheckpointAtAnyMoment) {
  // Another thread asks in the middle of batches; whatever it gets continues to the same end.
  const std::vector<ConfigOverride> constant = {{"optimizer.lr_scheduler", "constant"}}; // cosine's rates would follow the shorter run's length
  ToyRun whole(constant);
  ToyStep step;
  whole.trainer(step).run();
  ToyRun run(constant);
  run.config.checkpoint.checkpointingSteps = 1000;
  run.config.train.maxTrainSteps = 11; // so that the last step's checkpoint is another one
  {
    ToyStep slow;
    slow.afterRun = [] { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
    Trainer trainer = run.trainer(slow);
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(15));
      int64_t saved = trainer.saveNow();
      EXPECT_GE(saved, 0);
      EXPECT_LT(saved, 12);
    });
    trainer.run();
    other.join();
  }
  std::vector<std::string> saved = listCheckpoints(run.config.checkpoint.outputDir);
  ASSERT_GE(saved.size(), 1u);
  run.config.train.maxTrainSteps = 12;
  ToyStep again;
  Trainer rest = run.trainer(again);
  rest.resume(saved.front());
  rest.run();
  for (const char *name : {"checkpoint-12/adapter_model.safetensors", "checkpoint-12/optimizer.safetensors"})
    EXPECT_EQ(contentsOf(run.out(name)), contentsOf(whole.out(name)));
}

TEST(Lifeline, TellsOfEndsAndFarewells) {
  asRanks(3, [](Ranks &ranks) {
    char all[3], mine = 0;
    auto line = std::make_unique<Lifeline>(ranks);
    EXPECT_EQ(line->wait(0).event, Lifeline::Event::None);
    ranks.gather(&mine, all, 1);
    if (ranks.rank() == 1)
      line->farewell(false);
    if (ranks.rank() == 1)
      line.reset();
    ranks.gather(&mine, all, 1);
    if (ranks.rank() == 0) // a good end is no news
      EXPECT_EQ(line->wait(100).event, Lifeline::Event::None);
    ranks.gather(&mine, all, 1);
    if (ranks.rank() == 2)
      line.reset(); // as the system does for a killed process
    if (ranks.rank() == 0) {
      Lifeline::News news = line->wait(5000);
      EXPECT_EQ(news.event, Lifeline::Event::Lost);
      EXPECT_EQ(news.rank, 2);
    }
    ranks.gather(&mine, all, 1);
  });
  asRanks(2, [](Ranks &ranks) {
    Lifeline line(ranks);
    if (ranks.rank() == 0)
      line.farewell(true);
    else
      EXPECT_EQ(line.wait(5000).event, Lifeline::Event::Interrupted);
    char all[2], mine = 0;
    ranks.gather(&mine, all, 1);
  });
}

} // namespace
} // namespace hb
