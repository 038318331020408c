#include "runtime/pipeline/Scoring.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/pipeline/BertTokenizer.h"
#include "runtime/pipeline/ClipTokenizer.h"
#include "runtime/pipeline/Preprocess.h"
#include "runtime/pipeline/RewardInputs.h"

#include <algorithm>

namespace hb {
namespace {

enum class TextKind { None, Clip, Bert };

/// One value that an entry gives; several outputs are added up (the BLIP-2 reward is ITC + ITM).
struct Reading {
  const char *name;
  std::vector<const char *> outputs;
};

struct RewardEntry {
  std::string_view entry;
  TextKind text;
  std::vector<Reading> readings;
};

const RewardEntry kRewards[] = {{"blip2_reward", TextKind::Bert, {{"blip2", {"itc", "itm"}}, {"blip2_itc", {"itc"}}, {"blip2_itm", {"itm"}}}},
                                {"clip_score", TextKind::Clip, {{"clip_score", {"score"}}, {"clip_cosine", {"cosine"}}}},
                                {"clip_image_similarity", TextKind::None, {{"clip_image", {"cosine"}}}},
                                {"aesthetic_score", TextKind::None, {{"aesthetic", {"score"}}}}};

/// "network.entry" apart; no network when there is no dot.
std::pair<std::string, std::string> splitEntry(const std::string &name) {
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::pair(std::string(), name) : std::pair(name.substr(0, dot), name.substr(dot + 1));
}

class Scorer {
public:
  Scorer(Session &session, const ScoreRequest &request, ScoreResult &result) : session_(session), request_(request), result_(result) {}

  void run(const Program &program, const RewardEntry &reward, const std::string &network) {
    if (findInput(program, "reference") && !request_.reference) {
      result_.notes.push_back("no reference picture: " + program.name + " is left out");
      return;
    }
    ProgramTensors tensors(program);
    setPicture(program, tensors, "image", request_.image);
    if (request_.reference && findInput(program, "reference"))
      setPicture(program, tensors, "reference", *request_.reference);
    if (reward.text != TextKind::None)
      setText(program, tensors, reward.text, network);
    tensors.allocateOutputs();
    Executor &executor = session_.executor(program.name);
    tensors.bind(executor);
    executor.run();
    for (const Reading &reading : reward.readings) {
      double value = 0;
      for (const char *output : reading.outputs)
        value += tensors.output(output)[0]; // every row of the batch is the same picture
      result_.scores.push_back({(network.empty() ? "" : network + ".") + reading.name, value});
    }
    session_.release(program.name);
  }

  /// The entry `score` of a pipeline compiled with --reward: every reward under the name that it was given there.
  void runAll(const Program &program) {
    RewardInputs inputs(session_, program);
    if (inputs.readsReference() && !request_.reference) {
      result_.notes.push_back("no reference picture: " + program.name + " is left out");
      return;
    }
    ProgramTensors tensors(program);
    setPicture(program, tensors, "image", request_.image);
    for (const InputRow &row : inputs.rows(request_.text, request_.reference.value_or(Image())))
      setRow(*findInput(program, row.input), tensors, row);
    tensors.allocateOutputs();
    Executor &executor = session_.executor(program.name);
    tensors.bind(executor);
    executor.run();
    for (const std::string &name : inputs.names())
      result_.scores.push_back({name, tensors.output("reward." + name)[0]}); // every row of the batch is the same picture
    session_.release(program.name);
  }

private:
  static void setRow(const TensorSpec &spec, ProgramTensors &tensors, const InputRow &row) {
    const size_t copies = static_cast<size_t>(spec.shape[0]);
    auto repeated = [&](const auto &values) {
      auto all = values;
      for (size_t copy = 1; copy < copies; ++copy)
        all.insert(all.end(), values.begin(), values.end());
      tensors.set(spec.name, all.data(), spec.byteSize());
    };
    row.ids.empty() ? repeated(row.values) : repeated(row.ids);
  }
  void setPicture(const Program &program, ProgramTensors &tensors, const char *name, const Image &image) {
    const TensorSpec *spec = findInput(program, name);
    if (!spec || spec->shape.size() != 4 || spec->shape[1] != 3)
      throw Error(643, session_.module().path(), program.name + " with an input '" + name + "' [B, 3, h, w]", spec ? shapeText(spec->shape) : "none", "compile the model again with this version of hbc");
    int64_t height = spec->shape[2], width = spec->shape[3], pixels = height * width;
    std::vector<uint8_t> rgb = image.rgb;
    if (image.height != height || image.width != width) {
      rgb = resizeBicubic({image.rgb.data(), image.width, image.height}, width, height);
      result_.notes.push_back(std::string(name) + " resized from " + std::to_string(image.width) + "x" + std::to_string(image.height) + " to " + std::to_string(width) + "x" + std::to_string(height) +
                              " for " + program.name + "; compile with --dim h=" + std::to_string(image.height) + " --dim w=" + std::to_string(image.width) + " to score it as it is");
    }
    std::vector<float> planes(spec->elementCount());
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t p = 0; p < pixels; ++p)
        planes[c * pixels + p] = static_cast<float>(rgb[p * 3 + c]) / 255.0f;
    for (int64_t b = 1; b < spec->shape[0]; ++b)
      std::copy_n(planes.begin(), 3 * pixels, planes.begin() + b * 3 * pixels);
    tensors.set(name, planes.data(), spec->byteSize());
  }

  std::string file(const std::string &network, const char *name, bool required) const {
    const nlohmann::json &pipeline = session_.module().pipeline;
    auto files = pipeline.is_object() ? pipeline.value("files", nlohmann::json::object()) : nlohmann::json::object();
    auto folder = files.value(network, nlohmann::json::object());
    if (!folder.contains(name) && required)
      throw Error(644, session_.module().path(), std::string("the tokenizer's ") + name + " in the module", "none", "put the tokenizer's files beside the model's config.json and compile it again");
    return folder.value(name, "");
  }

  std::vector<int32_t> tokens(TextKind kind, const std::string &network, int64_t length) const {
    auto optional = [&](const char *name) {
      std::string text = file(network, name, false);
      return text.empty() ? std::nullopt : std::optional(text);
    };
    if (kind == TextKind::Bert)
      return BertTokenizer::parse({"tokenizer", file(network, "vocab.txt", true), optional("tokenizer_config.json")}).encode(blipCaption(request_.text), length);
    return ClipTokenizer::parse({"tokenizer", file(network, "vocab.json", true), file(network, "merges.txt", true), optional("tokenizer_config.json"), optional("special_tokens_map.json")})
        .encodePadded(request_.text, length);
  }

  /// Shorter texts are filled up and masked where the entry has a mask; CLIP's causal tower needs none.
  void setText(const Program &program, ProgramTensors &tensors, TextKind kind, const std::string &network) {
    const TensorSpec *spec = findInput(program, "input_ids");
    if (!spec || spec->shape.size() != 2)
      throw Error(643, session_.module().path(), program.name + " with an input 'input_ids'", "none", "compile the model again with this version of hbc");
    int64_t length = spec->shape[1];
    std::vector<int32_t> row = tokens(kind, network, length);
    std::vector<int64_t> ids(spec->elementCount(), 0), mask(spec->elementCount(), 0);
    for (int64_t b = 0; b < spec->shape[0]; ++b)
      for (size_t i = 0; i < row.size(); ++i) {
        ids[b * length + i] = row[i];
        mask[b * length + i] = 1;
      }
    tensors.set("input_ids", ids.data(), spec->byteSize());
    if (findInput(program, "attention_mask"))
      tensors.set("attention_mask", mask.data(), spec->byteSize());
  }

  Session &session_;
  const ScoreRequest &request_;
  ScoreResult &result_;
};

} // namespace

ScoreResult scorePicture(Session &session, const ScoreRequest &request) {
  ScoreResult result;
  Scorer scorer(session, request, result);
  bool any = false;
  for (const Program &program : session.module().programs) {
    auto [network, entry] = splitEntry(program.name);
    if (entry == "score") {
      any = true;
      scorer.runAll(program);
    }
    for (const RewardEntry &reward : kRewards)
      if (reward.entry == entry) {
        any = true;
        scorer.run(program, reward, network);
      }
  }
  if (!any) {
    std::string known = "score";
    for (const RewardEntry &reward : kRewards)
      known += ", " + std::string(reward.entry);
    throw Error(643, session.module().path(), "a module with a reward entry (" + known + ")", "none of them", "compile a reward model: hbc compile DIR -o M.hbm");
  }
  return result;
}

} // namespace hb
