// hb-rt inspect: what a file is, in words and numbers.
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/Adapter.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/formats/Image.h"
#include "runtime/module/Module.h"
#include "tools/hb-rt/Commands.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

namespace hb::rt {
namespace {

std::string mebibytes(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / 1048576.0);
  return text;
}

void printTensors(const char *title, const std::vector<TensorSpec> &tensors) {
  for (const TensorSpec &t : tensors)
    std::printf("    %-7s %-28s %s %s%s\n", title, t.name.c_str(), std::string(dtypeName(t.dtype)).c_str(), shapeText(t.shape).c_str(),
                t.range ? (" ids below " + std::to_string(t.range->second)).c_str() : "");
}

/// What the training entry was compiled for, in words; empty for records of another form than docs/module-format.md gives.
std::string trainingText(const nlohmann::json &training) {
  auto number = [&](const char *key) { return training.contains(key) && training[key].is_number_integer() ? training[key].get<int64_t>() : int64_t(0); };
  auto has = [&](const char *key) { return training.contains(key) && training[key].is_boolean() && training[key].get<bool>(); };
  if (!training.is_object() || !number("steps"))
    return "";
  std::string text = std::to_string(number("steps")) + " denoising steps, gradients through ";
  const nlohmann::json range = training.value("truncation", nlohmann::json());
  if (range.is_array() && range.size() == 2)
    text += "the last " + range[0].dump() + " to " + range[1].dump() + ", drawn for each sample";
  else
    text += "the last " + std::to_string(number("grad_steps"));
  if (int64_t noises = number("lv_samples"); noises > 0)
    text += ", the last one under " + std::to_string(noises) + " fresh noises";
  static constexpr std::pair<const char *, const char *> kOptions[] = {
      {"stop_grad_input", "none through the denoiser's input"}, {"lora_dropout", "dropout at the adapters"}, {"kl", "a KL term to the model without adapters"}};
  for (auto [key, words] : kOptions)
    if (has(key))
      text += std::string(", ") + words;
  return text;
}

nlohmann::ordered_json moduleJson(const Module &module);

/// Names from files may be anything but UTF-8; JSON may not.
void printJson(const nlohmann::ordered_json &value) { std::printf("%s\n", value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str()); }

void inspectModule(const std::string &path, bool json) {
  Module module = Module::open(path, chooseAnyTarget);
  if (json)
    return printJson(moduleJson(module));
  std::printf("module %s (%s), %s\n", path.c_str(), module.compiler.c_str(), mebibytes(module.fileSize()).c_str());
  std::printf("  compiled from %s %s %s\n", module.modelKind.c_str(), module.modelClass.c_str(), module.modelPath.c_str());
  for (const CodeVariant &code : module.code)
    std::printf("  code %s %s, %s\n", code.target.c_str(), code.cpu.c_str(), mebibytes(code.size).c_str());
  std::printf("  %zu kernels, %zu weights, %s math, stored as %s\n", module.kernels.size(), module.weights.size(), module.math.c_str(), module.dtype.c_str());
  for (const AdapterSet &set : module.adapters)
    std::printf("  adapter slots: %zu sites of rank %ld in '%s'\n", set.sites.size(), static_cast<long>(set.rank), set.scope.c_str());
  if (std::string training = trainingText(module.training); !training.empty())
    std::printf("  training: %s\n", training.c_str());
  for (const Program &program : module.programs) {
    std::printf("  entry %s: arena %s (lower bound %s)\n", program.name.c_str(), mebibytes(program.arenaBytes).c_str(), mebibytes(program.lowerBoundBytes).c_str());
    printTensors("input", program.inputs);
    printTensors("output", program.outputs);
  }
}

nlohmann::ordered_json tensorsJson(const std::vector<TensorSpec> &tensors) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const TensorSpec &t : tensors) {
    list.push_back({{"name", t.name}, {"dtype", dtypeName(t.dtype)}, {"shape", t.shape}});
    if (t.range)
      list.back()["range"] = {t.range->first, t.range->second};
  }
  return list;
}

nlohmann::ordered_json moduleJson(const Module &module) {
  nlohmann::ordered_json code = nlohmann::ordered_json::array(), adapters = code, entries = code;
  for (const CodeVariant &variant : module.code)
    code.push_back({{"target", variant.target}, {"cpu", variant.cpu}, {"bytes", variant.size}});
  for (const AdapterSet &set : module.adapters)
    adapters.push_back({{"scope", set.scope}, {"rank", set.rank}, {"targets", set.targets}, {"sites", set.sites.size()}});
  for (const Program &program : module.programs)
    entries.push_back({{"name", program.name}, {"arena_bytes", program.arenaBytes}, {"lower_bound_bytes", program.lowerBoundBytes}, {"inputs", tensorsJson(program.inputs)}, {"outputs", tensorsJson(program.outputs)}});
  return {{"kind", "module"}, {"bytes", module.fileSize()}, {"compiler", module.compiler}, {"model", {{"kind", module.modelKind}, {"class", module.modelClass}, {"path", module.modelPath}}},
          {"flags", module.flags}, {"dtype", module.dtype}, {"math", module.math}, {"kernels", module.kernels.size()}, {"weights", module.weights.size()}, {"code", code}, {"adapters", adapters}, {"training", module.training}, {"entries", entries}};
}

void inspectWeights(const std::string &path, bool json) {
  Checkpoint checkpoint = Checkpoint::open(path, SafetensorsFile::Mode::HeaderOnly);
  uint64_t elements = 0;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const CheckpointTensor &t : checkpoint.tensors()) {
    elements += static_cast<uint64_t>(t.info->elementCount());
    if (json)
      tensors.push_back({{"name", t.name}, {"dtype", dtypeName(t.dtype)}, {"shape", t.shape}});
    else
      std::printf("%-80s %-5s %s\n", printable(t.name).c_str(), std::string(dtypeName(t.dtype)).c_str(), shapeText(t.shape).c_str());
  }
  if (json)
    printJson({{"kind", "checkpoint"}, {"files", checkpoint.files().size()}, {"elements", elements}, {"tensors", tensors}});
  else
    std::printf("%zu tensors, %llu elements\n", checkpoint.tensors().size(), static_cast<unsigned long long>(elements));
}

/// The networks an adapter file may speak of, in the order they are shown.
constexpr const char *kComponents[] = {"unet", "text_encoder", "text_encoder_2"};

/// The adapter's part for one network; nothing when it has none (HB0311).
std::optional<Adapter> partOf(const std::string &path, const std::string &component) {
  try {
    return readAdapter(path, component);
  } catch (const Error &error) {
    if (error.number() != 311)
      throw;
    return std::nullopt;
  }
}

void inspectAdapter(const std::string &path, bool json) {
  nlohmann::ordered_json networks = nlohmann::ordered_json::object();
  for (const char *component : kComponents) {
    std::optional<Adapter> adapter = partOf(path, component);
    if (!adapter)
      continue;
    nlohmann::ordered_json modules = nlohmann::ordered_json::array();
    uint64_t parameters = 0;
    if (!json)
      std::printf("adapter %s for %s\n", printable(adapter->path, 1024).c_str(), component);
    for (const AdapterModule &m : adapter->modules) {
      parameters += m.a.size() + m.b.size();
      if (json)
        modules.push_back({{"path", m.path}, {"in", m.in}, {"out", m.out}, {"rank", m.rank}, {"scale", m.scale}});
      else
        std::printf("  %-88s %6ld -> %-6ld rank %-3ld scale %g\n", printable(m.path).c_str(), static_cast<long>(m.in), static_cast<long>(m.out), static_cast<long>(m.rank), m.scale);
    }
    if (!json)
      std::printf("  %zu modules, rank up to %ld, %llu parameters\n", adapter->modules.size(), static_cast<long>(adapter->rank), static_cast<unsigned long long>(parameters));
    networks[component] = {{"rank", adapter->rank}, {"parameters", parameters}, {"modules", modules}};
    // Names without a network ("down_blocks…") would come up again for each of the others.
    if (!adapter->otherComponents)
      break;
  }
  if (networks.empty())
    readAdapter(path); // says why
  if (json)
    printJson({{"kind", "adapter"}, {"networks", networks}});
}

void inspectPicture(const std::string &path, bool json) {
  nlohmann::ordered_json texts = nlohmann::ordered_json::object();
  for (const auto &[keyword, text] : readPngTexts(path)) {
    if (json)
      texts[printable(keyword)] = text;
    else
      std::printf("%s\n%s\n", printable(keyword).c_str(), printable(text, 1 << 16).c_str());
  }
  if (json)
    printJson({{"kind", "picture"}, {"texts", texts}});
}

int inspect(const std::string &path, bool json) {
  if (path.ends_with(".hbm"))
    inspectModule(path, json);
  else if (path.ends_with(".png"))
    inspectPicture(path, json);
  else if (looksLikeAdapter(path))
    inspectAdapter(path, json);
  else
    inspectWeights(path, json);
  return 0;
}

} // namespace

Action addInspect(CLI::App &app) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App *sub = app.add_subcommand("inspect", "describe a module (.hbm), a checkpoint folder or safetensors file, a LoRA adapter, or a picture made by generate (.png)");
  sub->add_option("path", *path, "the file or folder")->required();
  sub->add_flag("--json", *json, "print one JSON object");
  return [path, json] { return inspect(*path, *json); };
}

} // namespace hb::rt
