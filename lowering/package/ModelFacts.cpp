#include "lowering/package/ModelFacts.h"

#include "dialects/nn/Nn.h"
#include "lowering/package/Commands.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/formats/ModelConfig.h"

#include <map>
#include <set>

using namespace mlir;

namespace hb {
namespace {

constexpr StringLiteral kAdapterScope = "adapter:", kWeight = ".weight";

std::string text(DictionaryAttr dictionary, StringRef key) {
  auto value = dictionary ? dictionary.getAs<StringAttr>(key) : StringAttr();
  return value ? value.str() : "";
}

/// The files that the runtime reads for `generate`, folder by folder; those a checkpoint lacks are left out.
const std::pair<const char *, std::vector<const char *>> kPipelineFiles[] = {
    {"tokenizer", {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"}},
    {"tokenizer_2", {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"}},
    {"scheduler", {"scheduler_config.json"}},
    {"feature_extractor", {"preprocessor_config.json"}},
};

/// Those a network's own folder holds: rewards are given texts, not ids.
const char *const kComponentFiles[] = {"vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"};

void addFiles(nlohmann::json &files, const std::string &key, const std::string &folder, llvm::ArrayRef<const char *> names) {
  for (const char *name : names)
    if (std::string path = joinPath(folder, name); isFile(path))
      files[key][name] = readTextFile(path);
}

struct Slot {
  int64_t in, out;
};

nlohmann::json slotList(const std::map<std::string, Slot> &slots) {
  nlohmann::json list = nlohmann::json::array();
  for (auto &[path, slot] : slots)
    list.push_back({{"path", path}, {"in", slot.in}, {"out", slot.out}});
  return list;
}

} // namespace

PackageInfo modelFacts(ModuleOp imported, std::vector<std::string> flags, const std::vector<std::string> &loraTargets) {
  PackageInfo info;
  info.flags = std::move(flags);
  auto model = imported->getAttrOfType<DictionaryAttr>("nn.model");
  info.modelKind = text(model, "kind");
  info.modelPath = text(model, "path");
  info.modelClass = text(model, "class");
  if (auto scopes = imported->getAttrOfType<ArrayAttr>("nn.scopes"))
    for (auto scope : scopes.getAsRange<DictionaryAttr>())
      info.scopes.push_back({text(scope, "name"), text(scope, "path")});

  std::set<std::pair<std::string, std::string>> seen;
  std::map<std::string, std::map<std::string, Slot>> weights, sites; // by scope, then path
  std::map<std::string, int64_t> ranks;
  imported.walk([&](nn::ParamOp param) {
    auto type = cast<RankedTensorType>(param.getType());
    StringRef scope = param.getScope(), key = param.getKey();
    if (!seen.insert({scope.str(), key.str()}).second)
      return;
    if (scope.consume_front(kAdapterScope)) {
      // Each slot has three factors; the first, [R, in], gives rank and width.
      if (key.consume_back(".lora_A")) {
        sites[scope.str()][key.str()].in = type.getDimSize(1);
        ranks[scope.str()] = type.getDimSize(0);
      } else if (key.consume_back(".lora_B")) {
        sites[scope.str()][key.str()].out = type.getDimSize(0);
      }
      return;
    }
    info.signature.push_back({scope.str(), key.str(), dtypeText(type.getElementType()), type.getShape().vec()});
    if (key.consume_back(kWeight))
      weights[scope.str()][key.str()] = {type.getRank() > 1 ? type.getDimSize(1) : 0, type.getRank() ? type.getDimSize(0) : 0};
  });
  for (auto &[scope, slots] : sites)
    info.adapters.push_back({{"scope", scope}, {"rank", ranks[scope]}, {"targets", loraTargets}, {"sites", slotList(slots)}, {"linears", slotList(weights[scope])}});
  return info;
}

nlohmann::json pipelineSettings(const std::string &folder) {
  PipelineIndex index = readPipelineIndex(folder);
  nlohmann::json files = nlohmann::json::object();
  for (auto &[component, names] : kPipelineFiles)
    addFiles(files, component, joinPath(folder, component), names);
  return {{"files", files}, {"force_zeros_for_empty_prompt", index.config.root().boolean("force_zeros_for_empty_prompt", true)}};
}

nlohmann::json componentSettings(const std::string &folder) {
  nlohmann::json files = nlohmann::json::object();
  addFiles(files, "", folder, kComponentFiles);
  return files.empty() ? nlohmann::json() : nlohmann::json{{"files", files}};
}

void addRewardSettings(nlohmann::json &settings, const std::vector<std::pair<std::string, std::string>> &rewards) {
  for (const auto &[name, folder] : rewards)
    addFiles(settings["files"], name, folder, kComponentFiles);
}

} // namespace hb
