#include "tools/hb-rt/GenerateOptions.h"

#include "runtime/formats/Image.h"
#include "tools/hb-rt/SessionFlags.h"

namespace hb::rt {

void addGenerateOptions(CLI::App &sub, GenerateOptions &o) {
  o.parser = &sub;
  sub.add_option("-m,--module", o.module, "the compiled pipeline (.hbm)")->required();
  sub.add_option("-p,--prompt", o.prompt, "what to draw");
  sub.add_option("-n,--negative-prompt", o.negative, "what not to draw (default: none, the unconditional half is zeros)");
  sub.add_option("--ref-image", o.reference, "reference picture, PNG or JPEG");
  sub.add_option("--steps", o.steps, "denoising steps")->check(CLI::PositiveNumber)->capture_default_str();
  sub.add_option("--cfg-scale", o.guidance, "guidance scale")->capture_default_str();
  sub.add_option("--seed", o.seed, "seed of the initial noise")->capture_default_str();
  sub.add_option("--rng", o.rng, "whose random stream: cpu or cuda (torch's)")->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  sub.add_option("--sampling-method", o.method, "ddim, ddim-hummingbird or euler (default: the checkpoint's scheduler)");
  sub.add_option("-b,--batch-count", o.count, "number of pictures")->check(CLI::PositiveNumber)->capture_default_str();
  sub.add_option("--lora", o.adapters, "LoRA adapter, PATH[:SCALE]; repeatable")->take_all();
  sub.add_option("-o,--output", o.output, "file name; %03d becomes the picture's number")->capture_default_str();
  sub.add_option("--save-latents", o.saveLatents, "also write the final latents (safetensors)");
  sub.add_option("--from-png", o.fromPng, "take the settings stored in a picture; options given here win");
  sub.add_flag("--no-metadata", o.noMetadata, "do not store the settings in the picture");
  sub.add_flag("--json", o.json, "print one JSON object instead of file names");
  sub.add_flag("--quiet", o.quiet, "no progress");
  addSessionFlags(sub, o.session);
}

GenerationRequest makeRequest(const GenerateOptions &o) {
  GenerationRequest request;
  request.prompt = o.prompt;
  request.negative = o.negative;
  request.steps = o.steps;
  request.guidance = static_cast<float>(o.guidance);
  request.cudaNoise = o.rng == "cuda";
  if (!o.method.empty())
    request.method = parseSamplingMethod(o.method);
  if (!o.reference.empty())
    request.reference = readImage(o.reference, AlphaMode::OverWhite);
  return request;
}

} // namespace hb::rt
