// hb-rt generate: pictures from a text and a reference picture.
#include "runtime/base/Error.h"
#include "runtime/pipeline/Generation.h"
#include "tools/hb-rt/AdapterFlags.h"
#include "tools/hb-rt/Commands.h"
#include "tools/hb-rt/GenerateOptions.h"
#include "tools/hb-rt/PictureText.h"
#include "tools/hb-rt/Progress.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <sys/resource.h>

namespace hb::rt {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The name of picture `index`: a printf-like %d, %3d or %03d in the pattern, else the index before the extension when there
/// are several. Only that one form is understood; the pattern never reaches printf.
std::string pictureName(const std::string &pattern, int64_t index, int64_t count) {
  size_t percent = pattern.find('%'), end = pattern.find('d', percent == std::string::npos ? 0 : percent);
  std::string digits = std::to_string(index);
  if (percent != std::string::npos && end != std::string::npos && pattern.find_first_not_of("0123456789", percent + 1) == end && end - percent <= 3) {
    std::string width = pattern.substr(percent + 1, end - percent - 1);
    size_t wanted = width.empty() ? 0 : std::stoul(width);
    if (digits.size() < wanted)
      digits.insert(0, wanted - digits.size(), width[0] == '0' ? '0' : ' ');
    return pattern.substr(0, percent) + digits + pattern.substr(end + 1);
  }
  if (count == 1)
    return pattern;
  size_t dot = pattern.rfind('.');
  return pattern.substr(0, dot) + "_" + digits + (dot == std::string::npos ? "" : pattern.substr(dot));
}

void saveLatents(const std::string &path, const std::vector<float> &latents, std::vector<int64_t> shape) {
  int64_t one = shape[1] * shape[2] * shape[3];
  shape[0] = static_cast<int64_t>(latents.size()) / one;
  writeSafetensors(path, {{"latents", DType::F32, shape, latents.data()}});
}

int generate(GenerateOptions options) {
  if (!options.fromPng.empty())
    applyPictureText(options.fromPng, options);
  GenerationRequest request = makeRequest(options);
  double started = now();
  Session session(options.module, options.session);
  bindAdapters(session, options.adapters);
  Generation generation(session);
  if (!request.method)
    request.method = generation.defaultMethod();
  generation.prepare(request);

  InterruptGuard interrupt;
  Progress progress(options.quiet);
  std::vector<double> stepTimes;
  std::vector<float> latents;
  std::vector<int64_t> latentShape;
  nlohmann::json images = nlohmann::json::array();
  int64_t rounds = (options.count + generation.batch() - 1) / generation.batch();
  for (int64_t round = 0; round < rounds; ++round) {
    uint64_t seed = options.seed + static_cast<uint64_t>(round * generation.batch());
    double last = now();
    auto onStep = [&](int64_t step, int64_t steps) {
      double at = now();
      if (step > 0)
        stepTimes.push_back(at - last);
      last = at;
      progress.step(round * steps + step, rounds * steps);
      return !interrupt.requested();
    };
    auto result = generation.round(seed, onStep);
    if (!result) {
      progress.end();
      std::fprintf(stderr, "interrupted: %zu of %lld pictures are written\n", images.size(), static_cast<long long>(options.count));
      return static_cast<int>(ExitCode::Interrupted);
    }
    latentShape = result->latentShape;
    int64_t keep = std::min<int64_t>(generation.batch(), options.count - round * generation.batch());
    latents.insert(latents.end(), result->latents.begin(), result->latents.begin() + result->latents.size() / generation.batch() * keep);
    for (int64_t i = 0; i < keep; ++i) {
      int64_t index = round * generation.batch() + i;
      std::string path = pictureName(options.output, index, options.count);
      writePng(path, result->images[i], options.noMetadata ? PngTexts{} : pictureTexts(options, *request.method, seed, i, generation));
      images.push_back({{"path", path}, {"seed", options.seed + static_cast<uint64_t>(index)}});
    }
  }
  progress.end();
  if (!options.saveLatents.empty())
    saveLatents(options.saveLatents, latents, latentShape);
  std::sort(stepTimes.begin(), stepTimes.end());
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (options.json)
    std::printf("%s\n", nlohmann::json{{"images", images},
                                       {"steps", options.steps},
                                       {"step_ms_median", stepTimes.empty() ? 0 : stepTimes[stepTimes.size() / 2] * 1e3},
                                       {"total_s", now() - started},
                                       {"peak_rss_bytes", usage.ru_maxrss * 1024ull}}
                            .dump()
                            .c_str());
  else
    for (const nlohmann::json &image : images)
      std::printf("%s\n", image["path"].get<std::string>().c_str());
  return 0;
}

} // namespace

Action addGenerate(CLI::App &app) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App *sub = app.add_subcommand("generate", "draw pictures from a text and, for Hummingbird checkpoints, a reference picture");
  addGenerateOptions(*sub, *options);
  return [options] { return generate(*options); };
}

} // namespace hb::rt
