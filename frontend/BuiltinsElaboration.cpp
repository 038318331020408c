// Builtins that work on elaboration values: lists, numbers, strings, configs.
#include "frontend/Builtins.h"

#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <cmath>

namespace hb::frontend {

namespace {

Value length(Call &call) {
  Arguments a(call);
  if (const std::string *text = a.value(0).string())
    return static_cast<int64_t>(text->size());
  if (const Record *record = a.value(0).record())
    return static_cast<int64_t>(record->entries.size());
  return static_cast<int64_t>(a.list(0).size());
}

Value reverse(Call &call) {
  const List &list = Arguments(call).list(0);
  return List(list.rbegin(), list.rend());
}

Value contains(Call &call) {
  Arguments a(call);
  if (const std::string *text = a.value(0).string())
    return text->find(a.text(1)) != std::string::npos;
  for (const Value &item : a.list(0))
    if (equal(item, a.value(1)))
      return true;
  return false;
}

Value zip(Call &call) {
  Arguments a(call);
  const List &left = a.list(0), &right = a.list(1);
  if (left.size() != right.size())
    a.e.fail(127, call.span, "two lists of one length", std::to_string(left.size()) + " and " + std::to_string(right.size()), "");
  List pairs;
  for (size_t i = 0; i < left.size(); ++i)
    pairs.push_back(List{left[i], right[i]});
  return pairs;
}

Value enumerate(Call &call) {
  List pairs;
  for (const Value &item : Arguments(call).list(0))
    pairs.push_back(List{Value(static_cast<int64_t>(pairs.size())), item});
  return pairs;
}

Value has(Call &call) {
  Arguments a(call);
  std::string key = a.text(1);
  if (auto *instance = a.value(0).as<Instance *>()) {
    const Value *value = (*instance)->find(key);
    return value && !value->isNone();
  }
  const Record *record = a.value(0).record();
  if (!record)
    a.e.wrongKind(a.value(0), a.span(0), "a record or a module instance", a.what(0));
  const Value *value = record->find(key);
  return value && !value->isNone();
}

std::string textOf(const Value &value, Call &call) {
  Elaborator::Level level(call.elaborator, call.span);
  if (const std::string *text = value.string())
    return *text;
  if (auto *integer = value.as<int64_t>())
    return std::to_string(*integer);
  if (auto *real = value.as<double>())
    return llvm::formatv("{0}", *real).str();
  if (auto *flag = value.as<bool>())
    return *flag ? "true" : "false";
  if (const List *list = value.list()) {
    std::string text = "[";
    for (const Value &item : *list) {
      text += (text.size() > 1 ? ", " : "") + textOf(item, call);
      if (text.size() > 1'000'000)
        call.elaborator.fail(124, call.span, "a text of at most 1,000,000 bytes", "more", "");
    }
    return text + "]";
  }
  return describe(value);
}

Value toInt(Call &call) {
  Arguments a(call);
  double number = a.number(0);
  if (a.value(0).as<int64_t>())
    return a.value(0);
  if (!(std::abs(number) < 9.0e18))
    a.e.fail(126, call.span, "a number below 2^63", std::to_string(number), "");
  return static_cast<int64_t>(number);
}

/// A function of one number that gives an int.
template <double (*Function)(double)> Value rounding(Call &call) {
  Arguments a(call);
  if (a.value(0).as<int64_t>())
    return a.value(0);
  double number = Function(a.number(0));
  if (!(std::abs(number) < 9.0e18))
    a.e.fail(126, call.span, "a number below 2^63", std::to_string(number), "");
  return static_cast<int64_t>(number);
}

Value divide(Call &call) {
  Arguments a(call);
  int64_t x = a.integer(0), y = a.integer(1);
  if (y == 0 || (x == INT64_MIN && y == -1))
    a.e.fail(126, call.span, "a divisor other than 0", std::to_string(x) + " by " + std::to_string(y), "");
  // Rounds down, so that negative numbers continue the pattern of positive ones.
  return x / y - ((x % y != 0 && (x < 0) != (y < 0)) ? 1 : 0);
}

Value power(Call &call) {
  Arguments a(call);
  if (a.value(0).as<int64_t>() && a.value(1).as<int64_t>() && a.integer(1) >= 0) {
    int64_t base = a.integer(0), result = 1;
    for (int64_t i = 0; i < a.integer(1); ++i) {
      if (__builtin_mul_overflow(result, base, &result))
        a.e.fail(126, call.span, "a result below 2^63", "an overflow", "use floats");
      if (base == 0 || base == 1)
        break;
      if (base == -1)
        return a.integer(1) % 2 ? int64_t{-1} : int64_t{1};
    }
    return result;
  }
  return std::pow(a.number(0), a.number(1));
}

Value replace(Call &call) {
  Arguments a(call);
  std::string text = a.text(0), from = a.text(1), to = a.text(2);
  if (from.empty() || text.size() > 10'000 || to.size() > 1'000)
    a.e.fail(127, call.span, "a short text and a part of it to replace", "an empty or a huge one", "");
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

Value require(Call &call) {
  Arguments a(call);
  if (!a.boolean(0, false))
    a.e.fail(128, call.span, "", printable(a.text(1), 1000), "");
  return {};
}

// ---- configs ----

Component *componentArgument(Arguments &a, size_t i) {
  const Record *record = a.value(i).record();
  if (!record || !record->component)
    a.e.wrongKind(a.value(i), a.span(i), "a config", a.what(i));
  return record->component;
}

Value component(Call &call) {
  Arguments a(call);
  Component *component = a.e.openComponent(a.text(0));
  if (!component)
    a.e.fail(132, a.span(0), "a component of the pipeline or a --reward of this name", "\"" + printable(a.text(0)) + "\"", "look at model_index.json");
  return component->config;
}

Value hasComponent(Call &call) {
  Arguments a(call);
  return a.e.openComponent(a.text(0)) != nullptr;
}

bool isPlainName(const std::string &name) { return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos; }

Value weightsFile(Call &call) {
  Arguments a(call);
  Component *owner = componentArgument(a, 0);
  std::string name = a.text(1), stem = name.substr(0, name.find('.'));
  std::string scope = owner->scope.empty() ? stem : owner->scope + "/" + stem;
  for (Component &other : a.e.components)
    if (other.scope == scope)
      return other.config;
  std::string path = joinPath(owner->folder, name);
  if (!isPlainName(name) || !isFile(path))
    a.e.fail(132, a.span(1), "a file of the model's folder " + printable(owner->folder, 1024), "\"" + printable(name) + "\"", "the download may be incomplete");
  Component *component = a.e.newComponent();
  component->scope = scope;
  component->folder = owner->folder;
  component->weights = path;
  component->configName = path;
  Record record;
  record.component = component;
  component->config = std::make_shared<const Record>(std::move(record));
  return component->config;
}

/// record(names, values): a record of computed names; keys(r) and values(r) are its two lists.
Value makeRecord(Call &call) {
  Arguments a(call);
  const List &names = a.list(0), &values = a.list(1);
  if (names.size() != values.size())
    a.e.fail(127, a.span(1), std::to_string(names.size()) + " values, one for each name", std::to_string(values.size()), "");
  Record made;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string &name = a.e.text(names[i], a.span(0), "a name");
    if (made.find(name))
      a.e.fail(114, a.span(0), "different names", "\"" + printable(name) + "\" twice", "");
    made.entries.emplace_back(name, values[i]);
  }
  return made;
}

template <typename Item> Value listOf(Call &call, Item item) {
  Arguments a(call);
  const Record *record = a.value(0).record();
  if (!record)
    a.e.wrongKind(a.value(0), a.span(0), "a record", a.what(0));
  List list;
  for (const auto &entry : record->entries)
    list.push_back(item(entry));
  return list;
}

Value keys(Call &call) { return listOf(call, [](const auto &entry) { return Value(entry.first); }); }
Value values(Call &call) { return listOf(call, [](const auto &entry) { return entry.second; }); }

Value hasFile(Call &call) {
  Arguments a(call);
  return isPlainName(a.text(1)) && isFile(joinPath(componentArgument(a, 0)->folder, a.text(1)));
}

Value hasTensor(Call &call) {
  Arguments a(call);
  Component *component = componentArgument(a, 0);
  return component->hasWeights() && component->headers().find(a.text(1)) != nullptr;
}

Value storedShape(Call &call) {
  Arguments a(call);
  Component *component = componentArgument(a, 0);
  std::string key = a.text(1);
  const CheckpointTensor *tensor = component->hasWeights() ? component->headers().find(key) : nullptr;
  if (!tensor)
    a.e.fail(230, call.span, "the tensor \"" + printable(key) + "\" in " + printable(component->hasWeights() ? component->weights : "the weights", 1024),
             component->hasWeights() ? "no such tensor" : "no weights", component->hasWeights() ? "config and weights are of different models" : "give --weights");
  List shape;
  for (int64_t extent : tensor->shape)
    shape.push_back(extent);
  return shape;
}

const Builtin kRows[] = {
    {"record", "names values", makeRecord},
    {"keys", "record", keys},
    {"values", "record", values},
    {"len", "list", length},
    {"reverse", "list", reverse},
    {"contains", "list value", contains},
    {"zip", "a b", zip},
    {"enumerate", "list", enumerate},
    {"has", "record key", has},
    {"is_list", "x", [](Call &c) -> Value { return c.values[0].list() != nullptr; }},
    {"is_record", "x", [](Call &c) -> Value { return c.values[0].record() != nullptr; }},
    {"is_string", "x", [](Call &c) -> Value { return c.values[0].string() != nullptr; }},
    {"str", "x", [](Call &c) -> Value { return textOf(c.values[0], c); }},
    {"int", "x", toInt},
    {"float", "x", [](Call &c) -> Value { return Arguments(c).number(0); }},
    {"div", "a b", divide},
    {"pow", "a b", power},
    {"floor", "x", rounding<std::floor>},
    {"ceil", "x", rounding<std::ceil>},
    {"round", "x", rounding<std::nearbyint>},
    {"f32round", "x", [](Call &c) -> Value { return static_cast<double>(static_cast<float>(Arguments(c).number(0))); }},
    {"starts_with", "text prefix", [](Call &c) -> Value { Arguments a(c); return a.text(0).starts_with(a.text(1)); }},
    {"ends_with", "text suffix", [](Call &c) -> Value { Arguments a(c); return a.text(0).ends_with(a.text(1)); }},
    {"replace", "text from to", replace},
    {"require", "condition text", require},
    {"component", "name", component},
    {"has_component", "name", hasComponent},
    {"weights_file", "config name", weightsFile},
    {"has_file", "config name", hasFile},
    {"has_tensor", "config key", hasTensor},
    {"stored_shape", "config key", storedShape},
};

} // namespace

llvm::ArrayRef<Builtin> elaborationBuiltins() { return kRows; }

} // namespace hb::frontend
