#include "runtime/pipeline/Conditioning.h"

#include "runtime/base/Error.h"
#include "runtime/pipeline/Preprocess.h"

#include <algorithm>
#include <utility>

namespace hb {
namespace {

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

} // namespace

const TensorSpec &findSpec(const std::vector<TensorSpec> &specs, const std::string &name, const std::string &where) {
  for (const TensorSpec &s : specs)
    if (s.name == name)
      return s;
  throw Error(640, where, "a generate entry with '" + name + "'", "none", "compile the pipeline again with this version of hbc");
}

Conditioning::Conditioning(Session &session) : session_(session) {
  for (const char *name : {"tokenizer", "tokenizer_2"}) {
    if (!session.module().pipeline.is_object() || !session.module().pipeline.contains("files") || !session.module().pipeline["files"].contains(name))
      throw Error(640, session.module().path(), std::string("the files of ") + name, "none in the module", "compile the whole pipeline folder");
    tokenizers_.push_back(ClipTokenizer::parse(tokenizerFiles(session.module().pipeline, name)));
  }
}

std::string Conditioning::setting(const std::string &name) const {
  const nlohmann::json &files = session_.module().pipeline.at("files");
  auto slash = name.find('/');
  const nlohmann::json &folder = files.value(name.substr(0, slash), nlohmann::json::object());
  return folder.value(name.substr(slash + 1), "");
}

bool Conditioning::zeroWithoutNegative() const { return session_.module().pipeline.value("force_zeros_for_empty_prompt", true); }

std::string Conditioning::entryName(const std::string &component, const std::string &entry) const {
  std::string full = component + "." + entry;
  return session_.module().findEntry(full) ? full : entry;
}

template <typename Element>
ProgramTensors Conditioning::runEncoder(const std::string &entry, const std::string &input, const std::vector<Element> &row) {
  const Program &program = session_.module().entry(entry);
  std::vector<Element> batch;
  for (int64_t b = 0; b < findSpec(program.inputs, input, entry).shape[0]; ++b)
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

Conditioning::Text Conditioning::encode(const std::string &text) {
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
    std::vector<int32_t> ids = tokenizers_[i].encodePadded(text, findSpec(program.inputs, "input_ids", entry).shape[1]);
    ProgramTensors tensors = runEncoder(entry, "input_ids", std::vector<int64_t>(ids.begin(), ids.end()));
    const std::vector<int64_t> &shape = findSpec(program.outputs, "penultimate_hidden_state", entry).shape;
    const float *hidden = tensors.output("penultimate_hidden_state"), *pooled = tensors.output("pooled");
    tokens = shape[1];
    parts.push_back({{hidden, hidden + tokens * shape[2]}, shape[2]});
    out.pooled.assign(pooled, pooled + findSpec(program.outputs, "pooled", entry).shape[1]);
  }
  for (int64_t t = 0; t < tokens; ++t)
    for (const Part &part : parts)
      out.context.insert(out.context.end(), part.hidden.begin() + t * part.width, part.hidden.begin() + (t + 1) * part.width);
  return out;
}

bool Conditioning::hasImageEncoder() const { return session_.module().findEntry(entryName("image_encoder", "image_encode")) != nullptr; }

std::vector<const Program *> Conditioning::programs() const {
  std::vector<const Program *> found;
  for (const auto &[component, entry] : {std::pair("text_encoder", "text_encode"), std::pair("text_encoder_2", "text_encode"), std::pair("image_encoder", "image_encode")})
    if (const Program *program = session_.module().findEntry(entryName(component, entry)); program && std::find(found.begin(), found.end(), program) == found.end())
      found.push_back(program);
  return found;
}

std::vector<float> Conditioning::embedReference(const Image &reference) {
  std::string text = setting("feature_extractor/preprocessor_config.json");
  std::string name = entryName("image_encoder", "image_encode");
  if (text.empty() || !session_.module().findEntry(name))
    throw Error(641, session_.module().path(), "a pipeline with image_encoder and feature_extractor for --ref-image",
                "a pipeline without them", "leave --ref-image out or use a Hummingbird checkpoint");
  PreprocessConfig config = PreprocessConfig::parse(text, "preprocessor_config.json");
  int64_t width = 0, height = 0;
  return embedPixels(name, config.apply({reference.rgb.data(), reference.width, reference.height}, width, height));
}

std::vector<float> Conditioning::embedSquashed(const Image &reference) {
  std::string name = entryName("image_encoder", "image_encode");
  if (!hasImageEncoder())
    throw Error(641, session_.module().path(), "a module with the entry 'image_encode'", "a module without it", "compile it in, from a Hummingbird checkpoint");
  int64_t side = findSpec(session_.module().entry(name).inputs, "pixel_values", name).shape[3];
  return embedPixels(name, squashPixels({reference.rgb.data(), reference.width, reference.height}, side));
}

std::vector<float> Conditioning::embedPixels(const std::string &entry, const std::vector<float> &pixels) {
  ProgramTensors tensors = runEncoder(entry, "pixel_values", pixels);
  const float *embeds = tensors.output("image_embeds");
  return {embeds, embeds + findSpec(session_.module().entry(entry).outputs, "image_embeds", entry).shape[1]};
}

} // namespace hb
