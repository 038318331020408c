#include "runtime/params/WeightStore.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/params/Packing.h"

#include <set>

namespace hb {
namespace {

constexpr std::string_view kAdapterScope = "adapter:";

bool isAdapter(const WeightSource &source) { return source.scope.starts_with(kAdapterScope); }

} // namespace

std::string WeightStore::scopePath(const ScopePath &scope, const std::string &directory) const {
  if (directory.empty())
    return scope.path;
  // The same place relative to the given folder as it had relative to the compiled model.
  if (scope.path.starts_with(module_.modelPath) && scope.path.size() > module_.modelPath.size())
    return joinPath(directory, scope.path.substr(module_.modelPath.size() + (scope.path[module_.modelPath.size()] == '/')));
  return scope.path == module_.modelPath || module_.scopes.size() == 1 ? directory : joinPath(directory, scope.name);
}

WeightStore::WeightStore(const Module &module, const std::string &directory) : module_(module), entries_(module.weights.size()) {
  std::set<std::string> used;
  for (const WeightSpec &spec : module.weights)
    for (const WeightSource &source : spec.sources)
      if (!isAdapter(source))
        used.insert(source.scope);
  for (const ScopePath &scope : module.scopes)
    if (used.count(scope.name))
      checkpoints_.emplace(scope.name, Checkpoint::open(scopePath(scope, directory)));
  for (const std::string &scope : used)
    if (!checkpoints_.count(scope))
      throw Error(403, module.path(), "a place for the weights of scope '" + scope + "'", "none", "compile the model again");
  for (const SignatureTensor &tensor : module.signature)
    if (auto it = checkpoints_.find(tensor.scope); it != checkpoints_.end())
      it->second.require(tensor.name, tensor.shape, tensor.dtype);
  for (const WeightSpec &spec : module.weights)
    for (const WeightSource &source : spec.sources)
      if (!isAdapter(source))
        checkpoints_.at(source.scope).require(source.key, source.shape, source.dtype);
}

const std::byte *WeightStore::get(size_t index) {
  if (!entries_[index].ready)
    pack(index);
  return entries_[index].ready;
}

void WeightStore::pack(size_t index) {
  const WeightSpec &spec = module_.weights[index];
  Entry &entry = entries_[index];
  std::vector<SourceData> sources;
  std::vector<std::vector<float>> zeros; // keeps the factors of empty slots alive while packing
  for (const WeightSource &source : spec.sources) {
    if (!isAdapter(source)) {
      const Checkpoint &checkpoint = checkpoints_.at(source.scope);
      sources.push_back({source.dtype, checkpoint.data(*checkpoint.find(source.key)).data()});
      continue;
    }
    size_t dot = source.key.rfind('.');
    std::string slot = source.scope.substr(kAdapterScope.size()) + "\n" + source.key.substr(0, dot), factor = source.key.substr(dot + 1);
    size_t count = 1;
    for (int64_t extent : source.shape)
      count *= static_cast<size_t>(extent);
    auto it = adapters_.find(slot);
    const std::vector<float> *values = nullptr;
    if (it != adapters_.end())
      values = factor == "lora_A" ? &it->second.a : factor == "lora_B" ? &it->second.b : &it->second.scale;
    if (!values || values->size() != count)
      values = &zeros.emplace_back(count, 0.f);
    sources.push_back({DType::F32, reinterpret_cast<const std::byte *>(values->data())});
  }
  // A dense weight in its stored type is what the file holds: no copy. Kernels read elements of such tables unaligned.
  if (spec.layout == WeightLayout::Dense && sources.size() == 1 && sources[0].dtype == spec.dtype && dtypeSize(spec.dtype) == 2 && !isAdapter(spec.sources[0])) {
    entry.ready = sources[0].data;
    return;
  }
  uint64_t size = packedSize(spec);
  if (!entry.buffer) {
    // The scale of an adapter slot is read as whole vectors of 16.
    entry.buffer = AlignedBuffer(size);
    packedBytes_ += size;
  }
  packWeight(spec, sources, entry.buffer.data());
  entry.ready = entry.buffer.data();
}

void WeightStore::prepare(const Program &program) {
  auto visit = [&](auto &&self, const std::vector<Command> &commands) -> void {
    for (const Command &command : commands) {
      for (const Binding &binding : command.bindings)
        if (binding.kind == Binding::Kind::Weight)
          get(binding.value);
      self(self, command.body);
    }
  };
  visit(visit, program.commands);
}

void WeightStore::setAdapters(std::map<std::string, AdapterFactors> factors) {
  adapters_ = std::move(factors);
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].ready && isAdapter(module_.weights[i].sources[0]))
      pack(i);
}

} // namespace hb
