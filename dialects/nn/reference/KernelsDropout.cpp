// nn.dropout's counter-based mask.
#include "dialects/nn/reference/Kernels.h"

#include "runtime/base/SplitMix64.h"

namespace hb::nn::reference {

namespace {

/// MurmurHash3's 32-bit finaliser (Appleby, public domain).
uint32_t mix32(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  return h ^ (h >> 16);
}

uint64_t integer(const Tensor &scalar) { return static_cast<uint64_t>(static_cast<int64_t>(scalar[0])); }

} // namespace

Tensor dropout(const Tensor &x, std::span<const Tensor> drop) {
  const double probability = drop[0][0];
  const uint64_t key = splitMix64(splitMix64(splitMix64(integer(drop[1])) + integer(drop[2])) + integer(drop[3]));
  const uint32_t low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  const uint32_t threshold = static_cast<uint32_t>(static_cast<uint64_t>(probability * 4294967296.0));
  std::vector<double> result(x.size());
  for (int64_t i = 0; i < x.size(); ++i)
    result[i] = mix32(mix32(static_cast<uint32_t>(i) ^ low) ^ high) >= threshold ? x[i] / (1 - probability) : 0;
  return {x.shape, std::move(result)};
}

} // namespace hb::nn::reference
