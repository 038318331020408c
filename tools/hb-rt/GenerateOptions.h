// The options of hb-rt generate.
#pragma once

#include "runtime/pipeline/Generation.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace hb::rt {

struct GenerateOptions {
  std::string module, prompt, reference, method, rng = "cpu", output = "out_%03d.png", saveLatents, fromPng;
  std::optional<std::string> negative;
  std::vector<std::string> adapters;
  int64_t steps = 25, count = 1;
  double guidance = 5.0;
  uint64_t seed = 93;
  bool noMetadata = false, json = false, quiet = false;
  SessionOptions session;
  /// Option names the user gave himself: a picture's settings (--from-png) do not replace those.
  CLI::App *parser = nullptr;
  bool given(const std::string &name) const { return parser && parser->count(name) > 0; }
};

void addGenerateOptions(CLI::App &sub, GenerateOptions &options);
/// Reads the reference picture and checks names. HB0603, HB0606 – HB0629.
GenerationRequest makeRequest(const GenerateOptions &options);

} // namespace hb::rt
