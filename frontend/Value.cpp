#include "frontend/Value.h"

#include "frontend/Components.h"
#include "frontend/Diagnostic.h"
#include "runtime/base/Text.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/raw_ostream.h"

namespace hb::frontend {

const Value *Record::find(std::string_view key) const {
  for (const auto &[name, value] : entries)
    if (name == key)
      return &value;
  return nullptr;
}

const Value *Instance::find(std::string_view name) const {
  for (auto it = names.rbegin(); it != names.rend(); ++it)
    if (it->first == name)
      return &it->second;
  return nullptr;
}

const std::string *Value::string() const {
  auto *text = as<std::shared_ptr<const std::string>>();
  return text ? text->get() : nullptr;
}
const List *Value::list() const {
  auto *list = as<ListPtr>();
  return list ? &(*list)->items : nullptr;
}
const Record *Value::record() const {
  auto *record = as<RecordPtr>();
  return record ? record->get() : nullptr;
}

namespace {

constexpr int kMaxDepth = 200;

[[noreturn]] void tooLarge(const char *expected) {
  Failure failure;
  failure.diagnostic.number = 124;
  failure.diagnostic.expected = expected;
  failure.diagnostic.found = "more";
  throw failure;
}

int checkedDepth(int inner) {
  if (inner >= kMaxDepth)
    tooLarge("lists and records nested at most 200 deep");
  return inner + 1;
}

} // namespace

Value::Value(List items) {
  int depth = 0;
  for (const Value &item : items)
    depth = std::max(depth, item.depth());
  depth = checkedDepth(depth);
  payload = std::make_shared<const ListBox>(ListBox{std::move(items), depth});
}

Value::Value(Record record) {
  int depth = 0;
  for (const auto &entry : record.entries)
    depth = std::max(depth, entry.second.depth());
  record.depth = checkedDepth(depth);
  payload = std::make_shared<const Record>(std::move(record));
}

int Value::depth() const {
  if (auto *list = as<ListPtr>())
    return (*list)->depth;
  const Record *object = record();
  return object ? object->depth : 0;
}

static bool equalWithin(const Value &a, const Value &b, int &budget) {
  if (--budget < 0)
    tooLarge("lists of at most 1,000,000 values to compare");
  auto number = [](const Value &value) -> std::optional<double> {
    if (auto *integer = value.as<int64_t>())
      return static_cast<double>(*integer);
    if (auto *real = value.as<double>())
      return *real;
    return std::nullopt;
  };
  if (a.as<int64_t>() && b.as<int64_t>())
    return *a.as<int64_t>() == *b.as<int64_t>();
  if (auto x = number(a), y = number(b); x && y)
    return *x == *y;
  if (a.string() && b.string())
    return *a.string() == *b.string();
  if (a.as<bool>() && b.as<bool>())
    return *a.as<bool>() == *b.as<bool>();
  if (auto *x = a.list(), *y = b.list(); x && y)
    return x == y || (x->size() == y->size() && std::equal(x->begin(), x->end(), y->begin(), [&](const Value &l, const Value &r) { return equalWithin(l, r, budget); }));
  if (a.as<DTypeValue>() && b.as<DTypeValue>())
    return a.as<DTypeValue>()->name == b.as<DTypeValue>()->name;
  if (a.as<Instance *>() && b.as<Instance *>())
    return *a.as<Instance *>() == *b.as<Instance *>();
  return a.isNone() && b.isNone();
}

bool equal(const Value &a, const Value &b) {
  int budget = 1'000'000;
  return equalWithin(a, b, budget);
}

std::string kindName(const Value &value) {
  static constexpr const char *kNames[] = {"none", "an int", "a float", "a bool", "a string", "a list", "a record", "a dtype", "a tensor", "a module instance",
                                           "a parameter", "a module", "a function", "a builtin function", "an imported file", "a broken value"};
  static_assert(std::size(kNames) == std::variant_size_v<Value::Payload>);
  return kNames[value.payload.index()];
}

std::string describeType(mlir::Type type) {
  auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(type);
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (tensor)
    stream << shapeText(tensor.getShape()) << " " << tensor.getElementType();
  else
    stream << type;
  return text;
}

std::string describe(const Value &value) {
  std::string text = kindName(value);
  auto number = [](double real) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.9g", real);
    return std::string(buffer);
  };
  if (auto *integer = value.as<int64_t>())
    text = "the int " + std::to_string(*integer);
  else if (auto *real = value.as<double>())
    text = "the float " + number(*real);
  else if (auto *flag = value.as<bool>())
    text = *flag ? "true" : "false";
  else if (auto *string = value.string())
    text = "the string \"" + printable(*string, 80) + "\"";
  else if (auto *list = value.list())
    text = "a list of " + std::to_string(list->size());
  else if (auto *tensor = value.as<TensorValue>())
    text = "a tensor " + describeType(tensor->value.getType());
  else if (auto *instance = value.as<Instance *>())
    text = "an instance of module " + (*instance)->module->name;
  else if (auto *param = value.as<ParamNode *>())
    text = "a parameter " + shapeText((*param)->shape);
  else if (auto *record = value.record(); record && record->component)
    text = record->path.empty() ? "the config" : "the object " + printable(record->path) + " of the config";
  return value.origin ? text + " (" + *value.origin + ")" : text;
}

} // namespace hb::frontend
