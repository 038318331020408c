#include "runtime/params/WeightStore.h"

#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/params/BoundWeights.h"

#include <algorithm>

namespace hb {

std::string WeightStore::scopePath(const ScopePath &scope, const std::string &directory) const {
  if (directory.empty())
    return scope.path;
  // The same place relative to the given folder as it had relative to the compiled model.
  if (scope.path.starts_with(module_.modelPath) && scope.path.size() > module_.modelPath.size())
    return joinPath(directory, scope.path.substr(module_.modelPath.size() + (scope.path[module_.modelPath.size()] == '/')));
  return scope.path == module_.modelPath || module_.scopes.size() == 1 ? directory : joinPath(directory, scope.name);
}

WeightStore::WeightStore(const Module &module, const std::string &directory, WeightStoreOptions options)
    : module_(module), directory_(directory), options_(std::move(options)), cache_(options_.cache), entries_(module.weights.size()) {
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
  for (size_t i = 0; i < module.weights.size(); ++i) {
    const WeightSpec &spec = module.weights[i];
    bool ofOneNetwork = std::all_of(spec.sources.begin(), spec.sources.end(), [&](const WeightSource &s) { return !isAdapter(s) && s.scope == spec.sources[0].scope; });
    if (!ofOneNetwork || usedInPlace(spec))
      continue;
    Network &network = networks_[spec.sources[0].scope];
    network.weights.push_back(i);
    network.sizes.push_back(packedSize(spec));
    network.bytes += network.sizes.back();
  }
}

std::string WeightStore::folderOf(const std::string &scope) const {
  for (const ScopePath &place : module_.scopes)
    if (place.name == scope)
      return scopePath(place, directory_);
  return "";
}

const std::byte *WeightStore::get(size_t index) {
  if (!entries_[index].ready)
    pack({index});
  return entries_[index].ready;
}

uint64_t WeightStore::byteSize(size_t index) const { return packedSize(module_.weights[index]); }

std::vector<SourceData> WeightStore::sourcesOf(const WeightSpec &spec, std::vector<std::vector<float>> &zeros) const {
  std::vector<SourceData> sources;
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
  return sources;
}

void WeightStore::addWork(PackWork &work, const WeightSpec &spec, std::vector<SourceData> sources, std::byte *target) const {
  work.add(spec, std::move(sources), target, [this, &spec](double first, double last) {
    double share = 1.0 / static_cast<double>(spec.sources.size());
    for (size_t s = 0; s < spec.sources.size(); ++s) {
      // Sources of a merged weight are taken to be equally large: what is dropped too early is only read from the system's cache again.
      double from = first / share - static_cast<double>(s), to = last / share - static_cast<double>(s);
      if (isAdapter(spec.sources[s]) || to <= 0 || from >= 1)
        continue;
      const Checkpoint &checkpoint = checkpoints_.at(spec.sources[s].scope);
      checkpoint.drop(*checkpoint.find(spec.sources[s].key), std::max(0.0, from), std::min(1.0, to));
    }
  });
}

void WeightStore::pack(const std::vector<size_t> &indices) {
  // One slab for all that have no memory yet, laid out as a cache file is.
  std::vector<size_t> fresh;
  std::vector<uint64_t> sizes;
  for (size_t index : indices)
    if (!entries_[index].memory && !usedInPlace(module_.weights[index])) {
      fresh.push_back(index);
      sizes.push_back(packedSize(module_.weights[index]));
      packedBytes_ += sizes.back();
    }
  if (!fresh.empty()) {
    std::vector<uint64_t> offsets = packCacheOffsets(sizes);
    slabs_.emplace_back(offsets.back(), module_.path(), "packed weights");
    for (size_t i = 0; i < fresh.size(); ++i)
      entries_[fresh[i]].memory = slabs_.back().data() + offsets[i];
  }
  PackWork work;
  std::vector<std::vector<float>> zeros; // moving a vector keeps its elements' place
  for (size_t index : indices) {
    Entry &entry = entries_[index];
    std::vector<SourceData> sources = sourcesOf(module_.weights[index], zeros);
    entry.ready = entry.memory ? entry.memory : sources[0].data;
    ++entry.revision;
    if (entry.memory)
      addWork(work, module_.weights[index], std::move(sources), entry.memory);
  }
  work.run(options_.threads);
}

void WeightStore::prepare(const Program &program) {
  const std::set<size_t> bound = boundWeights(program);
  for (auto &[scope, network] : networks_)
    if (std::any_of(network.weights.begin(), network.weights.end(), [&](size_t i) { return bound.count(i) && !entries_[i].ready; }))
      useCache(scope, network);
  std::vector<size_t> missing;
  for (size_t index : bound)
    if (!entries_[index].ready)
      missing.push_back(index);
  pack(missing);
}

void WeightStore::setAdapters(std::map<std::string, AdapterFactors> factors) {
  adapters_ = std::move(factors);
  std::vector<size_t> stale;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].ready && isAdapter(module_.weights[i].sources[0]))
      stale.push_back(i);
  pack(stale);
}

} // namespace hb
