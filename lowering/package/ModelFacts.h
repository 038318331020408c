// What the module file records about the model itself, read off the imported graph and the checkpoint's folder.
#pragma once

#include "lowering/package/WriteModule.h"

namespace hb {

/// Model, scopes, signature and adapter slots of a module as `import` left it (nn.model, nn.scopes, nn.param, nn.lora_linear).
/// Call before the kernels phase: afterwards parameters are packed weights.
PackageInfo modelFacts(mlir::ModuleOp imported, std::vector<std::string> flags, const std::vector<std::string> &loraTargets);

/// The tokenizer, scheduler and preprocessing files of a pipeline folder, as texts, so that a module needs only the weights:
/// {"files": {folder: {name: text}}, "force_zeros_for_empty_prompt": bool}. HB0201 – HB0205.
nlohmann::json pipelineSettings(const std::string &folder);

/// The tokenizer files beside one network, for the rewards that read a text: {"files": {"": {name: text}}}; null when it has none.
nlohmann::json componentSettings(const std::string &folder);

/// Adds the tokenizer files of reward models (name and folder) under their names, so that training reads nothing of their folders but weights.
void addRewardSettings(nlohmann::json &settings, const std::vector<std::pair<std::string, std::string>> &rewards);

} // namespace hb
