// Checkpoints of a training run: complete or absent, checked when read, bit-exact.
#pragma once

#include "runtime/train/TrainState.h"

#include <map>
#include <string>
#include <vector>

namespace hb {

/// What must be the same for a checkpoint to continue a run: names and values, compared as text.
using RunIdentity = std::map<std::string, std::string>;

/// What a checkpoint is written with beside the state.
struct CheckpointSettings {
  RunIdentity identity;
  std::vector<std::string> targetModules; ///< for adapter_config.json
  double dropout = 0;
  std::string resolvedConfig; ///< kept beside the state for readers
};

/// Writes `outputDir/checkpoint-<step>/`: the adapter as a PEFT folder (adapter_model.safetensors, adapter_config.json), optimizer.safetensors
/// (moments, average), config.resolved.toml and state.json (counters, identity, size and CRC-32C of every file). HB0901; on failure
/// nothing is left at its place.
std::string saveCheckpoint(const std::string &outputDir, const TrainState &state, const CheckpointSettings &settings);

/// checkpoint-<step> folders of an output folder, by rising step.
std::vector<std::string> listCheckpoints(const std::string &outputDir);
/// Removes the oldest until at most `limit` are left; 0 keeps all.
void limitCheckpoints(const std::string &outputDir, int64_t limit);

/// The folder that "latest" (of outputDir) or a path stands for. HB0661.
std::string findCheckpoint(const std::string &which, const std::string &outputDir);

/// Reads a checkpoint into `state`, whose adapter says which tensors there must be.
/// HB0660 damaged (names an older sound one beside it), HB0661 no checkpoint, HB0662 of another run.
void loadCheckpoint(const std::string &folder, const RunIdentity &identity, TrainState &state);

/// Throws HB0660 unless every file of the checkpoint is as it was written.
void verifyCheckpoint(const std::string &folder);

} // namespace hb
