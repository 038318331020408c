#include "runtime/formats/AdapterFile.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

namespace hb {
namespace {

constexpr const char *kPeftWeights = "adapter_model.safetensors";
constexpr const char *kPeftConfig = "adapter_config.json";
constexpr const char *kDiffusersWeights = "pytorch_lora_weights.safetensors";
constexpr const char *kMetadataKey = "lora_adapter_metadata";
constexpr uint64_t kMaxConfig = 4u << 20;

/// The only .safetensors file of a folder; empty when there is none or a choice.
std::string onlyWeightsFile(const std::string &folder) {
  std::string found;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".safetensors")
      continue;
    if (!found.empty())
      return "";
    found = it->path().string();
  }
  return error ? "" : found;
}

std::string weightsFile(const std::string &path) {
  if (!isDirectory(path))
    return path; // opening it reports what is wrong
  for (const char *name : {kPeftWeights, kDiffusersWeights})
    if (isFile(joinPath(path, name)))
      return joinPath(path, name);
  std::string only = onlyWeightsFile(path);
  if (only.empty())
    throw Error(301, printable(path, 1024), std::string("a folder with ") + kPeftWeights + " or " + kDiffusersWeights, "neither",
                "give the adapter's file itself; .bin and .pt files must be saved as safetensors first");
  return only;
}

/// PEFT writes its config beside the weights; without it the scale is unknown.
std::optional<AdapterConfig> readConfig(const SafetensorsFile &file, bool peftNames, const std::string &component) {
  size_t slash = file.path().rfind('/');
  std::string beside = slash == std::string::npos ? kPeftConfig : file.path().substr(0, slash + 1) + kPeftConfig;
  if (peftNames || (baseName(file.path()) == kPeftWeights && isFile(beside))) {
    if (!isFile(beside))
      throw Error(301, printable(file.path(), 1024), std::string("PEFT's ") + kPeftConfig + " beside it", "no such file",
                  "the adapter's scale stands there; bring the whole folder");
    return AdapterConfig::parse(readTextFile(beside, kMaxConfig), printable(beside, 1024));
  }
  auto entry = file.metadata().find(kMetadataKey);
  if (entry == file.metadata().end())
    return std::nullopt;
  return AdapterConfig::parseMetadata(entry->second, printable(file.path(), 1024) + ":" + kMetadataKey, component);
}

} // namespace

bool looksLikeAdapter(const std::string &path) {
  if (isDirectory(path))
    return isFile(joinPath(path, kPeftConfig)) || isFile(joinPath(path, kPeftWeights)) || isFile(joinPath(path, kDiffusersWeights));
  try {
    SafetensorsFile file = SafetensorsFile::open(path, SafetensorsFile::Mode::HeaderOnly);
    return !file.tensors().empty() && std::all_of(file.tensors().begin(), file.tensors().end(), [](const TensorInfo &info) { return parseAdapterKey(info.name).has_value(); });
  } catch (const Error &) {
    return false;
  }
}

RawAdapter openAdapter(const std::string &path, const std::string &component) {
  RawAdapter raw{SafetensorsFile::open(weightsFile(path)), std::nullopt, {}};
  const SafetensorsFile &file = raw.file;
  std::map<std::tuple<std::string, bool, std::string>, size_t> groups; // component, underscored, module
  bool peftNames = false;
  for (const TensorInfo &info : file.tensors()) {
    auto key = parseAdapterKey(info.name);
    if (!key)
      throw Error(304, file.where(info), "a tensor of a LoRA adapter (…lora_A.weight, …lora_down.weight, …alpha)", "a name of no known spelling",
                  "is this an adapter?");
    if (key->role == AdapterRole::Unsupported)
      throw Error(305, file.where(info), "a plain LoRA adapter", std::string(key->kind),
                  "this kind is not supported; merge it into the checkpoint with the library that made it");
    peftNames |= key->peft;
    auto [it, added] = groups.emplace(std::tuple(key->component, key->underscored, key->module), raw.modules.size());
    if (added)
      raw.modules.push_back({*key});
    RawAdapterModule &module = raw.modules[it->second];
    const TensorInfo *&slot = key->role == AdapterRole::Down ? module.down : key->role == AdapterRole::Up ? module.up : module.alpha;
    if (slot)
      throw Error(306, file.where(info), "each factor of a module once", "it is also there as " + printable(slot->name), "remove one of the two");
    slot = &info;
  }
  if (raw.modules.empty())
    throw Error(304, printable(file.path(), 1024), "the tensors of a LoRA adapter", "no tensors", "is this an adapter?");
  raw.config = readConfig(file, peftNames, component);
  return raw;
}

} // namespace hb
