// A small network and adapters for it.
#pragma once

#include "runtime/formats/Adapter.h"
#include "tests/runtime/base/ScratchFolder.h"
#include "tests/runtime/formats/RawFile.h"

#include <cmath>

namespace hb::test {

inline const std::string kQuery = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
inline const std::string kValue = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v";
inline const std::string kOut = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0";
inline const std::string kPeftPrefix = "base_model.model.";

/// Slots at kQuery (6 → 4) and kValue (5 → 4); kOut and a convolution exist without slots.
inline AdapterTarget smallTarget(int64_t maxRank = 2) {
  AdapterTarget target;
  target.sites = {{kQuery, 6, 4}, {kValue, 5, 4}};
  target.modulePaths = {kQuery, kValue, kOut, "conv_in"};
  target.maxRank = maxRank;
  return target;
}

/// A and B of one module in PEFT's spelling.
inline std::vector<OwnedTensor> peftPair(const std::string &path, int64_t in, int64_t out, int64_t rank) {
  return {{kPeftPrefix + path + ".lora_A.weight", {rank, in}}, {kPeftPrefix + path + ".lora_B.weight", {out, rank}, 0.25f}};
}

inline std::vector<OwnedTensor> soundPeft() {
  auto tensors = peftPair(kQuery, 6, 4, 2);
  for (auto &tensor : peftPair(kValue, 5, 4, 2))
    tensors.push_back(tensor);
  return tensors;
}

inline const std::string kPeftConfig =
    R"({"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["to_q"], "peft_version": "0.21.2", "unknown_key": 1})";

/// Writes a PEFT folder "adapter" and gives its path.
inline std::string writePeft(const ScratchFolder &folder, const std::vector<OwnedTensor> &tensors, const std::string &config = kPeftConfig) {
  folder.write("adapter/adapter_config.json", config);
  writeTensors(folder.path("adapter/adapter_model.safetensors"), tensors);
  return folder.path("adapter");
}

/// ‖a − b‖ / ‖a‖ of scale · B · A over all modules; infinite when the modules differ.
inline double distance(const Adapter &left, const Adapter &right) {
  if (left.modules.size() != right.modules.size())
    return INFINITY;
  double difference = 0, norm = 0;
  for (size_t m = 0; m < left.modules.size(); ++m) {
    const AdapterModule &a = left.modules[m], &b = right.modules[m];
    if (a.path != b.path || a.in != b.in || a.out != b.out)
      return INFINITY;
    auto delta = [](const AdapterModule &module, int64_t o, int64_t i) {
      double sum = 0;
      for (int64_t r = 0; r < module.rank; ++r)
        sum += double(module.b[o * module.rank + r]) * module.a[r * module.in + i];
      return module.scale * sum;
    };
    for (int64_t o = 0; o < a.out; ++o)
      for (int64_t i = 0; i < a.in; ++i) {
        double x = delta(a, o, i), y = delta(b, o, i);
        difference += (x - y) * (x - y);
        norm += x * x;
      }
  }
  return std::sqrt(difference / norm);
}

} // namespace hb::test
