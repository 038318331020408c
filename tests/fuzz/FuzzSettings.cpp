// Any bytes as the small files around a pipeline: scheduler, picture preparation, tokenizers. The first byte says which; texts
// of a tokenizer's files, and then of a prompt, are separated by a line of three dashes.
#include "runtime/base/Error.h"
#include "runtime/pipeline/BertTokenizer.h"
#include "runtime/pipeline/ClipTokenizer.h"
#include "runtime/pipeline/Preprocess.h"
#include "runtime/pipeline/Scheduler.h"

#include <cstdlib>

namespace {

std::vector<std::string> parts(std::string_view text) {
  constexpr std::string_view kSeparator = "\n---\n";
  std::vector<std::string> out;
  for (size_t at; (at = text.find(kSeparator)) != std::string_view::npos; text.remove_prefix(at + kSeparator.size()))
    out.emplace_back(text.substr(0, at));
  out.emplace_back(text);
  out.resize(std::max<size_t>(out.size(), 5));
  return out;
}

void scheduler(std::string_view text) {
  for (hb::SamplingMethod method : {hb::SamplingMethod::Ddim, hb::SamplingMethod::DdimHummingbird, hb::SamplingMethod::Euler}) {
    try {
      auto config = hb::SchedulerConfig::parse(text, "scheduler", method);
      if (hb::makeSchedule(config, method, 3).rows.size() != 3)
        std::abort();
    } catch (const hb::Error &) {
    }
  }
}

void preprocess(std::string_view text) {
  static const std::vector<uint8_t> pixels(5 * 7 * 3, 99);
  auto config = hb::PreprocessConfig::parse(text, "preprocessor");
  if (config.shortestEdge > 512 || config.resizeHeight > 512 || config.resizeWidth > 512 || config.cropHeight > 512 || config.cropWidth > 512)
    return; // allowed, and slow
  int64_t width = 0, height = 0;
  if (config.apply({pixels.data(), 5, 7}, width, height).size() != static_cast<size_t>(3 * width * height))
    std::abort();
}

void clip(std::string_view text) {
  auto texts = parts(text);
  auto tokenizer = hb::ClipTokenizer::parse({"tokenizer", texts[0], texts[1], texts[2].empty() ? std::nullopt : std::optional(texts[2]),
                                             texts[3].empty() ? std::nullopt : std::optional(texts[3])});
  auto ids = tokenizer.encodePadded(texts[4], 16);
  if (ids.size() != 16)
    std::abort();
  for (int32_t id : ids)
    if (id < 0 || id > tokenizer.largestId())
      std::abort();
}

void bert(std::string_view text) {
  auto texts = parts(text);
  auto tokenizer = hb::BertTokenizer::parse({"tokenizer", texts[0], texts[1].empty() ? std::nullopt : std::optional(texts[1])});
  auto ids = tokenizer.encodePadded(hb::blipCaption(texts[2]), 16);
  if (ids.size() != 16)
    std::abort();
  for (int32_t id : ids)
    if (id < 0 || id > tokenizer.largestId())
      std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  std::string_view text(reinterpret_cast<const char *>(data) + 1, size - 1);
  try {
    switch (data[0]) {
    case 's': scheduler(text); break;
    case 'p': preprocess(text); break;
    case 'c': clip(text); break;
    case 'b': bert(text); break;
    }
  } catch (const hb::Error &) {
  }
  return 0;
}
