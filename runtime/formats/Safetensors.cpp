#include "runtime/formats/Safetensors.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <unordered_set>

namespace hb {
namespace {

/// The limit of the reference implementation. SDXL's UNet has a header of 0.2 MB.
constexpr uint64_t kMaxHeader = 100'000'000;
constexpr uint64_t kLengthBytes = 8;

/// Checks the length before anything of that size is read or allocated.
uint64_t checkedHeaderLength(const unsigned char (&raw)[kLengthBytes], uint64_t fileSize, const std::string &path) {
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i)
    length = length << 8 | raw[i];
  std::string found = "a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(fileSize);
  if (length > fileSize - kLengthBytes)
    throw Error(210, printable(path, 1024), "a header within the file", found, "the file is cut off or no safetensors file; fetch it again");
  if (length > kMaxHeader)
    throw Error(210, printable(path, 1024), "a header of at most " + std::to_string(kMaxHeader) + " bytes", found, "this is no checkpoint");
  return length;
}

[[noreturn]] void failShort(const std::string &path, uint64_t size) {
  throw Error(210, printable(path, 1024), "a safetensors file (8 bytes of header length first)", std::to_string(size) + " bytes",
              "the file is cut off; fetch it again");
}

} // namespace

SafetensorsFile SafetensorsFile::open(const std::string &path, Mode mode) {
  SafetensorsFile file;
  file.path_ = path;
  file.mode_ = mode;
  unsigned char raw[kLengthBytes];
  if (mode == Mode::Map) {
    file.map_ = MappedFile(path);
    auto bytes = file.map_.bytes();
    if (bytes.size() < kLengthBytes)
      failShort(path, bytes.size());
    std::memcpy(raw, bytes.data(), kLengthBytes);
    uint64_t length = checkedHeaderLength(raw, bytes.size(), path);
    std::string_view json(reinterpret_cast<const char *>(bytes.data()) + kLengthBytes, length);
    file.header_ = parseSafetensorsHeader(json, bytes.size() - kLengthBytes - length, path);
    file.header_.dataOffset = kLengthBytes + length;
  } else {
    FileReader reader(path);
    if (reader.size() < kLengthBytes)
      failShort(path, reader.size());
    reader.read(0, raw, kLengthBytes);
    uint64_t length = checkedHeaderLength(raw, reader.size(), path);
    std::string json(length, '\0');
    reader.read(kLengthBytes, json.data(), length);
    file.header_ = parseSafetensorsHeader(json, reader.size() - kLengthBytes - length, path);
    file.header_.dataOffset = kLengthBytes + length;
  }
  for (size_t i = 0; i < file.header_.tensors.size(); ++i)
    file.index_.emplace(file.header_.tensors[i].name, i);
  return file;
}

const TensorInfo *SafetensorsFile::find(std::string_view name) const {
  auto it = index_.find(std::string(name));
  return it == index_.end() ? nullptr : &header_.tensors[it->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo &info) const {
  assert(mode_ == Mode::Map && "a header-only file has no data");
  return map_.bytes().subspan(static_cast<size_t>(fileOffset(info)), static_cast<size_t>(info.byteSize()));
}

void SafetensorsFile::drop(const TensorInfo &info, double first, double last) const {
  auto bytes = data(info);
  size_t begin = static_cast<size_t>(first * static_cast<double>(bytes.size())), end = std::min(bytes.size(), static_cast<size_t>(std::ceil(last * static_cast<double>(bytes.size()))));
  if (begin < end)
    map_.drop(bytes.subspan(begin, end - begin));
}

std::vector<float> SafetensorsFile::readFloats(const TensorInfo &info) const {
  std::vector<float> values(static_cast<size_t>(info.elementCount()));
  convertToFloat(info.dtype, data(info).data(), values.size(), values.data());
  return values;
}

std::string SafetensorsFile::where(const TensorInfo &info) const { return printable(path_, 1024) + ":" + printable(info.name); }

void writeSafetensors(const std::string &path, std::vector<TensorView> tensors, const std::map<std::string, std::string> &metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto &a, const auto &b) { return dtypeSize(a.dtype) != dtypeSize(b.dtype) ? dtypeSize(a.dtype) > dtypeSize(b.dtype) : a.name < b.name; });
  // Assembled as text: a JSON object that keeps its order searches linearly on every insertion.
  auto quoted = [](const std::string &name) { return nlohmann::json(name).dump(); };
  std::string text = "{";
  if (!metadata.empty())
    text += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  uint64_t offset = 0;
  std::vector<uint64_t> sizes;
  std::unordered_set<std::string_view> names;
  for (const auto &tensor : tensors) {
    if (!names.insert(tensor.name).second || tensor.name == "__metadata__" || !isUtf8(tensor.name))
      throw Error(999, printable(path, 1024), "distinct tensor names in UTF-8", printable(tensor.name), "please report this");
    uint64_t size = dtypeSize(tensor.dtype);
    for (int64_t extent : tensor.shape)
      size *= static_cast<uint64_t>(extent);
    sizes.push_back(size);
    if (text.size() > 1)
      text += ',';
    text += quoted(tensor.name) + ":{\"dtype\":\"" + std::string(dtypeName(tensor.dtype)) + "\",\"shape\":" + nlohmann::json(tensor.shape).dump() +
            ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + size) + "]}";
    offset += size;
  }
  text += '}';
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  unsigned char raw[kLengthBytes];
  for (size_t i = 0; i < kLengthBytes; ++i)
    raw[i] = static_cast<unsigned char>(text.size() >> (8 * i));

  AtomicFile file(path);
  file.write(raw, kLengthBytes);
  file.write(text);
  for (size_t i = 0; i < tensors.size(); ++i)
    file.write(tensors[i].data, sizes[i]);
  file.commit();
}

} // namespace hb
