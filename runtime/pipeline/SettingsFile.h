// Reading the small files of a pipeline folder: whole texts with a size limit, and typed look-ups in one flat JSON object.
//
// These files come from strangers. Every failure names file and setting, and nothing is trusted: sizes are checked before memory is
// taken, numbers before they are converted.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// Largest file that is read whole: 64 MiB (a CLIP vocabulary has 1 MB, the largest known tokenizers about 20 MB).
constexpr int64_t kLargestSettingsFile = int64_t(64) << 20;

/// The bytes of a file. Errors: HB0630 (missing, not a plain file, unreadable), HB0631 (too large).
std::string readSettingsFile(const std::string &path);
/// The same, but an absent file is no error: some tokenizer files are optional.
std::optional<std::string> readOptionalSettingsFile(const std::string &path);

/// One JSON object with typed look-ups. A setting that is absent or null takes the fallback; one of another type is HB0633.
class Settings {
public:
  /// text: the file's bytes; where: its name in messages. Errors: HB0632 (not JSON, or not an object).
  static Settings parse(std::string_view text, std::string where);

  const std::string &where() const { return where_; }
  /// True if the setting is there and not null.
  bool has(const std::string &key) const;
  bool flag(const std::string &key, bool fallback) const;
  /// Integers in [low, high]; a number with a fraction is an error.
  int64_t integer(const std::string &key, int64_t fallback, int64_t low, int64_t high) const;
  /// Finite numbers in [low, high].
  double number(const std::string &key, double fallback, double low, double high) const;
  std::string text(const std::string &key, std::string_view fallback) const;
  /// Exactly `count` finite numbers; without the setting, HB0633.
  std::vector<double> numbers(const std::string &key, size_t count) const;
  /// The raw value, null when absent.
  const nlohmann::json &raw(const std::string &key) const;

  /// HB0634 listing every key outside `known`; keys that start with an underscore are the writer's own notes and always pass.
  void refuseUnknown(const std::set<std::string_view> &known) const;
  /// HB0635 unless the setting is absent or one of the accepted texts.
  void requireText(const std::string &key, std::string_view fallback, std::initializer_list<std::string_view> accepted) const;
  /// HB0635 unless the setting is absent, null or equal to `wanted`.
  void requireFlag(const std::string &key, bool wanted) const;
  /// HB0635 unless the setting is absent or null.
  void requireNull(const std::string &key) const;

  [[noreturn]] void wrongValue(const std::string &key, const std::string &expected) const;
  [[noreturn]] void unsupported(const std::string &key, const std::string &accepted) const;

private:
  nlohmann::json object_;
  std::string where_;
};

} // namespace hb
