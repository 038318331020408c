#include "tests/runtime/train/ToyStep.h"

#include "runtime/base/MappedFile.h"

#include <nlohmann/json.hpp>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace hb {
namespace {

using test::contentsOf;
using test::expectError;
using test::ToyRun;
using test::ToyStep;

std::vector<nlohmann::json> linesOf(const std::string &path) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    lines.push_back(nlohmann::json::parse(line));
  return lines;
}

/// The bytes that tell whether two runs are the same.
std::string fingerprint(const ToyRun &run) {
  std::string all;
  for (const char *name : {"checkpoint-12/adapter_model.safetensors", "checkpoint-12/optimizer.safetensors", "final/adapter_model.safetensors", "final/kohya.safetensors"}) {
    EXPECT_TRUE(isFile(run.out(name))) << name;
    all += contentsOf(run.out(name));
  }
  return all;
}

TEST(Trainer, FollowsThePlainLoop) {
  ToyRun run({{"optimizer.lr_scheduler", "constant"}, {"optimizer.max_grad_norm", "0"}, {"optimizer.ema_decay", "0"}, {"data.shuffle", "false"}, {"train.max_train_steps", "3"}});
  ToyStep step(2);
  Trainer trainer = run.trainer(step);
  EXPECT_EQ(trainer.run(), TrainEnd::Finished);
  EXPECT_EQ(step.seen, (std::vector<int64_t>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(trainer.state().samples, 12);
  // The same by hand: mean over the four samples of each step, then AdamW.
  TrainState want = TrainState::start(initialAdapter({{"unet.to_q", 6, 4}, {"unet.to_v", 6, 5}}, 2, 4, 0), false);
  ToyStep oracle(2);
  for (int64_t s = 0; s < 3; ++s) {
    oracle.setAdapter(want.adapter);
    std::vector<std::vector<float>> sum;
    for (int64_t half = 0; half < 2; ++half) {
      int64_t position = s * 4 + half * 2;
      TrainBatch batch{{&run.training.records[position % 7], &run.training.records[(position + 1) % 7]}, position, true};
      BatchResult result = oracle.run(batch, false);
      for (size_t t = 0; t < result.gradients.size(); ++t) {
        if (half == 0)
          sum.emplace_back(result.gradients[t].size());
        for (size_t i = 0; i < sum[t].size(); ++i)
          sum[t][i] += result.gradients[t][i] * 0.5f;
      }
    }
    auto parameters = trainableTensors(want.adapter);
    for (size_t t = 0; t < sum.size(); ++t)
      adamWStep(parameters[t], sum[t], want.average[t], want.averageSquares[t], s + 1, {0.01, 0.9, 0.999, 1e-8, 1e-2});
  }
  EXPECT_EQ(trainer.state().adapter[0].a, want.adapter[0].a);
  EXPECT_EQ(trainer.state().adapter[1].b, want.adapter[1].b);
}

TEST(Trainer, ResumesBitByBit) {
  ToyRun whole;
  ToyStep step;
  whole.trainer(step).run();
  std::string want = fingerprint(whole);
  for (int64_t stopAfter : {1, 5, 6, 13, 23}) {
    ToyRun parts;
    ToyStep first, second;
    TrainHooks hooks;
    hooks.stopRequested = [&] { return first.runs >= stopAfter; };
    EXPECT_EQ(parts.trainer(first).run(hooks), TrainEnd::Interrupted);
    EXPECT_TRUE(isDirectory(parts.out("checkpoint-" + std::to_string(stopAfter / 2)))) << "at the last whole step";
    Trainer again = parts.trainer(second);
    again.resume("latest");
    EXPECT_EQ(again.run(), TrainEnd::Finished);
    EXPECT_EQ(fingerprint(parts), want) << "stopped after batch " << stopAfter;
    std::vector<nlohmann::json> lines = linesOf(parts.out("metrics.jsonl"));
    ASSERT_EQ(lines.size(), 12u);
    for (size_t i = 0; i < lines.size(); ++i)
      EXPECT_EQ(lines[i]["step"], i + 1) << "each step once, in order";
  }
}

TEST(Trainer, ResumesAfterKills) {
  ToyRun whole;
  ToyStep step;
  whole.trainer(step).run();
  std::string want = fingerprint(whole);
  ToyRun killed;
  int kills = 0;
  for (bool done = false; !done && kills < 400;) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int code = 1;
      try {
        ToyStep slow;
        slow.afterRun = [] { usleep(2000); };
        Trainer trainer = killed.trainer(slow);
        if (!listCheckpoints(killed.config.checkpoint.outputDir).empty())
          trainer.resume("latest");
        code = trainer.run() == TrainEnd::Finished ? 0 : 2;
      } catch (const Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      _exit(code);
    }
    usleep(static_cast<useconds_t>(20000 + (kills * 7919) % 180000));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    done = WIFEXITED(status);
    if (done)
      ASSERT_EQ(WEXITSTATUS(status), 0);
    else
      ++kills;
  }
  EXPECT_GT(kills, 0);
  EXPECT_EQ(fingerprint(killed), want);
}

TEST(Trainer, WritesWhatItPromises) {
  ToyRun run({{"checkpoint.validation_steps", "4"}, {"data.validation", "val.jsonl"}, {"checkpoint.checkpoints_total_limit", "2"}, {"log.log_every", "1"}});
  ToyStep step;
  std::vector<std::string> notes;
  Trainer trainer = run.trainer(step, true);
  EXPECT_EQ(trainer.run(), TrainEnd::Finished);
  EXPECT_EQ(listCheckpoints(run.out("")).size(), 2u);
  for (const char *name : {"config.resolved.toml", "metrics.jsonl", "report.html", "best/adapter_model.safetensors", "final/adapter_config.json", "final/adapter_model.safetensors",
                           "final/pytorch_lora_weights.safetensors", "final/kohya.safetensors", "samples/step-000001.png", "samples/step-000012.png"})
    EXPECT_TRUE(isFile(run.out(name))) << name;
  std::vector<nlohmann::json> lines = linesOf(run.out("metrics.jsonl"));
  ASSERT_EQ(lines.size(), 15u);
  for (const char *key : {"step", "samples", "loss", "reward/toy", "reward/mean", "grad_norm", "lr", "step_time_s", "samples_per_s", "peak_mem_bytes", "nonfinite"})
    EXPECT_TRUE(lines[0].contains(key)) << key;
  EXPECT_TRUE(lines[4].contains("validation/reward/mean"));
  EXPECT_LT(lines.front()["reward/mean"], lines[13]["reward/mean"]) << "the toy learns";
  ASSERT_TRUE(trainer.state().best);
  EXPECT_EQ(trainer.state().best->step, 12);
  std::string page = contentsOf(run.out("report.html"));
  for (const char *word : {"<svg", "reward/toy", "Held-out rewards", "Peak memory", "data:image/png;base64,", "learning_rate = 0.01"})
    EXPECT_NE(page.find(word), std::string::npos) << word;
  EXPECT_EQ(page.find("http"), std::string::npos) << "self-contained";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(run.out("logs")), {}), 1);
}

TEST(Trainer, ReportsTheDistanceToTheFrozenModel) {
  ToyRun run({{"checkpoint.validation_steps", "12"}, {"data.validation", "val.jsonl"}});
  ToyStep plain, step;
  step.withKl = true;
  run.trainer(step, true).run();
  for (const nlohmann::json &line : linesOf(run.out("metrics.jsonl"))) {
    const std::string prefix = line.contains("validation/loss") ? "validation/" : "";
    EXPECT_DOUBLE_EQ(line[prefix + "kl"].get<double>(), 2 * line[prefix + "loss"].get<double>()) << line;
  }
  EXPECT_NE(contentsOf(run.out("report.html")).find("validation/kl"), std::string::npos);
  ToyRun without;
  without.trainer(plain).run();
  EXPECT_FALSE(linesOf(without.out("metrics.jsonl"))[0].contains("kl"));
  EXPECT_EQ(contentsOf(without.out("report.html")).find("frozen"), std::string::npos);
}

TEST(Trainer, StopsAtWhatIsNotFinite) {
  ToyRun run;
  ToyStep step;
  step.poisonedRun = 10;
  expectError(663, [&] { run.trainer(step).run(); }, {"step 5", "sample 9", "grad.unet.to_q.lora_B.weight", "toy.op", "the checkpoint of step 3 is sound"});
  verifyCheckpoint(run.out("checkpoint-3"));
  EXPECT_EQ(linesOf(run.out("metrics.jsonl")).back()["nonfinite"], 1);
  ToyStep sound;
  Trainer again = run.trainer(sound);
  again.resume("latest");
  EXPECT_EQ(again.run(), TrainEnd::Finished);
}

TEST(Trainer, NeverWritesOverAnotherRun) {
  ToyRun run;
  ToyStep step;
  run.trainer(step).run();
  expectError(665, [&] { run.trainer(step).run(); }, {"--resume latest"});
  run.config.adapter.rank = 4;
  Trainer other = run.trainer(step);
  expectError(662, [&] { other.resume("latest"); }, {"adapter.rank"});
}

TEST(PictureGrid, PutsFourInARow) {
  Image one{4, 3, std::vector<uint8_t>(36, 7)};
  Image grid = pictureGrid({one, one, one, one, one});
  EXPECT_EQ(grid.width, 4 * 6 + 2);
  EXPECT_EQ(grid.height, 2 * 5 + 2);
  EXPECT_EQ(grid.rgb[0], 255);
  EXPECT_EQ(grid.rgb[(2 * grid.width + 2) * 3], 7);
  EXPECT_EQ(grid.rgb[(7 * grid.width + 2) * 3], 7);
  EXPECT_EQ(grid.rgb[(7 * grid.width + 8) * 3], 255) << "no sixth picture";
}

} // namespace
} // namespace hb
