#include "frontend/Components.h"

#include "frontend/Diagnostic.h"
#include "runtime/base/Text.h"

#include <algorithm>

namespace hb::frontend {

Checkpoint &Component::headers() {
  if (!checkpoint)
    checkpoint = std::make_unique<Checkpoint>(Checkpoint::open(weights, SafetensorsFile::Mode::HeaderOnly));
  return *checkpoint;
}

Value fromJson(const nlohmann::json &json, Component *component, const std::string &path) {
  Value value;
  switch (json.type()) {
  case nlohmann::json::value_t::object: {
    Record record;
    record.component = component;
    record.path = path;
    for (const auto &[key, item] : json.items())
      record.entries.emplace_back(key, fromJson(item, component, path.empty() ? key : path + "." + key));
    return Value(std::move(record));
  }
  case nlohmann::json::value_t::array: {
    List list;
    for (size_t i = 0; i < json.size(); ++i)
      list.push_back(fromJson(json[i], component, path + "[" + std::to_string(i) + "]"));
    value = Value(std::move(list));
    break;
  }
  case nlohmann::json::value_t::string: value = Value(json.get<std::string>()); break;
  case nlohmann::json::value_t::boolean: value = Value(json.get<bool>()); break;
  case nlohmann::json::value_t::number_integer: value = Value(json.get<int64_t>()); break;
  case nlohmann::json::value_t::number_unsigned:
    value = json.get<uint64_t>() <= uint64_t(INT64_MAX) ? Value(static_cast<int64_t>(json.get<uint64_t>())) : Value(json.get<double>());
    break;
  case nlohmann::json::value_t::number_float: value = Value(json.get<double>()); break;
  default: break;
  }
  value.origin = std::make_shared<const std::string>(printable(component->configName, 1024) + ": " + printable(path));
  return value;
}

bool matchesPattern(std::string_view pattern, std::string_view text) {
  // Greedy with one point to come back to: linear for practical patterns, never exponential.
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*')
    ++p;
  return p == pattern.size();
}

void reportLeftovers(Component &component, DiagnosticSink &sink) {
  if (!component.hasWeights() || !component.instantiated)
    return;
  const Checkpoint &checkpoint = component.headers();
  std::vector<std::string> keys(component.checkedKeys.begin(), component.checkedKeys.end());
  for (const CheckpointTensor &tensor : checkpoint.tensors()) {
    if (component.used.count(&tensor))
      continue;
    auto allowed = [&](const std::string &pattern) { return matchesPattern(pattern, tensor.name) || matchesPattern(pattern, tensor.info->name); };
    if (std::any_of(component.ignored.begin(), component.ignored.end(), allowed))
      continue;
    Diagnostic diagnostic;
    diagnostic.number = 233;
    diagnostic.place = printable(checkpoint.where(tensor), 1024);
    diagnostic.expected = "only tensors that the network uses";
    diagnostic.found = shapeText(tensor.shape) + " that no parameter asks for";
    diagnostic.action = suggestion(tensor.name, keys, "config and weights are of different models");
    sink.report(std::move(diagnostic));
  }
}

} // namespace hb::frontend
