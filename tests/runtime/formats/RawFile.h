// Safetensors files put together by hand, so that tests can break any part of them.
#pragma once

#include "runtime/formats/Safetensors.h"

#include <string>
#include <vector>

namespace hb::test {

/// Header length, header, data, exactly as given.
inline std::string packed(const std::string &header, const std::string &data, uint64_t claimedLength) {
  std::string file;
  for (int i = 0; i < 8; ++i)
    file += static_cast<char>(claimedLength >> (8 * i));
  return file + header + data;
}
inline std::string packed(const std::string &header, const std::string &data) { return packed(header, data, header.size()); }

/// One entry of a header.
inline std::string entry(const std::string &name, const std::string &dtype, const std::string &shape, const std::string &offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

/// A float32 tensor for writeSafetensors that owns its values: 0, step, 2·step, …
struct OwnedTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
  OwnedTensor(std::string name, std::vector<int64_t> shape, float step = 0.5f) : name(std::move(name)), shape(std::move(shape)) {
    size_t count = 1;
    for (int64_t extent : this->shape)
      count *= static_cast<size_t>(extent);
    for (size_t i = 0; i < count; ++i)
      values.push_back(step * static_cast<float>(i));
  }
};

inline void writeTensors(const std::string &path, const std::vector<OwnedTensor> &tensors,
                         const std::map<std::string, std::string> &metadata = {{"format", "pt"}}) {
  std::vector<TensorView> views;
  for (const OwnedTensor &tensor : tensors)
    views.push_back({tensor.name, DType::F32, tensor.shape, tensor.values.data()});
  writeSafetensors(path, views, metadata);
}

} // namespace hb::test
