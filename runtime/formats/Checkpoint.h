// The weights of one network: one safetensors file or several, under the names the libraries write.
#pragma once

#include "runtime/formats/Safetensors.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hb {

/// A tensor of a checkpoint under its present-day name.
struct CheckpointTensor {
  std::string name; ///< legacy spellings already renamed
  DType dtype = DType::F32;
  std::vector<int64_t> shape;       ///< legacy [C, C, 1, 1] attention weights already squeezed to [C, C]
  size_t file = 0;                  ///< index into Checkpoint::files()
  const TensorInfo *info = nullptr; ///< name and shape as spelled in the file
};

/// An open component folder (or a single weights file).
///
/// Names that changed over the years resolve to the same tensor:
///  * VAE attention `query`, `key`, `value`, `proj_attn` are `to_q`, `to_k`, `to_v`, `to_out.0` (renamed on open);
///  * CLIPTextModel saved by transformers 5 lacks the prefix `text_model.` (either spelling finds the other).
/// Buffers that are no parameters (`*.position_ids`) are left out.
class Checkpoint {
public:
  /// Opens a folder: tries the basenames `diffusion_pytorch_model` and `model`, each as a single file, as shards with an
  /// index, and as the `.fp16.` variant of both, in this order; or opens one file when `path` is a file.
  /// Throws HB0210 – HB0225, HB0902. In header-only mode no data is mapped.
  static Checkpoint open(const std::string &path, SafetensorsFile::Mode mode = SafetensorsFile::Mode::Map);

  Checkpoint(Checkpoint &&) = default;
  Checkpoint &operator=(Checkpoint &&) = default;

  /// The folder or file given to open().
  const std::string &path() const { return path_; }
  const std::vector<SafetensorsFile> &files() const { return files_; }
  /// Every tensor, sorted by name: the signature a module records.
  const std::vector<CheckpointTensor> &tensors() const { return tensors_; }
  /// Null when no spelling of the name is there.
  const CheckpointTensor *find(std::string_view name) const;

  /// The parameter `name` with exactly this shape and a floating dtype (or exactly `dtype` when given).
  /// HB0230 missing, HB0231 another shape, HB0232 another type; the message names file and tensor.
  const CheckpointTensor &require(const std::string &name, const std::vector<int64_t> &shape, std::optional<DType> dtype = std::nullopt) const;
  /// Throws HB0233 naming the first tensor that is not among `used` and does not start with an `allowed` prefix.
  void requireAllUsed(const std::vector<const CheckpointTensor *> &used, const std::vector<std::string> &allowedPrefixes = {}) const;

  std::span<const std::byte> data(const CheckpointTensor &tensor) const { return files_[tensor.file].data(*tensor.info); }
  /// The pages of a tensor, from share `first` to share `last` (0…1) of it, leave this process's memory until somebody reads them again.
  void drop(const CheckpointTensor &tensor, double first, double last) const { files_[tensor.file].drop(*tensor.info, first, last); }
  std::vector<float> readFloats(const CheckpointTensor &tensor) const { return files_[tensor.file].readFloats(*tensor.info); }
  /// `file:tensor as spelled there`, for messages.
  std::string where(const CheckpointTensor &tensor) const { return files_[tensor.file].where(*tensor.info); }

private:
  Checkpoint() = default;
  void openSharded(const std::string &folder, const std::string &indexFile, SafetensorsFile::Mode mode);
  void collect();

  std::string path_;
  std::vector<SafetensorsFile> files_;
  std::vector<CheckpointTensor> tensors_;
  std::unordered_map<std::string, size_t> index_;
};

/// The present-day name of a legacy spelling; other names come back unchanged.
std::string modernTensorName(const std::string &name);

} // namespace hb
