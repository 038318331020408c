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

const TensorSpec &spec(const std::vector<TensorSpec> &specs, const std::string &name, const std::string &where) {
  for (const TensorSpec &s : specs)
    if (s.name == name)
      return s;
  throw Error(640, where, "a generate entry with '" + name + "'", "none", "compile the pipeline again with this version of hbc");
}

/// The texts of a tokenizer folder as hbc stored them.
ClipTokenizerFiles tokenizerFiles(const nlohmann::json &pipeline, const std::string &name) {
  ClipTokenizerFiles files;
  files.where = name;
  const nlohmann::json &stored = pipeline.at("files").at(name);
  files.vocab = stored.value("vocab.json", "");
  files.merges = stored.value("merges.txt", "");
  if (stored.contains("tokenizer_config.json"))
    files.config = stored["tokenizer_config.json"].get<std::string>();
  if (stored.contains("special_tokens_map.json"))
    files.specials = stored["special_tokens_map.json"].get<std::string>();
  return files;
}

/// round-half-to-even of 255·value, as numpy's round does; values are already in 0…1.
uint8_t toByte(float value) { return static_cast<uint8_t>(std::nearbyint(std::clamp(value, 0.0f, 1.0f) * 255.0f)); }

} // namespace

Generation::Generation(Session &session)
    : session_(session), program_(generateProgram(session)), imageShape_(spec(program_.outputs, "image", session.module().path()).shape), tensors_(program_) {
  for (const char *name : {"tokenizer", "tokenizer_2"}) {
    if (!session.module().pipeline.is_object() || !session.module().pipeline.contains("files") || !session.module().pipeline["files"].contains(name))
      throw Error(640, session.module().path(), std::string("the files of ") + name, "none in the module", "compile the whole pipeline folder");
    tokenizers_.push_back(ClipTokenizer::parse(tokenizerFiles(session.module().pipeline, name)));
  }
}

std::string Generation::setting(const std::string &name) const {
  const nlohmann::json &files = session_.module().pipeline.at("files");
  auto slash = name.find('/');
  const nlohmann::json &folder = files.value(name.substr(0, slash), nlohmann::json::object());
  return folder.value(name.substr(slash + 1), "");
}

SamplingMethod Generation::defaultMethod() const { return SchedulerConfig::ownMethodOf(setting("scheduler/scheduler_config.json"), "scheduler_config.json"); }

std::string Generation::entryName(const std::string &component, const std::string &entry) const {
  std::string full = component + "." + entry;
  return session_.module().findEntry(full) ? full : entry;
}

template <typename Element>
ProgramTensors Generation::runEncoder(const std::string &entry, const std::string &input, const std::vector<Element> &row) {
  const Program &program = session_.module().entry(entry);
  std::vector<Element> batch;
  for (int64_t b = 0; b < spec(program.inputs, input, entry).shape[0]; ++b)
    batch.insert(batch.end(), row.begin(), row.end());
  ProgramTensors tensors(program);
  tensors.set(input, batch.data(), batch.size() * sizeof(Element));
  tensors.allocateOutputs();
  Executor &executor = session_.executor(entry);
  tensors.bind(executor);
  executor.run();
  session_.release(entry);
  return tensors;
}

Generation::Text Generation::encode(const std::string &text) {
  // The context is the penultimate states of both encoders side by side; the pooled vector is the second encoder's.
  struct Part {
    std::vector<float> hidden;
    int64_t width;
  };
  std::vector<Part> parts;
  Text out;
  int64_t tokens = 0;
  for (size_t i = 0; i < tokenizers_.size(); ++i) {
    std::string entry = entryName(i == 0 ? "text_encoder" : "text_encoder_2", "text_encode");
    const Program &program = session_.module().entry(entry);
    std::vector<int32_t> ids = tokenizers_[i].encodePadded(text, spec(program.inputs, "input_ids", entry).shape[1]);
    ProgramTensors tensors = runEncoder(entry, "input_ids", std::vector<int64_t>(ids.begin(), ids.end()));
    const std::vector<int64_t> &shape = spec(program.outputs, "penultimate_hidden_state", entry).shape;
    const float *hidden = tensors.output("penultimate_hidden_state"), *pooled = tensors.output("pooled");
    tokens = shape[1];
    parts.push_back({{hidden, hidden + tokens * shape[2]}, shape[2]});
    out.pooled.assign(pooled, pooled + spec(program.outputs, "pooled", entry).shape[1]);
  }
  for (int64_t t = 0; t < tokens; ++t)
    for (const Part &part : parts)
      out.context.insert(out.context.end(), part.hidden.begin() + t * part.width, part.hidden.begin() + (t + 1) * part.width);
  return out;
}

std::vector<float> Generation::embedReference(const Image &reference) {
  std::string text = setting("feature_extractor/preprocessor_config.json");
  std::string name = entryName("image_encoder", "image_encode");
  if (text.empty() || !session_.module().findEntry(name))
    throw Error(641, session_.module().path(), "a pipeline with image_encoder and feature_extractor for --ref-image",
                "a pipeline without them", "leave --ref-image out or use a Hummingbird checkpoint");
  PreprocessConfig config = PreprocessConfig::parse(text, "preprocessor_config.json");
  int64_t width = 0, height = 0;
  std::vector<float> pixels = config.apply({reference.rgb.data(), reference.width, reference.height}, width, height);
  ProgramTensors tensors = runEncoder(name, "pixel_values", pixels);
  const float *embeds = tensors.output("image_embeds");
  return {embeds, embeds + spec(session_.module().entry(name).outputs, "image_embeds", name).shape[1]};
}

void Generation::prepare(const GenerationRequest &request) {
  const std::string &where = session_.module().path();
  int64_t images = batch();
  Text positive = encode(request.prompt), negative;
  bool forceZeros = session_.module().pipeline.value("force_zeros_for_empty_prompt", true);
  if (request.negative || !forceZeros)
    negative = encode(request.negative.value_or(""));
  else
    negative = {std::vector<float>(positive.context.size()), std::vector<float>(positive.pooled.size())};
  if (request.reference) {
    positive.pooled = embedReference(*request.reference);
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
  SchedulerConfig config = SchedulerConfig::parse(setting("scheduler/scheduler_config.json"), "scheduler_config.json", method);
  Schedule schedule = makeSchedule(config, method, request.steps);
  sigma_ = schedule.initNoiseSigma;
  cudaNoise_ = request.cudaNoise;
  int64_t capacity = spec(program_.inputs, "timesteps", where).shape[0], steps = static_cast<int64_t>(schedule.rows.size());
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
  const TensorSpec &latents = spec(program_.inputs, "latents", session_.module().path());
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
