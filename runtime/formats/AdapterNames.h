// The spellings of LoRA tensor names that users bring, and how they lead to module paths of the base checkpoint.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hb {

/// What a tensor of an adapter file is. Down is PEFT's A [r, in], Up is B [out, r].
enum class AdapterRole { Down, Up, Alpha, Unsupported };

/// A tensor's name taken apart.
struct AdapterKey {
  AdapterRole role = AdapterRole::Down;
  std::string component;    ///< "unet", "text_encoder", "text_encoder_2"; empty: the file does not say
  std::string module;       ///< the path as spelled: "a.b.c", or "a_b_c" when `underscored`
  bool underscored = false; ///< kohya's spelling, which loses the difference between '.' and '_'
  bool peft = false;        ///< had PEFT's prefix, so its scale stands in an adapter_config.json
  std::string_view kind;    ///< for Unsupported: "DoRA", "LoHa", …
};

/// Nothing when the name follows no known spelling.
std::optional<AdapterKey> parseAdapterKey(const std::string &name);

/// Finds modules by any spelling among the module paths of one network.
class ModuleResolver {
public:
  explicit ModuleResolver(const std::vector<std::string> &paths);
  /// The path of the base checkpoint; nothing when the network has no such module.
  std::optional<std::string> resolve(const AdapterKey &key) const;

private:
  std::optional<std::string> lookUp(const std::string &underscored) const;

  std::unordered_map<std::string, std::string> byUnderscores_; ///< empty value: two paths share the spelling
  std::unordered_map<std::string, bool> paths_;
  int layersPerBlock_ = 2;
};

/// "input_blocks_4_1_transformer_blocks_0…" → "down_blocks_1_attentions_0_transformer_blocks_0…": the names of the original
/// release (sgm), whose blocks are numbered through: i − 1 = (layers + 1) · block + layer. Nothing for any other name.
std::optional<std::string> fromSgmName(const std::string &module, int layersPerBlock);

/// The path with '.' for '_' where SDXL's and CLIP's vocabulary of module names says so; for conversion without a network.
std::string dottedFromUnderscored(const std::string &module);
/// The inverse: every '.' becomes '_'.
std::string underscoredFromDotted(std::string path);

} // namespace hb
