#include "runtime/formats/AdapterConfig.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

constexpr JsonErrors kErrors{302, 303};

/// Settings that must be off (null, false, 0 or empty): each adds something to y = Wx + s·BAx.
struct MustBeOff {
  const char *key;
  const char *kind;
};
constexpr MustBeOff kMustBeOff[] = {{"use_dora", "DoRA"},
                                    {"use_qalora", "QALoRA"},
                                    {"use_bdlora", "block-diagonal LoRA"},
                                    {"lora_bias", "LoRA with a bias"},
                                    {"modules_to_save", "fully trained modules beside the LoRA"},
                                    {"layer_replication", "replicated layers"},
                                    {"trainable_token_indices", "trained token embeddings"},
                                    {"alora_invocation_tokens", "activated LoRA"},
                                    {"target_parameters", "LoRA of bare parameters"},
                                    {"arrow_config", "Arrow"},
                                    {"kasa_config", "KaSA"},
                                    {"monteclora_config", "MonteCLoRA"},
                                    {"velora_config", "VeLoRA"}};

/// Initialisations that also rewrite the base weights: the adapter alone does not describe the model.
constexpr const char *kBaseChangingInits[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};

bool isOff(const nlohmann::json &value) {
  if (value.is_number())
    return value.get<double>() == 0;
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) || (value.is_string() && value.get<std::string>().empty()) ||
         (value.is_structured() && value.empty());
}

void refuse(const std::string &where, const std::string &key, const std::string &kind) {
  throw Error(305, where + ": key \"" + key + "\"", "a plain LoRA adapter", kind,
              "this kind is not supported; merge it into the checkpoint with the library that made it");
}

/// A pattern key as a literal path tail. PEFT reads keys as regular expressions; in practice they are module names, perhaps
/// with '^' before and '\.' for '.'. Anything richer is refused: guessing would give silently wrong scales.
std::string literalKey(const std::string &key, const std::string &where) {
  std::string text;
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i] == '\\' && i + 1 < key.size() && key[i + 1] == '.')
      continue;
    if (std::string_view("\\[](){}*+?|$").find(key[i]) != std::string_view::npos || (key[i] == '^' && i != 0))
      throw Error(303, where, "module names as keys of rank_pattern and alpha_pattern", printable(key),
                  "write the modules' names instead of a regular expression");
    text += key[i];
  }
  return text;
}

bool matches(const std::string &key, const std::string &path) {
  if (key.starts_with("^"))
    return key.compare(1, std::string::npos, path) == 0;
  return path == key || (path.size() > key.size() && path.ends_with(key) && path[path.size() - key.size() - 1] == '.');
}

/// The keys of the object under a top-level key, in the file's order: PEFT takes the first pattern that matches. `text` has
/// been parsed before, so it is well-formed.
std::vector<std::string> keysInOrder(const std::string &text, const std::string &outer) {
  std::vector<std::string> keys;
  bool inside = false;
  (void)nlohmann::json::parse(text, [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json &value) {
    if (event != nlohmann::json::parse_event_t::key)
      return true;
    if (depth == 1)
      inside = value.get<std::string>() == outer;
    else if (depth == 2 && inside)
      keys.push_back(value.get<std::string>());
    return true;
  });
  return keys;
}

void checkKind(const nlohmann::json &object, const std::string &where) {
  auto kind = object.find("peft_type");
  if (kind != object.end() && kind->is_string() && kind->get<std::string>() != "LORA")
    refuse(where, "peft_type", printable(kind->get<std::string>(), 40));
  for (const MustBeOff &row : kMustBeOff)
    if (auto it = object.find(row.key); it != object.end() && !isOff(*it))
      refuse(where, row.key, row.kind);
  if (auto it = object.find("bias"); it != object.end() && it->is_string() && it->get<std::string>() != "none")
    refuse(where, "bias", "trained biases");
  if (auto it = object.find("init_lora_weights"); it != object.end() && it->is_string())
    for (const char *name : kBaseChangingInits)
      if (it->get<std::string>().starts_with(name))
        refuse(where, "init_lora_weights", std::string(name) + ", which changes the base weights too");
}

} // namespace

AdapterConfig AdapterConfig::fromObject(const nlohmann::json &object, const std::string &text, const std::string &prefix, const std::string &where) {
  checkKind(object, where);
  JsonObject view(object, where, kErrors);
  AdapterConfig config;
  config.rank_ = view.integer("r", 8); // PEFT's defaults
  config.alpha_ = view.number("lora_alpha", 8);
  config.rankStabilised_ = view.boolean("use_rslora", false);
  if (config.rank_ < 1)
    view.fail("r", "a rank of at least 1", std::to_string(config.rank_));
  if (!std::isfinite(config.alpha_))
    view.fail("lora_alpha", "a finite number", "another");
  auto each = [&](const char *name, auto add) {
    if (!view.has(name))
      return;
    JsonObject pattern = view.object(name);
    for (const std::string &key : keysInOrder(text, prefix + name))
      add(literalKey(key, where + ": key \"" + name + "\""), pattern, key);
  };
  each("rank_pattern",
       [&](std::string literal, const JsonObject &pattern, const std::string &key) { config.ranks_.emplace_back(std::move(literal), pattern.integer(key)); });
  each("alpha_pattern",
       [&](std::string literal, const JsonObject &pattern, const std::string &key) { config.alphas_.emplace_back(std::move(literal), pattern.number(key)); });
  return config;
}

AdapterConfig AdapterConfig::parse(const std::string &text, const std::string &where) {
  nlohmann::json object = parseJson(text, where, kErrors);
  (void)JsonObject(object, where, kErrors); // refuses anything but an object
  return fromObject(object, text, "", where);
}

std::optional<AdapterConfig> AdapterConfig::parseMetadata(const std::string &text, const std::string &where, const std::string &component) {
  nlohmann::json object = parseJson(text, where, kErrors), own = nlohmann::json::object();
  std::string prefix = component + ".";
  for (const std::string &key : JsonObject(object, where, kErrors).keys())
    if (key.starts_with(prefix))
      own[key.substr(prefix.size())] = object[key];
  if (own.empty())
    return std::nullopt;
  return fromObject(own, text, prefix, where);
}

template <typename T> T AdapterConfig::lookUp(const Pattern<T> &pattern, const std::string &path, T fallback) {
  auto it = std::find_if(pattern.begin(), pattern.end(), [&](const auto &row) { return matches(row.first, path); });
  return it == pattern.end() ? fallback : it->second;
}
template int64_t AdapterConfig::lookUp(const Pattern<int64_t> &, const std::string &, int64_t);

double AdapterConfig::scale(const std::string &modulePath, int64_t rank) const {
  double alpha = lookUp(alphas_, modulePath, alpha_), r = static_cast<double>(rank);
  return alpha / (rankStabilised_ ? std::sqrt(r) : r);
}

} // namespace hb
