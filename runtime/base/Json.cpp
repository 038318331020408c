#include "runtime/base/Json.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <set>

namespace hb {
namespace {

constexpr size_t kMaxDepth = 64;
using Event = nlohmann::json::parse_event_t;

/// "line 3, column 7" of a byte offset, as editors count.
std::string position(std::string_view text, size_t byte) {
  std::string_view before = text.substr(0, std::min(byte, text.size()));
  size_t line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  size_t start = before.rfind('\n');
  size_t column = start == std::string_view::npos ? before.size() : before.size() - start - 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(std::max<size_t>(column, 1));
}

/// What a value is, for "found …" (never the raw value of a long one).
std::string describe(const nlohmann::json &value) {
  if (value.is_primitive())
    return printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 80);
  return value.is_array() ? "a list of " + std::to_string(value.size()) : "an object";
}

} // namespace

namespace {

/// Parses with the strictness that the header promises; `more` sees every event after that, and returns whether to keep the value.
nlohmann::json parseStrictly(std::string_view text, const std::string &where, const JsonErrors &errors, const nlohmann::json::parser_callback_t &more) {
  auto refuse = [&](const std::string &found) {
    throw Error(errors.malformed, where, "a JSON file", found, "the file is damaged or no JSON; fetch or write it again");
  };
  if (!isUtf8(text))
    refuse("bytes that are not UTF-8");
  // The callback sees every event; it keeps the keys of the open objects to notice the second of two equal ones.
  std::vector<std::set<std::string>> open;
  auto watch = [&](int depth, Event event, nlohmann::json &value) {
    if (event == Event::object_start || event == Event::array_start) {
      open.emplace_back();
      if (open.size() > kMaxDepth)
        refuse("more than " + std::to_string(kMaxDepth) + " nested levels");
    } else if (event == Event::object_end || event == Event::array_end) {
      open.pop_back();
    } else if (event == Event::key && !open.back().insert(value.get<std::string>()).second) {
      refuse("the key \"" + printable(value.get<std::string>()) + "\" twice in one object");
    }
    return !more || more(depth, event, value);
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::parse_error &error) {
    refuse("something else at " + position(text, error.byte));
  } catch (const nlohmann::json::exception &) {
    refuse("a number that does not fit");
  }
  return {};
}

} // namespace

nlohmann::json parseJson(std::string_view text, const std::string &where, const JsonErrors &errors) { return parseStrictly(text, where, errors, {}); }

void forEachElement(std::string_view text, const std::string &where, const JsonErrors &errors, const std::string &key, const JsonElement &each) {
  const int level = key.empty() ? 1 : 2; // of the elements
  bool found = key.empty(), inside = key.empty();
  std::string name; // of the element at hand, when the container is an object
  nlohmann::json rest = parseStrictly(text, where, errors, [&](int depth, Event event, nlohmann::json &value) {
    if (event == Event::key) {
      if (!key.empty() && depth == 1)
        inside = value == key;
      if (depth == level)
        name = value.get<std::string>();
      return true;
    }
    if (inside && depth == level - 1 && (event == Event::object_start || event == Event::array_start))
      found = true, name.clear();
    if (!inside || depth != level || event == Event::object_start || event == Event::array_start)
      return true;
    each(name, value);
    return false;
  });
  if (!rest.is_object() || !found)
    throw Error(errors.badValue, where, key.empty() ? "a JSON object" : "a list under \"" + key + "\"", rest.is_object() ? "none" : describe(rest), "correct the file");
}

JsonObject::JsonObject(const nlohmann::json &value, std::string where, JsonErrors errors, std::string prefix)
    : value_(&value), where_(std::move(where)), prefix_(std::move(prefix)), errors_(errors) {
  if (!value.is_object())
    throw Error(errors_.badValue, where_, prefix_.empty() ? "a JSON object" : "an object under \"" + prefix_ + "\"", describe(value), "correct the file");
  if (!prefix_.empty())
    prefix_ += ".";
}

void JsonObject::fail(const std::string &key, const std::string &expected, const std::string &found) const {
  throw Error(errors_.badValue, where_ + ": key \"" + printable(prefix_ + key) + "\"", expected, found, "correct the file");
}

bool JsonObject::has(const std::string &key) const {
  auto it = value_->find(key);
  return it != value_->end() && !it->is_null();
}

std::vector<std::string> JsonObject::keys() const {
  std::vector<std::string> names;
  for (auto &[key, value] : value_->items())
    names.push_back(key);
  return names;
}

const nlohmann::json &JsonObject::require(const std::string &key) const {
  auto it = value_->find(key);
  if (it == value_->end())
    fail(key, "a value", "no such key");
  if (it->is_null())
    fail(key, "a value", "null");
  return *it;
}

namespace {

bool isInteger(const nlohmann::json &value) {
  // Unsigned values above the signed range would wrap in get<int64_t>().
  return value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
}

} // namespace

std::string JsonObject::string(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_string())
    fail(key, "a string", describe(value));
  return value.get<std::string>();
}

int64_t JsonObject::integer(const std::string &key) const {
  const auto &value = require(key);
  if (!isInteger(value))
    fail(key, "an integer", describe(value));
  return value.get<int64_t>();
}

double JsonObject::number(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_number())
    fail(key, "a number", describe(value));
  return value.get<double>();
}

bool JsonObject::boolean(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_boolean())
    fail(key, "true or false", describe(value));
  return value.get<bool>();
}

std::vector<int64_t> JsonObject::integers(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), isInteger))
    fail(key, "a list of integers", describe(value));
  return value.get<std::vector<int64_t>>();
}

std::vector<double> JsonObject::numbers(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const auto &v) { return v.is_number(); }))
    fail(key, "a list of numbers", describe(value));
  return value.get<std::vector<double>>();
}

std::vector<std::string> JsonObject::strings(const std::string &key) const {
  const auto &value = require(key);
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const auto &v) { return v.is_string(); }))
    fail(key, "a list of strings", describe(value));
  return value.get<std::vector<std::string>>();
}

JsonObject JsonObject::object(const std::string &key) const { return JsonObject(require(key), where_, errors_, prefix_ + key); }

std::string JsonObject::string(const std::string &key, const std::string &fallback) const { return has(key) ? string(key) : fallback; }
int64_t JsonObject::integer(const std::string &key, int64_t fallback) const { return has(key) ? integer(key) : fallback; }
double JsonObject::number(const std::string &key, double fallback) const { return has(key) ? number(key) : fallback; }
bool JsonObject::boolean(const std::string &key, bool fallback) const { return has(key) ? boolean(key) : fallback; }

} // namespace hb
