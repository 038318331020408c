#include "tools/hbc/ModelOptions.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <charconv>
#include <cstdio>
#include <iostream>

namespace hb::tool {
namespace {

std::pair<std::string, std::string> split(const std::string &flag, const std::string &text, const char *form) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw Error(700, flag + " " + printable(text), form, printable(text), "");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

} // namespace

void ModelOptions::add(CLI::App &command) {
  command.add_option("--entry", import.entries, "entry to compile (repeatable; default: every forward entry)")->allow_extra_args(false);
  command.add_option("--dim", dims, "NAME=INT: the size of a dimension (repeatable)")->allow_extra_args(false);
  command.add_option("--width", import.width, "picture width in pixels (pipelines)");
  command.add_option("--height", import.height, "picture height in pixels (pipelines)");
  command.add_option("--batch-size", import.batchSize, "images at once (pipelines)");
  command.add_option("--dtype", import.dtype, "type in which weights and activations are stored: f32, bf16 or f16")->check(CLI::IsMember({"f32", "bf16", "f16"}));
  command.add_option("--lora-rank", import.loraRank, "reserve run-time adapter slots of this rank");
  command.add_option("--lora-targets", targets, "comma-separated ends of module paths that take adapters")->delimiter(',')->allow_extra_args(false);
  command.add_option("--config", import.configPath, "config.json of a .hb file");
  command.add_option("--weights", import.weightsDir, "checkpoint folder of a .hb file");
  command.add_option("--steps", import.steps, "denoising steps of the training entry")->check(CLI::Range(1, 1000));
  command.add_option("--grad-steps", import.gradSteps, "last steps that get a gradient")->check(CLI::Range(1, 1000));
  command.add_option("--truncation", truncation, "fixed, or random:LO-HI: how many of the last steps get a gradient is an input, up to HI");
  command.add_option("--lv-samples", import.lvSamples, "the last step from this many further noises, gradients averaged (DRaFT-LV; --grad-steps 1)")->check(CLI::Range(1, 64));
  command.add_flag("--stop-grad-input", import.stopGradInput, "no gradient through the denoiser's input (DRTune)");
  command.add_flag("--lora-dropout", import.loraDropout, "dropout at the adapters: its probability is an input of the training entry");
  command.add_flag("--kl", import.kl, "a term for the distance to the model without adapters: its weight is an input of the training entry");
  command.add_option("--reward", rewards, "NAME=DIR: a reward model (repeatable)")->allow_extra_args(false);
}

void ModelOptions::finish() {
  for (const std::string &text : dims) {
    auto [name, value] = split("--dim", text, "NAME=INT");
    int64_t size = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
    if (error != std::errc() || end != value.data() + value.size())
      throw Error(700, "--dim " + printable(text), "NAME=INT", printable(text), "");
    if (!import.dims.emplace(name, size).second)
      throw Error(700, "--dim " + printable(text), "each dimension once", "\"" + printable(name) + "\" twice", "");
  }
  if (!truncation.empty() && truncation != "fixed") {
    int low = 0, high = 0, end = 0;
    if (std::sscanf(truncation.c_str(), "random:%d-%d%n", &low, &high, &end) != 2 || static_cast<size_t>(end) != truncation.size() || low < 1 || high < low || high > 1000)
      throw Error(700, "--truncation " + printable(truncation), "fixed, or random:LO-HI with 1 <= LO <= HI <= 1000", printable(truncation), "");
    import.truncation = {low, high};
    if (import.gradSteps && import.gradSteps != high)
      throw Error(700, "--grad-steps " + std::to_string(import.gradSteps), std::to_string(high) + ", the largest number of steps that --truncation asks for",
                  std::to_string(import.gradSteps), "leave --grad-steps out");
    import.gradSteps = high;
  }
  for (const std::string &text : rewards)
    import.rewards.push_back(split("--reward", text, "NAME=DIR"));
  for (const std::string &target : targets)
    if (!target.empty())
      import.loraTargets.push_back(target);
}

int reportAll(const DiagnosticSink &sink) {
  std::cerr << sink.render();
  return static_cast<int>(sink.exitCode());
}

} // namespace hb::tool
