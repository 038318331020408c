#include "runtime/train/ModuleStep.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/params/AdapterBinding.h"
#include "runtime/pipeline/Preprocess.h"
#include "runtime/pipeline/Random.h"
#include "runtime/pipeline/TimeIds.h"
#include "runtime/train/AdapterInit.h"
#include "runtime/train/SampleDraws.h"
#include "runtime/base/Suggestion.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hb {
namespace {

constexpr const char *kEntry = "hummingbird_loss_and_grad";

const Program &trainingProgram(const Session &session) {
  const Module &module = session.module();
  const Program *program = module.findEntry(kEntry);
  if (!program)
    throw Error(658, module.path(), std::string("the entry '") + kEntry + "'", "a module without it", "compile it with --steps, --grad-steps, --reward and --lora-rank");
  if (module.adapters.size() != 1)
    throw Error(658, module.path(), "adapter slots of one network", std::to_string(module.adapters.size()) + " networks with slots", "compile again with --lora-rank R");
  return *program;
}

/// PEFT's rule.
bool matches(const std::string &path, const std::string &target) { return path == target || path.ends_with("." + target); }

bool matchesAny(const std::string &path, const std::vector<std::string> &targets) {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string &target) { return matches(path, target); });
}

[[noreturn]] void contradicts(const std::string &key, const std::string &module, const std::string &configured, const std::string &action) {
  throw Error(659, key, module, configured, action);
}

std::string numberText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

} // namespace

void requireImages(const Manifest &manifest) {
  for (const TrainRecord &record : manifest.records)
    if (!isFile(record.image))
      throw Error(655, printable(manifest.path, 1024) + ":" + std::to_string(record.line) + ":image", "a picture", printable(record.image) + ": " + whyNoFile(record.image), "correct the path; it is relative to the manifest");
}

size_t ModuleStep::RecordInputs::bytes() const {
  size_t total = (context.size() + pooled.size()) * sizeof(float);
  for (const InputRow &row : rewards)
    total += row.ids.size() * sizeof(int64_t) + row.values.size() * sizeof(float);
  return total;
}

ModuleStep::ModuleStep(Session &session, const TrainConfig &config)
    : session_(session), config_(config), program_(trainingProgram(session)), conditioning_(session), rewards_(session, program_), tensors_(program_) {
  batch_ = findSpec(program_.inputs, "latents", session.module().path()).shape[0];
  requireFits();
  for (const AdapterModule &module : initialAdapter(sites_, 1, 1, 0))
    for (const char *factor : {".lora_A.weight", ".lora_B.weight"})
      gradientNames_.push_back("grad." + module.path + factor);
  for (const std::string &name : gradientNames_)
    findSpec(program_.outputs, name, session.module().path());
  hasKl_ = std::any_of(program_.outputs.begin(), program_.outputs.end(), [](const TensorSpec &spec) { return spec.name == "kl"; });
  setWeights();
}

void ModuleStep::requireFits() {
  const AdapterSet &set = session_.module().adapters.front();
  if (config_.adapter.rank > set.rank)
    contradicts("adapter.rank", "at most " + std::to_string(set.rank) + " as compiled", std::to_string(config_.adapter.rank), "lower it or compile with --lora-rank " + std::to_string(config_.adapter.rank));
  for (const AdapterSlot &slot : set.sites)
    if (config_.adapter.targets.empty() || matchesAny(slot.path, config_.adapter.targets))
      sites_.push_back({slot.path, slot.in, slot.out});
  std::string compiled;
  for (const std::string &target : set.targets)
    compiled += (compiled.empty() ? "" : ",") + target;
  if (sites_.empty())
    contradicts("adapter.targets", "some of the compiled slots (" + compiled + ")", "none of them", "choose among them or compile with other --lora-targets");
  for (const std::string &target : config_.adapter.targets)
    if (std::none_of(sites_.begin(), sites_.end(), [&](const AdapterSite &site) { return matches(site.path, target); }))
      notes_.push_back("adapter.targets: '" + printable(target) + "' matches no compiled slot.");
  for (const auto &[name, weight] : config_.rewards) {
    bool compiledIn = name == "kl" ? findInput(program_, "kl.weight") != nullptr : std::find(rewards_.names().begin(), rewards_.names().end(), name) != rewards_.names().end();
    if (compiledIn || weight == 0 || !config_.isGiven("rewards." + name))
      continue;
    std::string nearest = nearestName(name, rewards_.names());
    contradicts("rewards." + name, "a compiled reward", "a weight of " + numberText(weight) + " for one that is not", name == "kl" ? "compile with --kl" : nearest.empty() ? "compile with --reward " + name + "=DIR" : "did you mean '" + nearest + "'?");
  }
  const nlohmann::json &training = session_.module().training;
  const nlohmann::json range = training.is_object() ? training.value("truncation", nlohmann::json()) : nlohmann::json();
  const bool isRange = range.is_array() && range.size() == 2 && range[0].is_number_integer() && range[1].is_number_integer();
  if (findInput(program_, "grad_steps") && !isRange)
    throw Error(658, session_.module().path(), "the range of --truncation for the input grad_steps", "none", "compile it again");
  if (!findInput(program_, "dropout") && config_.adapter.dropout > 0) {
    if (config_.isGiven("adapter.dropout"))
      contradicts("adapter.dropout", "0, as compiled", numberText(config_.adapter.dropout), "set it to 0 or compile with --lora-dropout");
    notes_.push_back("The module was compiled without dropout at the adapters: training runs without it.");
  }
  if (!conditioning_.hasImageEncoder())
    notes_.push_back("The module has no image encoder: the pooled condition is the text's.");
}

std::vector<std::string> ModuleStep::targetModules() const {
  return config_.adapter.targets.empty() ? session_.module().adapters.front().targets : config_.adapter.targets;
}

std::vector<AdapterModule> ModuleStep::startAdapter(std::vector<std::string> &warnings) const {
  double scale = config_.adapter.alpha / static_cast<double>(config_.adapter.rank);
  std::vector<AdapterModule> adapter = initialAdapter(sites_, config_.adapter.rank, scale, static_cast<uint64_t>(config_.adapter.initSeed));
  if (config_.adapter.resumeFrom.empty())
    return adapter;
  Adapter loaded = loadAdapter(config_.adapter.resumeFrom, adapterTarget(session_.module().adapters.front()));
  warnings = loaded.warnings;
  for (AdapterModule &module : adapter) {
    auto it = std::find_if(loaded.modules.begin(), loaded.modules.end(), [&](const AdapterModule &m) { return m.path == module.path; });
    if (it == loaded.modules.end())
      contradicts("adapter.resume_from", "factors for " + module.path, "none", "narrow adapter.targets to the adapter's layers");
    if (it->rank != module.rank || std::abs(it->scale - scale) > 1e-12 * scale)
      contradicts("adapter.rank, adapter.alpha", "rank " + std::to_string(it->rank) + " and scale " + numberText(it->scale) + " as in " + printable(config_.adapter.resumeFrom),
                  "rank " + std::to_string(module.rank) + " and scale " + numberText(scale), "configure the adapter's own");
    module.a = it->a;
    module.b = it->b;
  }
  return adapter;
}

void ModuleStep::setWeights() {
  auto scalar = [&](const std::string &name, double value) {
    float number = static_cast<float>(value);
    tensors_.set(name, &number, sizeof number);
  };
  for (const auto &[name, weight] : config_.rewards)
    if (findInput(program_, name + ".weight"))
      scalar(name + ".weight", weight);
  scalar("guidance_scale", config_.sampler.guidanceScale);
}

void ModuleStep::setDraws(const TrainBatch &batch) {
  const uint64_t seed = static_cast<uint64_t>(config_.train.seed);
  if (findInput(program_, "dropout")) {
    float probability = batch.training ? static_cast<float>(config_.adapter.dropout) : 0.0f;
    tensors_.set("dropout", &probability, sizeof probability);
    int64_t masks = drawSeed(seed, batch.firstSample, Draw::Dropout);
    tensors_.set("dropout_seed", &masks, sizeof masks);
  }
  if (findInput(program_, "grad_steps")) {
    const nlohmann::json &range = session_.module().training["truncation"];
    std::vector<int64_t> counts;
    for (int64_t row = 0; row < batch_; ++row)
      counts.push_back(drawBetween(seed, batch.firstSample + row, Draw::GradSteps, range[0], range[1]));
    tensors_.set("grad_steps", counts.data(), counts.size() * sizeof(int64_t));
  }
  if (const TensorSpec *spec = findInput(program_, "lv_noise")) {
    // [noise, row, …]: each sample's noises come one after the other from a stream of its own.
    const int64_t noises = spec->shape[0];
    const size_t perRow = static_cast<size_t>(spec->elementCount() / (noises * batch_));
    std::vector<float> all(static_cast<size_t>(spec->elementCount()));
    for (int64_t row = 0; row < batch_; ++row) {
      CpuGenerator stream(drawBits(seed, batch.firstSample + row, Draw::LowVarianceNoise));
      for (int64_t noise = 0; noise < noises; ++noise)
        stream.normal(std::span<float>(all).subspan(static_cast<size_t>(noise * batch_ + row) * perRow, perRow));
    }
    tensors_.set("lv_noise", all.data(), all.size() * sizeof(float));
  }
}

void ModuleStep::setAdapter(const std::vector<AdapterModule> &adapter) {
  Adapter whole;
  whole.modules = adapter;
  whole.rank = config_.adapter.rank;
  session_.weights().setAdapters(stackAdapters(session_.module().adapters.front(), {{&whole, 1}}));
}

const ModuleStep::RecordInputs &ModuleStep::inputsOf(const TrainRecord &record) {
  std::string key = record.image + "\n" + record.text();
  if (auto it = cache_.find(key); it != cache_.end())
    return it->second;
  RecordInputs inputs;
  bool encoder = conditioning_.hasImageEncoder();
  // The training script opens pictures with Pillow's convert("RGB"), which drops an alpha channel.
  Image reference = encoder || rewards_.readsReference() ? readImage(record.image, AlphaMode::Drop) : Image{};
  Conditioning::Text text = conditioning_.encode(record.text());
  inputs.context = std::move(text.context);
  inputs.pooled = encoder ? conditioning_.embedSquashed(reference) : std::move(text.pooled);
  inputs.rewards = rewards_.rows(record.text(), reference);
  size_t bytes = inputs.bytes();
  if (cacheBytes_ + bytes > kCacheBytes) {
    uncached_ = std::move(inputs);
    return uncached_;
  }
  cacheBytes_ += bytes;
  return cache_.emplace(key, std::move(inputs)).first->second;
}

uint64_t ModuleStep::recordBytes() const {
  const std::string &where = session_.module().path();
  uint64_t batch = static_cast<uint64_t>(batch_);
  // The program has these once for the unconditional half and once for the record.
  uint64_t bytes = (findSpec(program_.inputs, "encoder_hidden_states", where).byteSize() + findSpec(program_.inputs, "text_embeds", where).byteSize()) / (2 * batch);
  for (const std::string &name : rewards_.inputs())
    bytes += findSpec(program_.inputs, name, where).byteSize() / batch;
  return bytes;
}

uint64_t ModuleStep::pictureBytes() const {
  const std::vector<int64_t> &image = findSpec(program_.outputs, "image", session_.module().path()).shape;
  return static_cast<uint64_t>(image[1] * image[2] * image[3]);
}

void ModuleStep::setInputs(const TrainBatch &batch) {
  const std::string &where = session_.module().path();
  const TensorSpec &latents = findSpec(program_.inputs, "latents", where);
  const std::vector<int64_t> &image = findSpec(program_.outputs, "image", where).shape;
  size_t perRow = static_cast<size_t>(latents.elementCount() / batch_);
  std::vector<float> noise, context, pooled, ids;
  std::map<std::string, InputRow> rewards;
  for (const TrainRecord *record : batch.records) {
    std::vector<float> row(perRow);
    uint64_t seed = static_cast<uint64_t>(config_.sampler.seed >= 0 ? config_.sampler.seed : record->seed.value_or(0));
    CpuGenerator(seed).normal(std::span<float>(row));
    noise.insert(noise.end(), row.begin(), row.end());
    const RecordInputs &inputs = inputsOf(*record);
    // No negative prompt in training: the unconditional half is zeros.
    context.insert(context.end(), inputs.context.begin(), inputs.context.end());
    pooled.insert(pooled.end(), inputs.pooled.begin(), inputs.pooled.end());
    for (const InputRow &part : inputs.rewards) {
      InputRow &all = rewards[part.input];
      all.ids.insert(all.ids.end(), part.ids.begin(), part.ids.end());
      all.values.insert(all.values.end(), part.values.begin(), part.values.end());
    }
  }
  context.insert(context.begin(), context.size(), 0.0f);
  pooled.insert(pooled.begin(), pooled.size(), 0.0f);
  auto time = timeIds(image[2], image[3]);
  for (int64_t row = 0; row < 2 * batch_; ++row)
    ids.insert(ids.end(), time.begin(), time.end());
  auto set = [&](const std::string &name, const std::vector<float> &values) { tensors_.set(name, values.data(), values.size() * sizeof(float)); };
  set("latents", noise);
  set("encoder_hidden_states", context);
  set("text_embeds", pooled);
  set("time_ids", ids);
  for (const auto &[name, row] : rewards)
    row.ids.empty() ? set(name, row.values) : tensors_.set(name, row.ids.data(), row.ids.size() * sizeof(int64_t));
  setDraws(batch);
}

void ModuleStep::readGradients() {
  int64_t compiled = session_.module().adapters.front().rank, rank = config_.adapter.rank;
  gradients_.clear();
  narrowed_.clear();
  narrowed_.reserve(gradientNames_.size());
  for (size_t i = 0; i < gradientNames_.size(); ++i) {
    const TensorSpec &spec = findSpec(program_.outputs, gradientNames_[i], session_.module().path());
    const float *values = tensors_.output(gradientNames_[i]);
    bool isA = i % 2 == 0;
    if (isA || rank == compiled) {
      // Rows of A beyond the configured rank are unused slots; they come last.
      gradients_.emplace_back(values, static_cast<size_t>(isA ? rank * spec.shape[1] : spec.elementCount()));
      continue;
    }
    std::vector<float> &narrow = narrowed_.emplace_back();
    for (int64_t row = 0; row < spec.shape[0]; ++row)
      narrow.insert(narrow.end(), values + row * compiled, values + row * compiled + rank);
    gradients_.emplace_back(narrow);
  }
}

std::vector<Image> ModuleStep::readImages() const {
  const std::vector<int64_t> &shape = findSpec(program_.outputs, "image", session_.module().path()).shape;
  const float *values = tensors_.output("image");
  size_t pixels = static_cast<size_t>(shape[2] * shape[3]);
  std::vector<Image> images;
  for (int64_t b = 0; b < shape[0]; ++b) {
    Image image{static_cast<int>(shape[3]), static_cast<int>(shape[2]), std::vector<uint8_t>(pixels * 3)};
    for (size_t c = 0; c < 3; ++c)
      for (size_t p = 0; p < pixels; ++p)
        image.rgb[p * 3 + c] = static_cast<uint8_t>(std::nearbyint(std::clamp(values[(static_cast<size_t>(b) * 3 + c) * pixels + p], 0.0f, 1.0f) * 255.0f));
    images.push_back(std::move(image));
  }
  return images;
}

BatchResult ModuleStep::run(const TrainBatch &batch, bool wantImages) {
  setInputs(batch);
  tensors_.allocateOutputs();
  Executor &executor = session_.executor(kEntry);
  tensors_.bind(executor); // anew each time: factors that kernels read in place have moved
  executor.run();
  readGradients();
  BatchResult result;
  result.loss = tensors_.output("loss")[0];
  for (const std::string &name : rewards_.names()) {
    const float *values = tensors_.output("reward." + name);
    result.rewards.push_back({name, {values, values + batch_}});
  }
  if (hasKl_)
    result.kl = tensors_.output("kl")[0];
  result.gradients = gradients_;
  if (wantImages)
    result.images = readImages();
  return result;
}

std::string ModuleStep::locateNonFinite(const TrainBatch &batch) {
  setInputs(batch);
  Executor &executor = session_.executor(kEntry);
  tensors_.bind(executor);
  return executor.firstNonFinite();
}

} // namespace hb
