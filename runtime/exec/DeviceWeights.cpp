#include "runtime/exec/DeviceWeights.h"

namespace hb {

DeviceWeights::DeviceWeights(const Module &module, WeightStore &store, Device &device) : module_(module), store_(store), device_(device), entries_(module.weights.size()) {}

std::vector<size_t> DeviceWeights::missing(const Program &program) const {
  std::vector<size_t> wanted;
  if (device_.sharesHostMemory())
    return wanted;
  for (size_t weight : boundWeights(program))
    if (!entries_[weight].address)
      wanted.push_back(weight);
  return wanted;
}

uint64_t DeviceWeights::missingBytes(const Program &program) const {
  if (device_.sharesHostMemory())
    return 0;
  std::vector<uint64_t> sizes;
  for (size_t weight : missing(program))
    sizes.push_back(store_.byteSize(weight));
  return (sizes.empty() ? 0 : packCacheOffsets(sizes).back()) + (constants_.address() ? 0 : module_.constantsSize);
}

void DeviceWeights::prepare(const Program &program) {
  store_.prepare(program);
  if (device_.sharesHostMemory())
    return;
  if (module_.constantsSize && !constants_.address()) {
    constants_ = device_.allocate(module_.constantsSize, module_.path(), "constants");
    device_.write(constants_.address(), module_.constants().data(), module_.constantsSize);
    device_.restrict(constants_, {{0, module_.constantsSize, false}});
  }
  std::vector<size_t> fresh = missing(program);
  if (fresh.empty())
    return;
  std::vector<uint64_t> sizes;
  for (size_t weight : fresh)
    sizes.push_back(store_.byteSize(weight));
  // As in a file of the pack cache: each at a multiple of 64, with readable bytes behind it.
  std::vector<uint64_t> offsets = packCacheOffsets(sizes);
  slabs_.push_back(device_.allocate(offsets.back(), module_.path(), "weights"));
  std::vector<MemoryPiece> pieces;
  for (size_t i = 0; i < fresh.size(); ++i) {
    entries_[fresh[i]].address = slabs_.back().address() + offsets[i];
    upload(fresh[i]);
    uploaded_.push_back(fresh[i]);
    pieces.push_back({offsets[i], sizes[i], false});
  }
  device_.restrict(slabs_.back(), pieces);
}

void DeviceWeights::upload(size_t weight) {
  Entry &entry = entries_[weight];
  device_.write(entry.address, store_.get(weight), store_.byteSize(weight));
  entry.revision = store_.revision(weight);
}

void DeviceWeights::refresh() {
  for (size_t weight : uploaded_)
    if (entries_[weight].revision != store_.revision(weight))
      upload(weight);
}

std::byte *DeviceWeights::address(size_t weight) const {
  return device_.sharesHostMemory() ? const_cast<std::byte *>(store_.get(weight)) : entries_[weight].address;
}

std::byte *DeviceWeights::constant(uint64_t offset) const {
  return (device_.sharesHostMemory() ? const_cast<std::byte *>(module_.constants().data()) : constants_.address()) + offset;
}

uint64_t DeviceWeights::bytes() const {
  if (device_.sharesHostMemory())
    return store_.packedBytes();
  uint64_t sum = constants_.size();
  for (const DeviceMemory &slab : slabs_)
    sum += slab.size();
  return sum;
}

} // namespace hb
