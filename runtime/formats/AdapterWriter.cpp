#include "runtime/formats/AdapterWriter.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/AdapterNames.h"
#include "runtime/formats/Safetensors.h"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <sys/stat.h>

namespace hb {
namespace {

/// Alpha as the text formats and kohya's float32 scalar hold it: scale · rank, without the last-place noise of alpha / rank.
double alphaOf(const AdapterModule &module) {
  double alpha = module.scale * static_cast<double>(module.rank), whole = std::nearbyint(alpha);
  return std::abs(alpha - whole) <= 1e-12 * std::abs(whole) ? whole : alpha;
}

/// The libraries write whole alphas as integers.
nlohmann::ordered_json alphaJson(double alpha) {
  if (std::abs(alpha) < 1e15 && alpha == std::trunc(alpha))
    return static_cast<int64_t>(alpha);
  return alpha;
}

/// The commonest value of a property; the smaller one of equally common ones.
template <typename Get> auto commonest(const std::vector<AdapterModule> &modules, Get get) {
  std::map<decltype(get(modules[0])), size_t> counts;
  for (const AdapterModule &module : modules)
    ++counts[get(module)];
  auto best = counts.begin();
  for (auto it = counts.begin(); it != counts.end(); ++it)
    if (it->second > best->second)
      best = it;
  return best->first;
}

int64_t rankOf(const AdapterModule &module) { return module.rank; }

/// r, lora_alpha and the two patterns.
void addScale(nlohmann::ordered_json &config, const std::vector<AdapterModule> &modules) {
  int64_t rank = commonest(modules, rankOf);
  double alpha = commonest(modules, alphaOf);
  auto ranks = nlohmann::ordered_json::object(), alphas = nlohmann::ordered_json::object();
  for (const AdapterModule &module : modules) {
    if (module.rank != rank)
      ranks[module.path] = module.rank;
    if (alphaOf(module) != alpha)
      alphas[module.path] = alphaJson(alphaOf(module));
  }
  config["r"] = rank;
  config["lora_alpha"] = alphaJson(alpha);
  config["rank_pattern"] = ranks;
  config["alpha_pattern"] = alphas;
}

std::vector<std::string> targetsOf(const std::vector<AdapterModule> &modules, const PeftSettings &settings) {
  if (!settings.targetModules.empty())
    return settings.targetModules;
  std::vector<std::string> paths;
  for (const AdapterModule &module : modules)
    paths.push_back(module.path);
  return paths;
}

TensorView factor(const std::string &name, int64_t rows, int64_t columns, const std::vector<float> &values) {
  return {name, DType::F32, {rows, columns}, values.data()};
}

void requireModules(const std::string &path, const std::vector<AdapterModule> &modules) {
  if (modules.empty())
    throw Error(311, printable(path, 1024), "an adapter with modules", "none", "there is nothing to write");
}

void makeFolder(const std::string &folder) {
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
    throw Error(901, printable(folder, 1024), "a folder that can be made", std::strerror(errno), "choose another place");
}

} // namespace

void writePeftFolder(const std::string &folder, const std::vector<AdapterModule> &modules, const PeftSettings &settings) {
  requireModules(folder, modules);
  makeFolder(folder);
  std::vector<TensorView> tensors;
  for (const AdapterModule &module : modules) {
    tensors.push_back(factor("base_model.model." + module.path + ".lora_A.weight", module.rank, module.in, module.a));
    tensors.push_back(factor("base_model.model." + module.path + ".lora_B.weight", module.out, module.rank, module.b));
  }
  // PEFT needs auto_mapping to find the base class because task_type is null.
  nlohmann::ordered_json config = {
      {"peft_type", "LORA"},
      {"auto_mapping", {{"base_model_class", "UNet2DConditionModel"}, {"parent_library", "diffusers.models.unets.unet_2d_condition"}}},
      {"task_type", nullptr},
      {"base_model_name_or_path", nullptr},
      {"revision", nullptr},
      {"inference_mode", true},
      {"lora_dropout", settings.dropout},
      {"target_modules", targetsOf(modules, settings)},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"init_lora_weights", true},
      {"modules_to_save", nullptr},
      {"layers_to_transform", nullptr},
      {"layers_pattern", nullptr},
      {"use_rslora", false},
      {"use_dora", false}};
  if (!settings.baseModel.empty())
    config["base_model_name_or_path"] = settings.baseModel;
  addScale(config, modules);
  // The config last: a folder without it is not an adapter yet, so a reader never pairs new factors with an old scale for long.
  writeSafetensors(joinPath(folder, "adapter_model.safetensors"), std::move(tensors), {{"format", "pt"}});
  writeFileAtomically(joinPath(folder, "adapter_config.json"), config.dump(2) + "\n");
}

void writeDiffusersFile(const std::string &path, const std::vector<AdapterModule> &modules, DiffusersScale scale) {
  requireModules(path, modules);
  std::map<std::string, std::string> metadata{{"format", "pt"}};
  std::vector<std::vector<float>> folded;
  folded.reserve(modules.size()); // the views below point into it
  std::vector<TensorView> tensors;
  for (const AdapterModule &module : modules) {
    const std::vector<float> *b = &module.b;
    if (scale == DiffusersScale::Folded) {
      b = &folded.emplace_back(module.b);
      for (float &value : folded.back())
        value = static_cast<float>(value * module.scale);
    }
    tensors.push_back(factor("unet." + module.path + ".lora_A.weight", module.rank, module.in, module.a));
    tensors.push_back(factor("unet." + module.path + ".lora_B.weight", module.out, module.rank, *b));
  }
  if (scale == DiffusersScale::Metadata) {
    nlohmann::ordered_json config = {{"peft_type", "LORA"}, {"bias", "none"}, {"lora_dropout", 0.0}, {"target_modules", targetsOf(modules, {})}}, prefixed;
    addScale(config, modules);
    for (auto &[key, value] : config.items())
      prefixed["unet." + key] = value;
    metadata["lora_adapter_metadata"] = prefixed.dump();
  }
  writeSafetensors(path, std::move(tensors), metadata);
}

void writeKohyaFile(const std::string &path, const std::vector<AdapterModule> &modules) {
  requireModules(path, modules);
  std::vector<float> alphas;
  alphas.reserve(modules.size());
  std::vector<TensorView> tensors;
  for (const AdapterModule &module : modules) {
    std::string name = "lora_unet_" + underscoredFromDotted(module.path);
    alphas.push_back(static_cast<float>(alphaOf(module)));
    tensors.push_back({name + ".alpha", DType::F32, {}, &alphas.back()});
    tensors.push_back(factor(name + ".lora_down.weight", module.rank, module.in, module.a));
    tensors.push_back(factor(name + ".lora_up.weight", module.out, module.rank, module.b));
  }
  writeSafetensors(path, std::move(tensors),
                   {{"ss_network_module", "networks.lora"},
                    {"ss_network_dim", std::to_string(commonest(modules, rankOf))},
                    {"ss_network_alpha", alphaJson(commonest(modules, alphaOf)).dump()}});
}

namespace {

/// One row for each spelling; the file name is the one other programs look for in a folder.
struct SpellingRow {
  std::string_view name;
  AdapterSpelling spelling;
  const char *file;
};
constexpr SpellingRow kSpellings[] = {{"peft", AdapterSpelling::Peft, "adapter_model.safetensors"},
                                      {"diffusers", AdapterSpelling::Diffusers, "pytorch_lora_weights.safetensors"},
                                      {"kohya", AdapterSpelling::Kohya, "kohya.safetensors"}};

} // namespace

std::optional<AdapterSpelling> parseAdapterSpelling(std::string_view name) {
  for (const SpellingRow &row : kSpellings)
    if (row.name == name)
      return row.spelling;
  return std::nullopt;
}

std::string writeAdapter(AdapterSpelling spelling, const std::string &target, const std::vector<AdapterModule> &modules, DiffusersScale scale) {
  requireModules(target, modules);
  bool isFileName = target.ends_with(".safetensors");
  if (isFileName && spelling == AdapterSpelling::Peft)
    throw Error(317, printable(target, 1024), "the name of a folder", "a name that ends in .safetensors", "choose a folder");
  std::string path = isFileName ? target : joinPath(target, kSpellings[static_cast<size_t>(spelling)].file);
  if (!isFileName)
    makeFolder(target);
  switch (spelling) {
  case AdapterSpelling::Peft:
    writePeftFolder(target, modules);
    break;
  case AdapterSpelling::Diffusers:
    writeDiffusersFile(path, modules, scale);
    break;
  case AdapterSpelling::Kohya:
    writeKohyaFile(path, modules);
    break;
  }
  return path;
}

} // namespace hb
