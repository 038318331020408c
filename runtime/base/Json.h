// JSON from files nobody vouches for: strict, bounded, and with errors that name the file and the key.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

/// How a kind of file reports its failures: the numbers of its area's table.
struct JsonErrors {
  int malformed; ///< not UTF-8, not JSON, nested too deep, the same key twice
  int badValue;  ///< a key is missing or has another type
};

/// Parses text; `where` names the file in messages. Refuses duplicate keys (two readers would disagree about which one
/// counts) and nesting beyond 64 levels (recursive consumers).
nlohmann::json parseJson(std::string_view text, const std::string &where, const JsonErrors &errors);

/// One element of a container: its key (empty in an array) and its value, which may be moved from.
using JsonElement = std::function<void(const std::string &key, nlohmann::json &value)>;

/// Hands over the elements of one container and keeps none, so that a file of gigabytes costs the memory of one element: those of the array
/// or object under `key` of the outermost object, or with an empty key those of the outermost object itself. As strict as parseJson; throws
/// `badValue` when there is no such container.
void forEachElement(std::string_view text, const std::string &where, const JsonErrors &errors, const std::string &key, const JsonElement &each);

/// A view of one JSON object that remembers where it came from, so that every failed access names file and dotted key.
/// The view refers to the document it was made from, which must outlive it.
class JsonObject {
public:
  JsonObject(const nlohmann::json &value, std::string where, JsonErrors errors, std::string prefix = "");

  const nlohmann::json &json() const { return *value_; }
  const std::string &where() const { return where_; }
  /// True when the key is present and not null: the libraries write null for "not set".
  bool has(const std::string &key) const;
  std::vector<std::string> keys() const;

  // Each throws `badValue` when the key is missing (unless there is a default) or holds another type.
  std::string string(const std::string &key) const;
  std::string string(const std::string &key, const std::string &fallback) const;
  int64_t integer(const std::string &key) const;
  int64_t integer(const std::string &key, int64_t fallback) const;
  double number(const std::string &key) const;
  double number(const std::string &key, double fallback) const;
  bool boolean(const std::string &key) const;
  bool boolean(const std::string &key, bool fallback) const;
  std::vector<int64_t> integers(const std::string &key) const;
  std::vector<double> numbers(const std::string &key) const;
  std::vector<std::string> strings(const std::string &key) const;
  JsonObject object(const std::string &key) const;

  /// The value of a key whatever its type; throws when it is missing or null.
  const nlohmann::json &require(const std::string &key) const;
  /// Throws `badValue` about a key: for range checks by the caller.
  [[noreturn]] void fail(const std::string &key, const std::string &expected, const std::string &found) const;

private:
  const nlohmann::json *value_;
  std::string where_, prefix_;
  JsonErrors errors_;
};

} // namespace hb
