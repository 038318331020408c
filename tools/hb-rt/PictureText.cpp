#include "tools/hb-rt/PictureText.h"

#include "runtime/base/Error.h"
#include "runtime/base/Json.h"

namespace hb::rt {

PngTexts pictureTexts(const GenerateOptions &o, SamplingMethod method, uint64_t seed, int64_t index, const Generation &generation) {
  std::string name(samplingMethodName(method)), scale = nlohmann::json(o.guidance).dump();
  std::string line = o.prompt + "\n" + (o.negative ? "Negative prompt: " + *o.negative + "\n" : "") + "Steps: " + std::to_string(o.steps) + ", Sampler: " + name + ", CFG scale: " + scale +
                     ", Seed: " + std::to_string(seed) + ", Size: " + std::to_string(generation.width()) + "x" + std::to_string(generation.height()) + ", RNG: " + o.rng;
  nlohmann::json settings = {{"prompt", o.prompt}, {"steps", o.steps}, {"cfg_scale", o.guidance}, {"seed", seed}, {"index", index}, {"rng", o.rng}, {"sampling_method", name},
                             {"width", generation.width()}, {"height", generation.height()}, {"batch", generation.batch()}, {"lora", o.adapters}, {"ref_image", o.reference}};
  if (o.negative)
    settings["negative_prompt"] = *o.negative;
  return {{"parameters", line}, {"hummingbird", settings.dump()}};
}

void applyPictureText(const std::string &path, GenerateOptions &o) {
  for (const auto &[keyword, text] : readPngTexts(path)) {
    if (keyword != "hummingbird")
      continue;
    constexpr JsonErrors kErrors{642, 642};
    nlohmann::json settings = parseJson(text, path, kErrors);
    JsonObject object(settings, path, kErrors);
    if (!o.given("--prompt"))
      o.prompt = object.string("prompt");
    if (!o.given("--negative-prompt") && object.has("negative_prompt"))
      o.negative = object.string("negative_prompt");
    if (!o.given("--steps"))
      o.steps = object.integer("steps");
    if (!o.given("--cfg-scale"))
      o.guidance = object.number("cfg_scale");
    if (!o.given("--seed"))
      o.seed = static_cast<uint64_t>(object.integer("seed"));
    if (!o.given("--batch-count"))
      o.count = object.integer("index") + 1; // the round that held the picture; earlier pictures of it are drawn again
    if (!o.given("--rng"))
      o.rng = object.string("rng");
    if (!o.given("--sampling-method"))
      o.method = object.string("sampling_method");
    if (!o.given("--lora"))
      o.adapters = object.strings("lora");
    if (!o.given("--ref-image"))
      o.reference = object.string("ref_image");
    return;
  }
  throw Error(642, path, "a picture with a 'hummingbird' text", "none", "use a picture that hb-rt generate wrote with its metadata");
}

} // namespace hb::rt
