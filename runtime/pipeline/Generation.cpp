#include "runtime/pipeline/Generation.h"

#include "runtime/base/Error.h"
#include "runtime/pipeline/Random.h"
#include "runtime/pipeline/TimeIds.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

const Program &generateProgram(const Session &session) {
  if (const Program *program = session.module().findEntry("generate"))
    return *program;
  throw Error(640, session.module().path(), "a module with the entry 'generate'", "a module without it",
              "compile the pipeline folder: hbc compile DIR --entry generate -o M.hbm");
}

/// round-half-to-even of 255·value, as numpy's round does; values are already in 0…1.
uint8_t toByte(float value) { return static_cast<uint8_t>(std::nearbyint(std::clamp(value, 0.0f, 1.0f) * 255.0f)); }

} // namespace

Generation::Generation(Session &session)
    : session_(session), program_(generateProgram(session)), imageShape_(findSpec(program_.outputs, "image", session.module().path()).shape), tensors_(program_), conditioning_(session) {}

SamplingMethod Generation::defaultMethod() const { return SchedulerConfig::ownMethodOf(conditioning_.setting("scheduler/scheduler_config.json"), "scheduler_config.json"); }

void Generation::prepare(const GenerationRequest &request) {
  const std::string &where = session_.module().path();
  int64_t images = batch();
  Conditioning::Text positive = conditioning_.encode(request.prompt), negative;
  if (request.negative || !conditioning_.zeroWithoutNegative())
    negative = conditioning_.encode(request.negative.value_or(""));
  else
    negative = {std::vector<float>(positive.context.size()), std::vector<float>(positive.pooled.size())};
  if (request.reference) {
    positive.pooled = conditioning_.embedReference(*request.reference);
    negative.pooled.assign(positive.pooled.size(), 0.0f);
  }
  auto halves = [&](const std::string &name, const std::vector<float> &unconditional, const std::vector<float> &conditional) {
    std::vector<float> all;
    for (auto *half : {&unconditional, &conditional})
      for (int64_t b = 0; b < images; ++b)
        all.insert(all.end(), half->begin(), half->end());
    tensors_.set(name, all.data(), all.size() * sizeof(float));
  };
  halves("encoder_hidden_states", negative.context, positive.context);
  halves("text_embeds", negative.pooled, positive.pooled);
  auto ids = timeIds(height(), width());
  std::vector<float> idRow(ids.begin(), ids.end());
  halves("time_ids", idRow, idRow);

  SamplingMethod method = request.method.value_or(defaultMethod());
  SchedulerConfig config = SchedulerConfig::parse(conditioning_.setting("scheduler/scheduler_config.json"), "scheduler_config.json", method);
  Schedule schedule = makeSchedule(config, method, request.steps);
  sigma_ = schedule.initNoiseSigma;
  cudaNoise_ = request.cudaNoise;
  int64_t capacity = findSpec(program_.inputs, "timesteps", where).shape[0], steps = static_cast<int64_t>(schedule.rows.size());
  if (steps > capacity)
    throw Error(508, where, "at most " + std::to_string(capacity) + " steps", std::to_string(steps), "choose fewer steps");
  auto table = [&](const char *name, float StepRow::*field) {
    std::vector<float> values(capacity);
    for (int64_t i = 0; i < steps; ++i)
      values[i] = schedule.rows[i].*field;
    tensors_.set(name, values.data(), values.size() * sizeof(float));
  };
  table("timesteps", &StepRow::timestep);
  table("in_scale", &StepRow::inScale);
  table("cx", &StepRow::cx);
  table("ce", &StepRow::ce);
  tensors_.set("steps", &steps, sizeof steps);
  tensors_.set("guidance_scale", &request.guidance, sizeof(float));
}

std::optional<GenerationResult> Generation::round(uint64_t seed, Executor::StepCallback onStep) {
  const TensorSpec &latents = findSpec(program_.inputs, "latents", session_.module().path());
  std::vector<float> noise(latents.elementCount());
  if (cudaNoise_)
    CudaGenerator(seed).normal(noise);
  else
    CpuGenerator(seed).normal(std::span<float>(noise));
  for (float &value : noise)
    value *= sigma_;
  tensors_.set("latents", noise.data(), noise.size() * sizeof(float));
  tensors_.allocateOutputs();
  Executor &executor = session_.executor("generate");
  tensors_.bind(executor);
  executor.onStep(std::move(onStep));
  if (!executor.run())
    return std::nullopt;
  GenerationResult result;
  result.latentShape = latents.shape;
  const float *out = tensors_.output("latents");
  result.latents.assign(out, out + latents.elementCount());
  const float *image = tensors_.output("image");
  int64_t pixels = height() * width();
  for (int64_t b = 0; b < batch(); ++b) {
    Image picture{static_cast<int>(width()), static_cast<int>(height()), std::vector<uint8_t>(pixels * 3)};
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t p = 0; p < pixels; ++p)
        picture.rgb[p * 3 + c] = toByte(image[(b * 3 + c) * pixels + p]);
    result.images.push_back(std::move(picture));
  }
  return result;
}

} // namespace hb
