#include "runtime/pipeline/SettingsFile.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

/// A value as a message shows it: one line, and never more than a glance takes in.
std::string shown(const nlohmann::json &value) {
  return printable(value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace), 80);
}

const nlohmann::json kNull;

} // namespace

std::optional<std::string> readIfPresent(const std::string &path) {
  if (!isFile(path))
    return std::nullopt;
  return readTextFile(path);
}

Settings Settings::parse(std::string_view text, std::string where) {
  Settings settings;
  settings.object_ = parseJson(text, where, kSettingsErrors);
  if (!settings.object_.is_object())
    throw Error(632, where, "a JSON object", std::string("a JSON ") + settings.object_.type_name(), "get the file again");
  settings.where_ = std::move(where);
  return settings;
}

const nlohmann::json &Settings::raw(const std::string &key) const {
  auto it = object_.find(key);
  return it == object_.end() ? kNull : *it;
}

bool Settings::has(const std::string &key) const { return !raw(key).is_null(); }

bool Settings::flag(const std::string &key, bool fallback) const {
  const nlohmann::json &value = raw(key);
  if (value.is_null())
    return fallback;
  if (!value.is_boolean())
    wrongValue(key, "true or false");
  return value.get<bool>();
}

int64_t Settings::integer(const std::string &key, int64_t fallback, int64_t low, int64_t high) const {
  const nlohmann::json &value = raw(key);
  if (value.is_null())
    return fallback;
  std::string range = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  // Unsigned values above 2^63 would turn negative in get<int64_t>.
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX))
    wrongValue(key, range);
  if (!value.is_number_integer())
    wrongValue(key, range);
  int64_t number = value.get<int64_t>();
  if (number < low || number > high)
    wrongValue(key, range);
  return number;
}

double Settings::number(const std::string &key, double fallback, double low, double high) const {
  const nlohmann::json &value = raw(key);
  if (value.is_null())
    return fallback;
  double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number >= low && number <= high))
    wrongValue(key, "a number from " + nlohmann::json(low).dump() + " to " + nlohmann::json(high).dump());
  return number;
}

std::string Settings::text(const std::string &key, std::string_view fallback) const {
  const nlohmann::json &value = raw(key);
  if (value.is_null())
    return std::string(fallback);
  if (!value.is_string())
    wrongValue(key, "a text");
  return value.get<std::string>();
}

std::vector<double> Settings::numbers(const std::string &key, size_t count) const {
  const nlohmann::json &value = raw(key);
  std::string expected = "a list of " + std::to_string(count) + " numbers";
  if (!value.is_array() || value.size() != count)
    wrongValue(key, expected);
  std::vector<double> list;
  for (const nlohmann::json &entry : value) {
    if (!entry.is_number() || !std::isfinite(entry.get<double>()))
      wrongValue(key, expected);
    list.push_back(entry.get<double>());
  }
  return list;
}

void Settings::refuseUnknown(const std::set<std::string_view> &known) const {
  std::string unknown;
  for (const auto &[key, value] : object_.items())
    if (!key.starts_with("_") && !known.count(key))
      unknown += (unknown.empty() ? "" : ", ") + shown(key);
  if (!unknown.empty())
    throw Error(634, where_, "only known settings", unknown, "remove them if they have no effect on the result");
}

void Settings::requireText(const std::string &key, std::string_view fallback, std::initializer_list<std::string_view> accepted) const {
  std::string value = text(key, fallback);
  if (std::find(accepted.begin(), accepted.end(), value) != accepted.end())
    return;
  std::string list;
  for (std::string_view one : accepted)
    list += (list.empty() ? "\"" : " or \"") + std::string(one) + "\"";
  // An absent setting can be unsupported too: its default is then what nobody wrote down.
  if (!has(key))
    throw Error(635, where_ + ": \"" + key + "\"", list, "no such setting, which means \"" + value + "\"", "write the setting into the file");
  unsupported(key, list);
}

void Settings::requireFlag(const std::string &key, bool wanted) const {
  if (flag(key, wanted) != wanted)
    unsupported(key, wanted ? "true" : "false");
}

void Settings::requireNull(const std::string &key) const {
  if (has(key))
    unsupported(key, "null");
}

void Settings::wrongValue(const std::string &key, const std::string &expected) const {
  auto it = object_.find(key);
  throw Error(633, where_ + ": \"" + key + "\"", expected, it == object_.end() ? "no such setting" : shown(*it), "correct the file");
}

void Settings::unsupported(const std::string &key, const std::string &accepted) const {
  throw Error(635, where_ + ": \"" + key + "\"", accepted, shown(raw(key)), "use another scheduler or image processor configuration");
}

} // namespace hb
