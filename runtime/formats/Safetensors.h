// Reading and writing safetensors files (https://github.com/huggingface/safetensors, "Format").
//
// A file is: 8 bytes little-endian header length N; N bytes JSON {name: {dtype, shape, data_offsets: [begin, end]}}, optionally
// with "__metadata__": {string: string}; then raw little-endian row-major data. Offsets count from the end of the header.
#pragma once

#include "runtime/base/DType.h"
#include "runtime/base/MappedFile.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hb {

/// One tensor as the header describes it, already checked against the file.
struct TensorInfo {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;  ///< row-major; empty for a scalar; extents may be 0
  uint64_t begin = 0, end = 0; ///< byte offsets into the data area

  uint64_t byteSize() const { return end - begin; }
  /// Product of the shape; cannot overflow after validation.
  int64_t elementCount() const { return static_cast<int64_t>(byteSize() / dtypeSize(dtype)); }
};

/// The parsed and validated header of one file.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors; ///< in the order of the header
  std::map<std::string, std::string> metadata;
  uint64_t dataOffset = 0; ///< where the data area starts in the file
};

/// Parses the JSON of a header and checks it against a data area of `dataSize` bytes: every tensor inside it, sizes as the
/// shapes say, no overlap, no gap. `where` is the file's path for messages. Throws HB0211 – HB0218.
/// Memory stays within a small multiple of the text's length, whatever the text says.
SafetensorsHeader parseSafetensorsHeader(std::string_view json, uint64_t dataSize, const std::string &where);

/// An open file: header in memory, data mapped (or, in header-only mode, not touched at all).
class SafetensorsFile {
public:
  enum class Mode { Map, HeaderOnly };

  /// Throws HB0902 when the file cannot be read, HB0210 – HB0218 when it is not a sound safetensors file.
  static SafetensorsFile open(const std::string &path, Mode mode = Mode::Map);

  const std::string &path() const { return path_; }
  const std::vector<TensorInfo> &tensors() const { return header_.tensors; }
  const std::map<std::string, std::string> &metadata() const { return header_.metadata; }
  /// Null when there is no such tensor. The pointer lives as long as this object is not moved.
  const TensorInfo *find(std::string_view name) const;
  /// Where a tensor's bytes start in the file, for readers with their own mapping.
  uint64_t fileOffset(const TensorInfo &info) const { return header_.dataOffset + info.begin; }

  /// The bytes of a tensor, unaligned: header lengths are arbitrary. Only in Mode::Map.
  std::span<const std::byte> data(const TensorInfo &info) const;
  /// The pages of a tensor, from share `first` to share `last` (0…1) of it, leave this process's memory until somebody reads them again.
  void drop(const TensorInfo &info, double first, double last) const;
  /// The elements as floats, converted from any dtype. Only in Mode::Map.
  std::vector<float> readFloats(const TensorInfo &info) const;
  /// `path:tensor` for messages.
  std::string where(const TensorInfo &info) const;

private:
  std::string path_;
  MappedFile map_;
  SafetensorsHeader header_;
  std::unordered_map<std::string, size_t> index_;
  Mode mode_ = Mode::Map;
};

/// A tensor to write; `data` points at its row-major elements (byteSize as shape and dtype say), unaligned is fine.
struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  const void *data = nullptr;
};

/// Writes a file atomically (HB0901 on failure). The header is padded so that data starts at a multiple of 8, and tensors are
/// ordered by falling element size, then by name, so that every tensor is aligned; readers must not depend on the order.
void writeSafetensors(const std::string &path, std::vector<TensorView> tensors, const std::map<std::string, std::string> &metadata = {});

} // namespace hb
