// How the weight store uses the pack cache.
#include "runtime/base/Error.h"
#include "runtime/params/Packing.h"
#include "runtime/params/WeightStore.h"

#include <algorithm>
#include <sys/stat.h>

namespace hb {
namespace {

/// Raised whenever packing gives other bytes for the same weight: files of older versions are then never found again.
constexpr int kPackingVersion = 1;

/// Weights are packed into memory in lots of about this size and written from there.
constexpr uint64_t kLotBytes = uint64_t(64) << 20;

/// What a checkpoint file is, wherever it lies: size, time of change, header, and blocks of its data.
std::string fileIdentity(const SafetensorsFile &file) {
  struct stat info = {};
  ::stat(file.path().c_str(), &info);
  MappedFile raw(file.path());
  uint64_t dataSize = 0;
  for (const TensorInfo &tensor : file.tensors())
    dataSize = std::max(dataSize, tensor.end);
  auto header = raw.bytes().first(raw.size() - dataSize), data = raw.bytes().last(dataSize);
  Fnv1a headerHash;
  headerHash.update(header);
  SampledHash samples(dataSize);
  samples.update(data);
  return "file " + std::to_string(raw.size()) + " " + std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + " " + std::to_string(headerHash.value()) + " " +
         std::to_string(samples.value()) + "\n";
}

std::string extents(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

} // namespace

/// Names neither module nor place, so that modules of other sizes and moved checkpoints share a file.
std::string WeightStore::identityOf(const std::string &scope, const Network &network) const {
  std::string text = "packing " + std::to_string(kPackingVersion) + "\n";
  for (const SafetensorsFile &file : checkpoints_.at(scope).files())
    text += fileIdentity(file);
  for (size_t index : network.weights) {
    const WeightSpec &spec = module_.weights[index];
    text += std::to_string(static_cast<int>(spec.layout)) + " " + std::string(dtypeName(spec.dtype)) + " " + extents(spec.shape) + (spec.transposed ? " transposed" : "");
    for (const WeightSource &source : spec.sources)
      text += " " + source.key + ":" + std::string(dtypeName(source.dtype)) + ":" + extents(source.shape);
    text += "\n";
  }
  return text;
}

bool WeightStore::writeCache(const std::string &identity, const Network &network) const {
  std::unique_ptr<PackCacheWriter> writer = cache_.write(identity, network.sizes);
  if (!writer)
    return false;
  try {
    std::vector<uint64_t> offsets = packCacheOffsets(network.sizes);
    AlignedBuffer lot;
    PackWork work;
    std::vector<std::vector<float>> none;
    for (size_t begin = 0, end; begin < network.weights.size(); begin = end) {
      end = begin + 1;
      while (end < network.weights.size() && offsets[end + 1] - offsets[begin] <= kLotBytes)
        ++end;
      if (lot.size() < offsets[end] - offsets[begin])
        lot = AlignedBuffer(std::max(offsets[end] - offsets[begin], std::min(kLotBytes, offsets.back())), module_.path(), "weights on their way into the cache");
      for (size_t i = begin; i < end; ++i) {
        const WeightSpec &spec = module_.weights[network.weights[i]];
        addWork(work, spec, sourcesOf(spec, none), lot.data() + (offsets[i] - offsets[begin]));
      }
      work.run(options_.threads);
      for (size_t i = begin; i < end; ++i)
        writer->append({lot.data() + (offsets[i] - offsets[begin]), static_cast<size_t>(network.sizes[i])});
    }
    writer->commit();
    return true;
  } catch (const Error &error) {
    if (options_.cache.warn)
      options_.cache.warn(std::string("packed weights are not kept: ") + error.what());
    return false;
  }
}

void WeightStore::useCache(const std::string &scope, Network &network) {
  if (network.tried || !cache_.usable() || network.bytes < options_.cache.minimumBytes)
    return;
  network.tried = true;
  std::string identity = identityOf(scope, network);
  auto file = cache_.find(identity, network.sizes);
  if (!file && writeCache(identity, network))
    file = cache_.find(identity, network.sizes);
  if (!file)
    return;
  network.file = std::move(*file);
  std::vector<uint64_t> offsets = packCacheOffsets(network.sizes);
  for (size_t i = 0; i < network.weights.size(); ++i) {
    Entry &entry = entries_[network.weights[i]];
    if (!entry.ready) {
      packedBytes_ += network.sizes[i];
      cachedBytes_ += network.sizes[i];
      entry.ready = network.file.bytes().data() + offsets[i];
      ++entry.revision;
    }
  }
}

} // namespace hb
