// Writing adapters in the spellings other programs read.
#pragma once

#include "runtime/formats/Adapter.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// What PEFT records beside the factors.
struct PeftSettings {
  /// Module name tails that PEFT wraps again on loading ("to_q", "ff.net.0.proj"). Empty: the full path of every module, which
  /// is always right but long.
  std::vector<std::string> targetModules;
  double dropout = 0;
  std::string baseModel; ///< base_model_name_or_path; empty: null
};

/// `folder/adapter_model.safetensors` (float32) and `folder/adapter_config.json`; the folder is made when missing. r and alpha
/// are those of most modules, the others stand in rank_pattern and alpha_pattern. HB0901.
void writePeftFolder(const std::string &folder, const std::vector<AdapterModule> &modules, const PeftSettings &settings = {});

/// Where a diffusers file keeps the scale. Readers older than the metadata assume 1, so folding it into B is the safe choice;
/// metadata keeps alpha readable.
enum class DiffusersScale { Folded, Metadata };
/// `unet.<path>.lora_A.weight`, `….lora_B.weight`; usually named pytorch_lora_weights.safetensors. HB0901.
void writeDiffusersFile(const std::string &path, const std::vector<AdapterModule> &modules, DiffusersScale scale = DiffusersScale::Folded);

/// `lora_unet_<path with '_'>.lora_down.weight`, `.lora_up.weight` and a scalar `.alpha` = scale · rank. HB0901.
void writeKohyaFile(const std::string &path, const std::vector<AdapterModule> &modules);

/// The spellings of `hb-rt convert-lora --to`.
enum class AdapterSpelling { Peft, Diffusers, Kohya };
/// "peft", "diffusers" or "kohya".
std::optional<AdapterSpelling> parseAdapterSpelling(std::string_view name);
/// Writes modules in a spelling. A target that ends in ".safetensors" is the file (HB0317 for PEFT, which is a folder); any other
/// is a folder, made when missing, that gets the file under its usual name. Returns the path of the weights. HB0311, HB0901.
std::string writeAdapter(AdapterSpelling spelling, const std::string &target, const std::vector<AdapterModule> &modules, DiffusersScale scale = DiffusersScale::Folded);

} // namespace hb
