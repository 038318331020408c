// Where a LoRA adapter's scale comes from: PEFT's adapter_config.json, or the same keys in a diffusers file's metadata.
#pragma once

#include "runtime/base/Json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// Rank and alpha of an adapter's modules.
class AdapterConfig {
public:
  /// Reads the JSON text of an adapter_config.json, or of `lora_adapter_metadata` (whose keys carry "<component>." before
  /// them; nothing when none does). Settings that would change the numbers in a way this project does not compute are
  /// refused: HB0305; malformed ones: HB0302, HB0303.
  static AdapterConfig parse(const std::string &text, const std::string &where);
  static std::optional<AdapterConfig> parseMetadata(const std::string &text, const std::string &where, const std::string &component);

  /// rank_pattern's value for the module, or r.
  int64_t rank(const std::string &modulePath) const { return lookUp(ranks_, modulePath, rank_); }
  /// alpha / r, or alpha / √r for rank-stabilised adapters.
  double scale(const std::string &modulePath, int64_t rank) const;

private:
  template <typename T> using Pattern = std::vector<std::pair<std::string, T>>;
  static AdapterConfig fromObject(const nlohmann::json &object, const std::string &text, const std::string &prefix, const std::string &where);
  template <typename T> static T lookUp(const Pattern<T> &pattern, const std::string &path, T fallback);

  int64_t rank_ = 8;
  double alpha_ = 8;
  bool rankStabilised_ = false;
  Pattern<int64_t> ranks_;
  Pattern<double> alphas_;
};

} // namespace hb
