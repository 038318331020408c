#include "runtime/train/TrainConfig.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/train/LearningRate.h"
#include "runtime/train/Suggestion.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>
#include <variant>

namespace hb {
namespace {

using Value = std::variant<std::string *, int64_t *, double *, bool *, std::vector<std::string> *, std::array<double, 2> *>;

constexpr double kMax = 9e15; // integers that float64 holds exactly

struct Key {
  const char *table, *name;
  Value (*value)(TrainConfig &);
  const char *help;
  double low = 0, high = kMax; ///< inclusive, for numbers
  bool required = false;
  std::string full() const { return std::string(table) + "." + name; }
};

#define HB_VALUE(MEMBER) [](TrainConfig &c) -> Value { return &c.MEMBER; }
const Key kKeys[] = {
    {"model", "compiled", HB_VALUE(model.compiled), "the module (.hbm)", 0, 0, true},
    {"model", "weights", HB_VALUE(model.weights), "where the checkpoint lies (empty: where it was compiled)"},
    {"adapter", "rank", HB_VALUE(adapter.rank), "rank of the adapters, at most the compiled one", 1, 4096},
    {"adapter", "alpha", HB_VALUE(adapter.alpha), "their scale is alpha / rank", 1e-6, 1e6},
    {"adapter", "dropout", HB_VALUE(adapter.dropout), "dropout probability at the adapters' inputs", 0, 0.999},
    {"adapter", "targets", HB_VALUE(adapter.targets), "module names as PEFT matches them (empty: every compiled slot)"},
    {"adapter", "init_seed", HB_VALUE(adapter.initSeed), "seed of the initial factors"},
    {"adapter", "resume_from", HB_VALUE(adapter.resumeFrom), "an adapter to start from, in any spelling"},
    {"data", "manifest", HB_VALUE(data.manifest), "training records (JSONL)", 0, 0, true},
    {"data", "shuffle", HB_VALUE(data.shuffle), "a new order of records in every epoch"},
    {"data", "shuffle_seed", HB_VALUE(data.shuffleSeed), "seed of these orders"},
    {"data", "validation", HB_VALUE(data.validation), "held-out records (JSONL)"},
    {"sampler", "guidance_scale", HB_VALUE(sampler.guidanceScale), "classifier-free guidance", -1e6, 1e6},
    {"sampler", "seed", HB_VALUE(sampler.seed), "seed of every sample's initial noise; -1: the record's own", -1, kMax},
    {"optimizer", "learning_rate", HB_VALUE(optimizer.learningRate), "AdamW's rate before the schedule", 0, 1e3},
    {"optimizer", "betas", HB_VALUE(optimizer.betas), "AdamW's decay of both averages", 0, 0.9999999999},
    {"optimizer", "weight_decay", HB_VALUE(optimizer.weightDecay), "decoupled weight decay", 0, 1e3},
    {"optimizer", "eps", HB_VALUE(optimizer.eps), "AdamW's epsilon", 0, 1},
    {"optimizer", "max_grad_norm", HB_VALUE(optimizer.maxGradNorm), "clip gradients to this global norm; 0: off", 0, 1e9},
    {"optimizer", "lr_scheduler", HB_VALUE(optimizer.lrScheduler), "constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial"},
    {"optimizer", "lr_warmup_steps", HB_VALUE(optimizer.lrWarmupSteps), "steps of linear warm-up"},
    {"optimizer", "lr_num_cycles", HB_VALUE(optimizer.lrNumCycles), "restarts of cosine_with_restarts", 1, 1e6},
    {"optimizer", "lr_power", HB_VALUE(optimizer.lrPower), "exponent of polynomial", 1e-3, 100},
    {"optimizer", "ema_decay", HB_VALUE(optimizer.emaDecay), "decay of the exponential average of the adapters; 0: off", 0, 0.9999999999},
    {"train", "max_train_steps", HB_VALUE(train.maxTrainSteps), "optimizer steps", 1, 1e9, true},
    {"train", "gradient_accumulation_steps", HB_VALUE(train.gradientAccumulationSteps), "batches per optimizer step", 1, 1e6},
    {"train", "seed", HB_VALUE(train.seed), "seed of dropout"},
    {"checkpoint", "output_dir", HB_VALUE(checkpoint.outputDir), "where everything is written", 0, 0, true},
    {"checkpoint", "checkpointing_steps", HB_VALUE(checkpoint.checkpointingSteps), "optimizer steps between checkpoints; 0: only the last"},
    {"checkpoint", "checkpoints_total_limit", HB_VALUE(checkpoint.checkpointsTotalLimit), "checkpoints that are kept; 0: all"},
    {"checkpoint", "validation_steps", HB_VALUE(checkpoint.validationSteps), "optimizer steps between validations; 0: none"},
    {"log", "report_to", HB_VALUE(log.reportTo), "any of jsonl, tensorboard, html"},
    {"log", "log_every", HB_VALUE(log.logEvery), "optimizer steps between lines of metrics", 1, 1e9},
    {"log", "sample_steps", HB_VALUE(log.sampleSteps), "optimizer steps between sample grids; 0: with each checkpoint"},
};
#undef HB_VALUE

constexpr const char *kRewardHelp = "weight of a compiled reward; 0 leaves it out of the loss";

const Key *findKey(const std::string &table, const std::string &name) {
  for (const Key &key : kKeys)
    if (key.table == table && key.name == name)
      return &key;
  return nullptr;
}

std::vector<std::string> knownNames(const std::string &table) {
  std::vector<std::string> names;
  for (const Key &key : kKeys)
    if (table.empty() || key.table == table)
      names.push_back(table.empty() ? key.full() : key.name);
  TrainConfig defaults;
  for (const auto &[name, weight] : defaults.rewards)
    if (table.empty() || table == "rewards")
      names.push_back(table.empty() ? "rewards." + name : name);
  return names;
}

std::string didYouMean(const std::string &nearest, const char *otherwise) { return nearest.empty() ? otherwise : "did you mean '" + nearest + "'?"; }

/// One value on its way into the configuration: where it came from and how errors about it are numbered.
class Assignment {
public:
  Assignment(TrainConfig &config, std::string where, int valueError) : config_(config), where_(std::move(where)), valueError_(valueError) {}

  void assign(const Key &key, const toml::node &node) {
    std::visit([&](auto *target) { store(key, node, *target); }, key.value(config_));
  }

  void assignReward(const std::string &name, const toml::node &node) {
    auto value = node.value<double>();
    if (!value || !node.is_number() || !std::isfinite(*value) || *value < 0 || *value > 1e9)
      fail("rewards." + name, "a weight from 0 to 1e9", node);
    config_.rewards[name] = *value;
  }

  [[noreturn]] void fail(const std::string &key, const std::string &expected, const toml::node &node) const {
    std::ostringstream found;
    node.visit([&](const auto &value) { found << value; });
    throw Error(valueError_, where_ + ":" + key, expected, printable(found.str(), 80), "correct the value");
  }

private:
  static std::string rangeText(const Key &key, const char *kind) {
    std::ostringstream text;
    text << kind << " from " << key.low;
    key.high >= kMax ? text << " up" : text << " to " << key.high;
    return text.str();
  }
  double number(const Key &key, const toml::node &node, const char *kind) const {
    auto value = node.is_number() ? node.value<double>() : std::nullopt;
    if (!value || !(*value >= key.low && *value <= key.high))
      fail(key.full(), rangeText(key, kind), node);
    return *value;
  }
  void store(const Key &key, const toml::node &node, double &target) const { target = number(key, node, "a number"); }
  void store(const Key &key, const toml::node &node, int64_t &target) const {
    number(key, node, "an integer");
    if (!node.is_integer())
      fail(key.full(), rangeText(key, "an integer"), node);
    target = *node.value<int64_t>();
  }
  void store(const Key &key, const toml::node &node, bool &target) const {
    if (!node.is_boolean())
      fail(key.full(), "true or false", node);
    target = *node.value<bool>();
  }
  void store(const Key &key, const toml::node &node, std::string &target) const {
    if (!node.is_string())
      fail(key.full(), "a text in quotes", node);
    target = *node.value<std::string>();
  }
  void store(const Key &key, const toml::node &node, std::vector<std::string> &target) const {
    const toml::array *list = node.as_array();
    target.clear();
    for (size_t i = 0; list && i < list->size(); ++i) {
      if (!list->get(i)->is_string())
        fail(key.full(), "a list of texts", node);
      target.push_back(*list->get(i)->value<std::string>());
    }
    if (!list)
      fail(key.full(), "a list of texts", node);
  }
  void store(const Key &key, const toml::node &node, std::array<double, 2> &target) const {
    const toml::array *list = node.as_array();
    if (!list || list->size() != 2)
      fail(key.full(), "a list of two numbers", node);
    for (size_t i = 0; i < 2; ++i)
      target[i] = number(key, *list->get(i), "two numbers");
  }

  TrainConfig &config_;
  std::string where_;
  int valueError_;
};

std::string lineOf(const toml::node &node, const std::string &where) {
  return node.source().begin.line ? where + ":" + std::to_string(node.source().begin.line) : where;
}

toml::table parseToml(const std::string &text, const std::string &where) {
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error &error) {
    throw Error(650, where + ":" + std::to_string(error.source().begin.line) + ":" + std::to_string(error.source().begin.column), "TOML", std::string(error.description()), "correct the line");
  }
}

void applyTable(TrainConfig &config, const std::string &table, const toml::table &values, const std::string &where) {
  for (const auto &[name, node] : values) {
    std::string key(name.str()), place = lineOf(node, where);
    Assignment assignment(config, place, 652);
    const Key *known = findKey(table, key);
    if (known)
      assignment.assign(*known, node);
    else if (table == "rewards" && node.is_number())
      assignment.assignReward(key, node); // rewards are named by the module; it is asked later
    else
      throw Error(651, place + ":" + printable(table + "." + key), "a key of [" + table + "]", "an unknown one", didYouMean(nearestName(key, knownNames(table)), "see `hb-rt train --help` for all keys"));
    config.given.push_back(table + "." + key);
  }
}

/// The node a command-line value stands for: TOML where it is TOML, a list where the key takes one, else the text itself.
toml::table overrideNode(const Key *key, const std::string &value) {
  TrainConfig scratch;
  bool text = key && std::holds_alternative<std::string *>(key->value(scratch));
  bool texts = key && std::holds_alternative<std::vector<std::string> *>(key->value(scratch));
  bool pair = key && std::holds_alternative<std::array<double, 2> *>(key->value(scratch));
  bool written = !value.empty() && (value[0] == '"' || value[0] == '\'' || value[0] == '[');
  toml::table out;
  if (text && !written) {
    out.insert("v", value);
    return out;
  }
  if (texts && !written) {
    toml::array list;
    std::istringstream parts(value);
    for (std::string part; std::getline(parts, part, ',');)
      list.push_back(part);
    out.insert("v", list);
    return out;
  }
  try {
    return toml::parse("v = " + (pair && !written ? "[" + value + "]" : value));
  } catch (const toml::parse_error &) {
    out.insert("v", value);
    return out;
  }
}

void applyOverride(TrainConfig &config, const ConfigOverride &given) {
  size_t dot = given.first.find('.');
  std::string table = given.first.substr(0, dot), name = dot == std::string::npos ? "" : given.first.substr(dot + 1), place = "--" + printable(given.first);
  const Key *key = findKey(table, name);
  if (!key && (table != "rewards" || name.empty()))
    throw Error(654, place, "a setting --table.key", "an unknown one", didYouMean(nearestName(given.first, knownNames("")), "see `hb-rt train --help` for all keys"));
  toml::table holder = overrideNode(key, given.second);
  Assignment assignment(config, "command line", 654);
  if (key)
    assignment.assign(*key, *holder.get("v"));
  else
    assignment.assignReward(name, *holder.get("v"));
  config.given.push_back(given.first);
}

/// What one key's range cannot say.
void requireConsistent(const TrainConfig &config, const std::string &where) {
  TrainConfig copy = config;
  for (const Key &key : kKeys) {
    if (!key.required)
      continue;
    Value value = key.value(copy);
    auto *text = std::get_if<std::string *>(&value);
    auto *number = std::get_if<int64_t *>(&value);
    if ((text && (*text)->empty()) || (number && **number == 0))
      throw Error(653, where + ":" + key.full(), key.help, "nothing", std::string("set it in [") + key.table + "] or give --" + key.full());
  }
  if (!isLearningRateSchedule(config.optimizer.lrScheduler))
    throw Error(652, where + ":optimizer.lr_scheduler", "one of " + learningRateSchedules(), "'" + printable(config.optimizer.lrScheduler) + "'", "choose one of them");
  for (const std::string &report : config.log.reportTo)
    if (report != "jsonl" && report != "tensorboard" && report != "html")
      throw Error(652, where + ":log.report_to", "any of jsonl, tensorboard, html", "'" + printable(report) + "'", "choose among them");
  if (config.checkpoint.validationSteps > 0 && config.data.validation.empty())
    throw Error(653, where + ":data.validation", "held-out records for checkpoint.validation_steps", "nothing", "set data.validation or validation_steps = 0");
}

std::string quoted(const std::string &text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

/// The shortest decimal that reads back to the same value; with a point, so that TOML sees a float.
std::string numberText(double value) {
  char digits[40];
  auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  std::string text(digits, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text.find('.') == std::string::npos ? text.insert(text.find('e'), ".0") : text;
}

struct ValueText {
  std::string operator()(const std::string *v) const { return quoted(*v); }
  std::string operator()(const int64_t *v) const { return std::to_string(*v); }
  std::string operator()(const double *v) const { return numberText(*v); }
  std::string operator()(const bool *v) const { return *v ? "true" : "false"; }
  std::string operator()(const std::array<double, 2> *v) const { return "[" + numberText((*v)[0]) + ", " + numberText((*v)[1]) + "]"; }
  std::string operator()(const std::vector<std::string> *v) const {
    std::string text = "[";
    for (const std::string &s : *v)
      text += (text.size() > 1 ? ", " : "") + quoted(s);
    return text + "]";
  }
};

/// Table names in the order of kKeys, [rewards] before [optimizer].
std::vector<std::string> tableOrder() {
  std::vector<std::string> order;
  for (const Key &key : kKeys) {
    if (order.empty() || order.back() != key.table) {
      if (std::string(key.table) == "optimizer")
        order.push_back("rewards");
      order.push_back(key.table);
    }
  }
  return order;
}

} // namespace

bool TrainConfig::isGiven(const std::string &key) const { return std::find(given.begin(), given.end(), key) != given.end(); }

TrainConfig parseTrainConfig(const std::string &text, const std::string &where, const std::vector<ConfigOverride> &overrides) {
  TrainConfig config;
  toml::table root = parseToml(text, where);
  std::vector<std::string> tables = tableOrder();
  for (const auto &[name, node] : root) {
    std::string table(name.str());
    bool known = std::find(tables.begin(), tables.end(), table) != tables.end();
    if (!known || !node.is_table())
      throw Error(651, lineOf(node, where) + ":" + printable(table), "a table of " + std::to_string(tables.size()) + " known ones", known ? "a value" : node.is_table() ? "an unknown table" : "a key outside every table",
                  didYouMean(known ? "[" + table + "]" : nearestName(table, tables), "see `hb-rt train --help` for all keys"));
    applyTable(config, table, *node.as_table(), where);
  }
  for (const ConfigOverride &given : overrides)
    applyOverride(config, given);
  requireConsistent(config, where);
  return config;
}

TrainConfig readTrainConfig(const std::string &path, const std::vector<ConfigOverride> &overrides) {
  std::string text = path.empty() ? "" : readTextFile(path);
  return parseTrainConfig(text, path.empty() ? "command line" : printable(path, 1024), overrides);
}

std::vector<ConfigOverride> configOverrides(const std::vector<std::string> &arguments) {
  std::vector<ConfigOverride> overrides;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string &argument = arguments[i];
    if (argument.size() < 3 || argument.substr(0, 2) != "--")
      throw Error(654, "command line", "settings as --table.key VALUE", "'" + printable(argument) + "'", "see `hb-rt train --help`");
    size_t equals = argument.find('=');
    std::string key = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (equals != std::string::npos)
      overrides.emplace_back(key, argument.substr(equals + 1));
    else if (i + 1 < arguments.size())
      overrides.emplace_back(key, arguments[++i]);
    else
      throw Error(654, "--" + printable(key), "a value after it", "the end of the line", "give --" + printable(key) + " VALUE");
  }
  return overrides;
}

std::string resolvedConfig(const TrainConfig &config) {
  TrainConfig copy = config;
  std::string out = "# Every setting of this run; `hb-rt train --config` reads it back.\n";
  for (const std::string &table : tableOrder()) {
    out += "\n[" + table + "]\n";
    for (const Key &key : kKeys)
      if (key.table == table)
        out += std::string(key.name) + " = " + std::visit(ValueText{}, key.value(copy)) + "\n";
    if (table == "rewards")
      for (const auto &[name, weight] : config.rewards)
        out += (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos ? name : quoted(name)) + " = " + numberText(weight) + "\n";
  }
  return out;
}

std::string configHelp() {
  TrainConfig defaults;
  std::string out = "Settings (train.toml, or --table.key VALUE):\n";
  auto line = [&](const std::string &name, const std::string &value, const std::string &help) {
    out += "  --" + name + std::string(name.size() < 42 ? 42 - name.size() : 1, ' ') + help + (value.empty() ? "" : " [" + value + "]") + "\n";
  };
  for (const std::string &table : tableOrder()) {
    for (const Key &key : kKeys)
      if (key.table == table)
        line(key.full(), key.required ? "required" : std::visit(ValueText{}, key.value(defaults)), key.help);
    if (table == "rewards")
      for (const auto &[name, weight] : defaults.rewards)
        line("rewards." + name, numberText(weight), kRewardHelp);
  }
  return out;
}

} // namespace hb
