// What an OpenAI-compatible chat server is asked about a picture, and what it answers.
#pragma once

#include "tools/hb-rt/HttpClient.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace hb::rt {

struct CaptionOptions {
  std::string endpoint, model, prompt, keyVariable = "OPENAI_API_KEY";
  int64_t maxTokens = 75, retries = 6, parallel = 1;
  double timeout = 120, retryDelay = 1;
};

/// The instruction for one record: `prompt` with {question}, {answer}, {prompt}, {subject}, {action}, {object} filled from the manifest's line, or
/// without one the instruction for the record's kind. HB0674 for a placeholder that does not exist.
std::string captionInstruction(const std::string &prompt, const nlohmann::ordered_json &record);

/// One conversation partner; one per thread.
class CaptionServer {
public:
  CaptionServer(const CaptionOptions &options, std::function<bool()> stop);
  /// The description of a picture; empty when asked to stop. Tries again after a while when the server is busy or unreachable.
  /// HB0671 no answer after all retries, HB0672 an answer that is none, HB0610, HB0902.
  std::string describe(const std::string &picture, const std::string &instruction);

private:
  const CaptionOptions &options_;
  std::function<bool()> stop_;
  std::string url_;
  std::vector<std::string> headers_;
  HttpClient client_;
};

} // namespace hb::rt
