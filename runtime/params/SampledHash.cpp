#include "runtime/params/SampledHash.h"

#include <algorithm>

namespace hb {
namespace {

constexpr uint64_t kBlocks = 64, kBlockBytes = 4096;

} // namespace

uint64_t SampledHash::blockStart(uint64_t block) const {
  uint64_t last = total_ > kBlockBytes ? total_ - kBlockBytes : 0;
  return block + 1 == kBlocks ? last : last / (kBlocks - 1) * block; // the division first: no product can overflow
}

void SampledHash::update(std::span<const std::byte> bytes) {
  uint64_t end = position_ + bytes.size();
  uint64_t done = position_; // blocks of short streams overlap; every byte counts once
  for (uint64_t block = 0; block < kBlocks; ++block) {
    uint64_t from = std::max(blockStart(block), done), to = std::min(blockStart(block) + kBlockBytes, end);
    if (from >= to)
      continue;
    hash_.update(bytes.subspan(from - position_, to - from));
    done = to;
  }
  position_ = end;
}

} // namespace hb
