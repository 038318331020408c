// Brings checkpoint tensors into the layouts kernels read (docs/module-format.md, "Weights").
#pragma once

#include "runtime/base/DType.h"
#include "runtime/module/Module.h"

#include <cstdint>
#include <span>
#include <vector>

namespace hb {

/// The bytes of one source as they lie in a checkpoint file; unaligned.
struct SourceData {
  DType dtype = DType::F32;
  const std::byte *data = nullptr;
};

/// Bytes of a packed weight without the readable tail.
uint64_t packedSize(const WeightSpec &spec);

/// Packing falls into this many tasks (panels; one for a dense weight) that write disjoint memory.
int64_t packTasks(const WeightSpec &spec);
/// Runs tasks [begin, end): all of them together write every byte of `target`, padding included. `sources`: one for each of
/// spec.sources, in order. Elements keep their bits when the types agree, else they pass through float32.
void packWeight(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target, int64_t begin, int64_t end);
/// All tasks.
void packWeight(const WeightSpec &spec, std::span<const SourceData> sources, std::byte *target);

} // namespace hb
