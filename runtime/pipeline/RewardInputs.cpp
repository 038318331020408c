#include "runtime/pipeline/RewardInputs.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/pipeline/Preprocess.h"

namespace hb {
namespace {

constexpr std::string_view kOutput = "reward.";
constexpr const char *kTokenizerFiles[] = {"vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"};

/// The tokenizer files of a reward's model as the module stores them, or as they lie in its folder.
nlohmann::json tokenizerFiles(Session &session, const std::string &reward) {
  const nlohmann::json &pipeline = session.module().pipeline;
  nlohmann::json files = nlohmann::json::object();
  if (pipeline.is_object() && pipeline.contains("files") && pipeline["files"].contains(reward))
    return pipeline["files"][reward];
  std::string folder = session.weights().folderOf(reward);
  for (const char *name : kTokenizerFiles)
    if (std::string path = joinPath(folder, name); !folder.empty() && isFile(path))
      files[name] = readTextFile(path);
  return files;
}

std::optional<std::string> optionalText(const nlohmann::json &files, const char *name) {
  return files.contains(name) ? std::optional(files[name].get<std::string>()) : std::nullopt;
}

} // namespace

const TensorSpec *findInput(const Program &program, const std::string &name) {
  for (const TensorSpec &spec : program.inputs)
    if (spec.name == name)
      return &spec;
  return nullptr;
}

RewardInputs::RewardInputs(Session &session, const Program &program) {
  for (const TensorSpec &output : program.outputs) {
    if (!output.name.starts_with(kOutput))
      continue;
    std::string name = output.name.substr(kOutput.size());
    names_.push_back(name);
    if (const TensorSpec *ids = findInput(program, name + ".input_ids"); ids && ids->shape.size() == 2)
      texts_.push_back(textOf(session, name, ids->shape[1], findInput(program, name + ".attention_mask") != nullptr));
    if (const TensorSpec *reference = findInput(program, name + ".reference"); reference && reference->shape.size() == 4)
      references_.push_back({reference->name, reference->shape[3]});
  }
}

RewardInputs::Text RewardInputs::textOf(Session &session, const std::string &reward, int64_t length, bool masked) const {
  nlohmann::json files = tokenizerFiles(session, reward);
  Text text{reward, length, masked, std::nullopt, std::nullopt};
  if (files.contains("vocab.txt"))
    text.bert = BertTokenizer::parse({reward, files["vocab.txt"].get<std::string>(), optionalText(files, "tokenizer_config.json")});
  else if (files.contains("vocab.json") && files.contains("merges.txt"))
    text.clip = ClipTokenizer::parse({reward, files["vocab.json"].get<std::string>(), files["merges.txt"].get<std::string>(), optionalText(files, "tokenizer_config.json"), optionalText(files, "special_tokens_map.json")});
  else
    throw Error(644, session.module().path(), "the tokenizer of the reward " + reward, "neither vocab.txt nor vocab.json in the module or beside the model", "put the tokenizer's files beside the model's config.json");
  return text;
}

bool RewardInputs::readsReference() const { return !references_.empty(); }

std::vector<std::string> RewardInputs::inputs() const {
  std::vector<std::string> names;
  for (const Text &reward : texts_) {
    names.push_back(reward.reward + ".input_ids");
    if (reward.masked)
      names.push_back(reward.reward + ".attention_mask");
  }
  for (const Reference &input : references_)
    names.push_back(input.input);
  return names;
}

std::vector<InputRow> RewardInputs::rows(const std::string &text, const Image &reference) const {
  std::vector<InputRow> rows;
  for (const Text &reward : texts_) {
    std::vector<int32_t> ids = reward.bert ? reward.bert->encode(blipCaption(text), reward.length) : reward.clip->encodePadded(text, reward.length);
    InputRow row{reward.reward + ".input_ids", {ids.begin(), ids.end()}, {}}, mask{reward.reward + ".attention_mask", {}, {}};
    mask.ids.assign(row.ids.size(), 1);
    // A shorter text is filled up; what is filled is masked.
    mask.ids.resize(static_cast<size_t>(reward.length), 0);
    row.ids.resize(static_cast<size_t>(reward.length), reward.bert ? reward.bert->padId() : 0);
    rows.push_back(std::move(row));
    if (reward.masked)
      rows.push_back(std::move(mask));
  }
  constexpr ChannelScale kPlain = {{0, 0, 0}, {1, 1, 1}};
  for (const Reference &input : references_)
    rows.push_back({input.input, {}, squashPixels({reference.rgb.data(), reference.width, reference.height}, input.side, kPlain)});
  return rows;
}

} // namespace hb
