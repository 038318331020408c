// The settings of one file of a pipeline folder: a JSON object with typed look-ups that check ranges, and with the three answers to settings
// that are not offered (unknown, unsupported value, must be absent).
#pragma once

#include "runtime/base/Json.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// The numbers under which files of a pipeline folder report broken JSON and wrong values.
constexpr JsonErrors kSettingsErrors = {632, 633};

/// The text of a file that a folder need not have. Error: HB0902 if it is there and unreadable.
std::optional<std::string> readIfPresent(const std::string &path);

/// One JSON object with typed look-ups. A setting that is absent or null takes the fallback; one of another type is HB0633.
class Settings {
public:
  /// text: the file's bytes; where: its name in messages. Errors: HB0632 (not JSON, or not an object), HB0633.
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
