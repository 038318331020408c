// Merging adapters into the weights they were trained on: W' = W + Σ scale · B · A.
#pragma once

#include "runtime/base/DType.h"
#include "runtime/formats/Adapter.h"

#include <string>
#include <vector>

namespace hb {

/// What a merge did.
struct MergeResult {
  std::string source;                ///< the component folder that was read
  size_t merged = 0, tensors = 0;    ///< tensors changed, tensors written
  std::vector<std::string> warnings; ///< complete sentences, from the adapters
};

/// Writes a copy of a component folder (of a pipeline folder: of its `unet`) whose weights have the adapters merged in: products
/// and sums in float64, rounded once to the stored type. File names, headers and every other tensor keep their bytes; config and
/// index are copied. `output` appears whole or not at all, and must not exist yet (an empty folder is fine).
/// HB0201, HB0210 – HB0225 for the checkpoint, HB0301 – HB0316 for the adapters, HB0318 when a result is no finite number of the
/// stored type, HB0901.
MergeResult mergeAdapters(const std::string &folder, const std::vector<AdapterArgument> &adapters, const std::string &output);

/// A double rounded once to F16, BF16, F32 or F64 at `target` (unaligned). False when a finite value became infinite.
bool storeRounded(double value, DType type, void *target);

} // namespace hb
