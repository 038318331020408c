#include "runtime/train/TrainConfig.h"

#include "tests/runtime/base/ScratchFolder.h"

namespace hb {
namespace {

using test::expectError;

const char *kLeast = "[model]\ncompiled = 'm.hbm'\n[data]\nmanifest = 'a.jsonl'\n[train]\nmax_train_steps = 10\n[checkpoint]\noutput_dir = 'out'\n";

TrainConfig parse(const std::string &text, const std::vector<ConfigOverride> &overrides = {}) { return parseTrainConfig(text, "train.toml", overrides); }

TEST(TrainConfig, PublishedDefaults) {
  TrainConfig c = parse(kLeast);
  EXPECT_EQ(c.model.compiled, "m.hbm");
  EXPECT_EQ(c.adapter.rank, 8);
  EXPECT_EQ(c.adapter.alpha, 32);
  EXPECT_EQ(c.adapter.dropout, 0.1);
  EXPECT_EQ(c.sampler.guidanceScale, 15);
  EXPECT_EQ(c.sampler.seed, 93);
  EXPECT_EQ(c.rewards.at("blip2"), 100);
  EXPECT_EQ(c.rewards.at("clip_image"), 50);
  EXPECT_EQ(c.rewards.at("aesthetic"), 3);
  EXPECT_EQ(c.rewards.at("kl"), 0);
  EXPECT_EQ(c.optimizer.learningRate, 5e-6);
  EXPECT_EQ(c.optimizer.weightDecay, 1e-2);
  EXPECT_EQ(c.train.gradientAccumulationSteps, 8);
  EXPECT_EQ(c.log.reportTo.size(), 3u);
  EXPECT_TRUE(c.isGiven("train.max_train_steps"));
  EXPECT_FALSE(c.isGiven("adapter.dropout"));
}

TEST(TrainConfig, CommandLineWinsAndKnowsEveryKind) {
  TrainConfig c = parse(kLeast, configOverrides({"--optimizer.learning_rate", "1e-5", "--adapter.targets=to_q,ff.net.0.proj", "--optimizer.betas", "0.5,0.75", "--data.shuffle", "false", "--sampler.seed", "-1",
                                                 "--model.compiled", "other file.hbm", "--rewards.blip2", "7", "--log.report_to", "[\"jsonl\"]", "--adapter.alpha", "16"}));
  EXPECT_EQ(c.optimizer.learningRate, 1e-5);
  EXPECT_EQ(c.adapter.targets, (std::vector<std::string>{"to_q", "ff.net.0.proj"}));
  EXPECT_EQ(c.optimizer.betas[1], 0.75);
  EXPECT_FALSE(c.data.shuffle);
  EXPECT_EQ(c.sampler.seed, -1);
  EXPECT_EQ(c.model.compiled, "other file.hbm");
  EXPECT_EQ(c.rewards.at("blip2"), 7);
  EXPECT_EQ(c.log.reportTo, std::vector<std::string>{"jsonl"});
  EXPECT_EQ(c.adapter.alpha, 16) << "an integer where a number is wanted";
}

TEST(TrainConfig, ResolvedReadsBack) {
  TrainConfig c = parse(kLeast, {{"optimizer.learning_rate", "0.1"}, {"model.weights", "a \"b\"\\c"}, {"adapter.targets", "to_q,to_v"}, {"rewards.mine", "0.25"}, {"train.seed", "9000000000000000"}});
  std::string text = resolvedConfig(c);
  TrainConfig again = parse(text);
  EXPECT_EQ(resolvedConfig(again), text);
  EXPECT_EQ(again.optimizer.learningRate, 0.1);
  EXPECT_EQ(again.model.weights, "a \"b\"\\c");
  EXPECT_EQ(again.rewards.at("mine"), 0.25);
  EXPECT_EQ(again.train.seed, 9000000000000000);
  EXPECT_EQ(parse(kLeast, {{"model.weights", "/data/größe"}}).model.weights, "/data/größe");
  expectError(650, [] { parse("größe = 1\n"); }); // letters that the parser's own table of blanks stumbles over
}

TEST(TrainConfig, ErrorsNameTheKeyAndSuggest) {
  std::string least = kLeast;
  expectError(650, [&] { parse("[model\n"); }, {"train.toml:1"});
  expectError(650, [&] { parse("[\x02\nx = 1\n"); }, {"train.toml"});
  expectError(650, [&] { parse(",\x9f"); }, {"UTF-8"});
  expectError(651, [&] { parse(least + "[optimizer]\nlerning_rate = 1.0\n"); }, {"train.toml:10", "optimizer.lerning_rate", "did you mean 'learning_rate'"});
  expectError(651, [&] { parse(least + "[optimiser]\neps = 1.0\n"); }, {"did you mean 'optimizer'"});
  expectError(651, [&] { parse("steps = 3\n" + least); }, {"train.toml:1:steps", "outside every table"});
  expectError(651, [&] { parse(least + "[rewards]\nblip2 = 'much'\n"); }, {"rewards.blip2"});
  expectError(652, [&] { parse(least + "[adapter]\nrank = 8.5\n"); }, {"adapter.rank", "an integer", "8.5"});
  expectError(652, [&] { parse(least + "[adapter]\nrank = 0\n"); }, {"adapter.rank"});
  expectError(652, [&] { parse(least + "[optimizer]\neps = nan\n"); }, {"optimizer.eps"});
  expectError(652, [&] { parse(least + "[optimizer]\nbetas = [0.9]\n"); }, {"two numbers"});
  expectError(652, [&] { parse(least + "[optimizer]\nlr_scheduler = 'cosin'\n"); }, {"constant_with_warmup"});
  expectError(652, [&] { parse(least + "[log]\nreport_to = ['wandb']\n"); }, {"tensorboard"});
  expectError(652, [&] { parse(least + "[rewards]\nblip2 = -1\n"); }, {"rewards.blip2"});
  expectError(653, [&] { parse("[model]\ncompiled = 'm.hbm'\n"); }, {"--data.manifest"});
  expectError(653, [&] { parse(least, {{"checkpoint.validation_steps", "5"}}); }, {"data.validation"});
  expectError(654, [&] { parse(least, {{"optimizer.learning_rat", "1"}}); }, {"did you mean 'optimizer.learning_rate'"});
  expectError(654, [&] { parse(least, {{"optimizer.learning_rate", "fast"}}); }, {"optimizer.learning_rate", "fast"});
  expectError(654, [&] { configOverrides({"learning_rate"}); }, {"--table.key"});
  expectError(654, [&] { configOverrides({"--train.seed"}); }, {"a value after it"});
  expectError(902, [&] { readTrainConfig("/nowhere/train.toml", {}); });
}

TEST(TrainConfig, HelpListsEveryKey) {
  std::string help = configHelp();
  for (const char *key : {"--model.compiled", "--rewards.kl", "--checkpoint.checkpoints_total_limit", "--optimizer.betas", "required"})
    EXPECT_NE(help.find(key), std::string::npos) << key;
}

} // namespace
} // namespace hb
