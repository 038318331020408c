// Parsing and validation of a safetensors header. A streaming parser fills the records directly: a tree of JSON values would
// cost a hostile 100 MB header many times its size.
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/Safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <tuple>
#include <unordered_set>

namespace hb {
namespace {

/// Ranks beyond this are no tensors of a network.
constexpr size_t kMaxRank = 32;
constexpr const char *kFetch = "the file is damaged; fetch or write it again";

/// What the next value means. The grammar has three levels, so a state per place is simpler than a stack.
enum class State {
  Start,
  Name,
  TensorOpen,
  TensorKey,
  DTypeValue,
  ShapeOpen,
  ShapeItem,
  OffsetsOpen,
  OffsetsItem,
  MetadataOpen,
  MetadataKey,
  MetadataValue,
  Done
};

class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
public:
  HeaderReader(SafetensorsHeader &header, const std::string &where) : header_(header), where_(where) {}

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return integer(std::to_string(value), false, 0); }
  bool number_unsigned(number_unsigned_t value) override { return integer(std::to_string(value), true, value); }
  bool number_float(number_float_t, const string_t &text) override { return integer(printable(text, 40), false, 0); }
  bool binary(binary_t &) override { return scalar("binary data"); }

  bool string(string_t &value) override {
    if (state_ == State::DTypeValue) {
      auto dtype = parseDType(value);
      if (!dtype)
        throw Error(214, place(), "a known element type (F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL)", printable(value, 40),
                    "convert the file to one of them");
      tensor_.dtype = *dtype;
      state_ = State::TensorKey;
      return true;
    }
    if (state_ == State::MetadataValue) {
      header_.metadata[metadataKey_] = std::move(value);
      state_ = State::MetadataKey;
      return true;
    }
    return scalar("a string");
  }

  bool start_object(std::size_t) override {
    if (state_ == State::Start)
      state_ = State::Name;
    else if (state_ == State::TensorOpen)
      state_ = State::TensorKey;
    else if (state_ == State::MetadataOpen)
      state_ = State::MetadataKey;
    else
      return scalar("an object");
    return true;
  }

  bool key(string_t &key) override {
    if (state_ == State::Name)
      openEntry(key);
    else if (state_ == State::TensorKey)
      openField(key);
    else { // MetadataKey
      if (!header_.metadata.emplace(key, "").second)
        throw Error(212, where_ + ":__metadata__", "each key once", "\"" + printable(key) + "\" twice", kFetch);
      metadataKey_ = key;
      state_ = State::MetadataValue;
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::TensorKey)
      closeTensor();
    else
      state_ = state_ == State::Name ? State::Done : State::Name;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::ShapeOpen)
      state_ = State::ShapeItem;
    else if (state_ == State::OffsetsOpen)
      state_ = State::OffsetsItem;
    else
      return scalar("a list");
    return true;
  }

  bool end_array() override {
    state_ = State::TensorKey;
    return true;
  }

  bool parse_error(std::size_t position, const std::string &, const nlohmann::detail::exception &) override {
    throw Error(211, where_, "a header in JSON", "something else at byte " + std::to_string(position), kFetch);
  }

private:
  enum Field : unsigned { DTypeField = 1, ShapeField = 2, OffsetsField = 4 };

  std::string place() const { return where_ + ":" + printable(tensor_.name); }

  /// A value of the wrong kind for the present place.
  bool scalar(const std::string &found) {
    switch (state_) {
    case State::Start: throw Error(211, where_, "a header that is a JSON object", found, kFetch);
    case State::TensorOpen: throw Error(213, place(), "an object with dtype, shape and data_offsets", found, kFetch);
    case State::DTypeValue: throw Error(213, place(), "a string as dtype", found, kFetch);
    case State::ShapeOpen:
    case State::ShapeItem: throw Error(213, place(), "a list of non-negative integers as shape", found, kFetch);
    case State::OffsetsOpen: throw Error(213, place(), "a list of two integers as data_offsets", found, kFetch);
    case State::OffsetsItem: throw Error(215, place(), "two non-negative integers as data_offsets", found, kFetch);
    default: throw Error(213, where_ + ":__metadata__", "an object that maps strings to strings", found, kFetch);
    }
  }

  bool integer(const std::string &text, bool isUnsigned, uint64_t value) {
    if (state_ == State::ShapeItem && isUnsigned) {
      if (value > static_cast<uint64_t>(INT64_MAX))
        throw Error(216, place(), "extents of at most 63 bits", text, kFetch);
      if (tensor_.shape.size() == kMaxRank)
        throw Error(213, place(), "at most " + std::to_string(kMaxRank) + " dimensions", "more", kFetch);
      tensor_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ == State::OffsetsItem && isUnsigned && offsetCount_ < 2) {
      (offsetCount_++ == 0 ? tensor_.begin : tensor_.end) = value;
      return true;
    }
    return scalar(state_ == State::OffsetsItem && offsetCount_ == 2 ? "more than two numbers" : text);
  }

  void openEntry(const std::string &name) {
    if (name == "__metadata__") {
      if (seenMetadata_)
        throw Error(212, where_ + ":__metadata__", "each name once", "this one twice", kFetch);
      seenMetadata_ = true;
      state_ = State::MetadataOpen;
      return;
    }
    tensor_ = TensorInfo();
    tensor_.name = name;
    fields_ = offsetCount_ = 0;
    if (!names_.insert(name).second)
      throw Error(212, place(), "each name once", "this one twice", kFetch);
    state_ = State::TensorOpen;
  }

  void openField(const std::string &key) {
    static constexpr struct {
      const char *name;
      Field field;
      State next;
    } kFields[] = {{"dtype", DTypeField, State::DTypeValue}, {"shape", ShapeField, State::ShapeOpen}, {"data_offsets", OffsetsField, State::OffsetsOpen}};
    for (const auto &row : kFields)
      if (key == row.name) {
        if (fields_ & row.field)
          throw Error(212, place(), "each key once", "\"" + key + "\" twice", kFetch);
        fields_ |= row.field;
        state_ = row.next;
        return;
      }
    throw Error(213, place(), "the keys dtype, shape and data_offsets", "\"" + printable(key) + "\"", kFetch);
  }

  void closeTensor() {
    if (fields_ != (DTypeField | ShapeField | OffsetsField))
      throw Error(213, place(), "dtype, shape and data_offsets", "one of them missing", kFetch);
    if (offsetCount_ != 2)
      throw Error(213, place(), "two numbers as data_offsets", std::to_string(offsetCount_), kFetch);
    header_.tensors.push_back(std::move(tensor_));
    state_ = State::Name;
  }

  SafetensorsHeader &header_;
  const std::string &where_;
  State state_ = State::Start;
  TensorInfo tensor_;
  std::string metadataKey_;
  unsigned fields_ = 0, offsetCount_ = 0;
  bool seenMetadata_ = false;
  std::unordered_set<std::string> names_;
};

/// Bytes that shape and dtype need; nothing when that is more than 2^63.
std::optional<uint64_t> neededBytes(const TensorInfo &info) {
  // An extent of 0 makes any shape empty, so look for it first: [2^62, 2^62, 0] is a valid empty tensor.
  if (std::find(info.shape.begin(), info.shape.end(), 0) != info.shape.end())
    return 0;
  uint64_t bytes = dtypeSize(info.dtype);
  for (int64_t extent : info.shape)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes) || bytes > static_cast<uint64_t>(INT64_MAX))
      return std::nullopt;
  return bytes;
}

void checkTensor(const TensorInfo &info, uint64_t dataSize, const std::string &file) {
  std::string where = file + ":" + printable(info.name);
  std::string offsets = "data_offsets [" + std::to_string(info.begin) + ", " + std::to_string(info.end) + "]";
  if (info.begin > info.end)
    throw Error(215, where, "data_offsets in rising order", offsets, kFetch);
  if (info.end > dataSize)
    throw Error(215, where, "data within the file's " + std::to_string(dataSize) + " bytes of data", offsets, "the file is cut off or damaged; fetch it again");
  auto needed = neededBytes(info);
  std::string shape = std::string(dtypeName(info.dtype)) + " " + shapeText(info.shape);
  if (!needed)
    throw Error(216, where, "a shape that fits a file", shape, kFetch);
  if (*needed != info.byteSize())
    throw Error(216, where, std::to_string(*needed) + " bytes for " + shape, std::to_string(info.byteSize()) + " bytes (" + offsets + ")", kFetch);
}

/// Every byte of the data area must belong to exactly one tensor.
void checkLayout(const SafetensorsHeader &header, uint64_t dataSize, const std::string &file) {
  std::vector<const TensorInfo *> order; // empty tensors own no byte, so where they point does not matter
  for (const auto &info : header.tensors)
    if (info.byteSize() > 0)
      order.push_back(&info);
  auto rank = [](const TensorInfo *info) { return std::tie(info->begin, info->end, info->name); };
  std::sort(order.begin(), order.end(), [&](auto *a, auto *b) { return rank(a) < rank(b); });
  auto whereIs = [&](const TensorInfo *info) { return file + ":" + printable(info->name); };
  // Overlaps first: a tensor moved onto another leaves a gap behind, and the overlap is what went wrong.
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i]->begin < order[i - 1]->end)
      throw Error(217, whereIs(order[i]), "data of its own",
                  "bytes " + std::to_string(order[i]->begin) + " to " + std::to_string(std::min(order[i - 1]->end, order[i]->end)) + " shared with " +
                      printable(order[i - 1]->name),
                  kFetch);
  uint64_t end = 0;
  for (const TensorInfo *info : order) {
    if (info->begin > end)
      throw Error(218, whereIs(info), "data right after the tensor before it, at " + std::to_string(end), "data at " + std::to_string(info->begin), kFetch);
    end = info->end;
  }
  if (end != dataSize)
    throw Error(218, file, std::to_string(end) + " bytes of data", std::to_string(dataSize), "the header does not belong to this data; fetch the file again");
}

} // namespace

SafetensorsHeader parseSafetensorsHeader(std::string_view json, uint64_t dataSize, const std::string &where) {
  SafetensorsHeader header;
  std::string file = printable(where, 1024);
  if (!isUtf8(json))
    throw Error(211, file, "a header in UTF-8", "other bytes", kFetch);
  HeaderReader reader(header, file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  for (const auto &info : header.tensors)
    checkTensor(info, dataSize, file);
  checkLayout(header, dataSize, file);
  return header;
}

} // namespace hb
