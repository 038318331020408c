// The step between a file's tensors and adapters: tensors grouped by module, names not yet resolved. Not for other parts.
#pragma once

#include "runtime/formats/AdapterConfig.h"
#include "runtime/formats/AdapterNames.h"
#include "runtime/formats/Safetensors.h"

#include <optional>
#include <string>
#include <vector>

namespace hb {

/// The tensors of one module as the file spells them.
struct RawAdapterModule {
  AdapterKey key; ///< of the tensor met first
  const TensorInfo *down = nullptr, *up = nullptr, *alpha = nullptr;
  const std::string &anyName() const { return (down ? down : up ? up : alpha)->name; }
};

struct RawAdapter {
  SafetensorsFile file;
  std::optional<AdapterConfig> config;   ///< none: alpha tensors, or a scale of 1
  std::vector<RawAdapterModule> modules; ///< in the file's order
};

/// Finds the file, reads its header and its config, groups its tensors. HB0301 – HB0306, HB0902, HB02xx.
RawAdapter openAdapter(const std::string &path, const std::string &component);

} // namespace hb
