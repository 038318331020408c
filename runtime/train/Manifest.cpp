#include "runtime/train/Manifest.h"

#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/pipeline/Random.h"
#include "runtime/train/Crc32c.h"

#include <cstdio>

namespace hb {
namespace {

constexpr JsonErrors kErrors{655, 655};
constexpr uint64_t kMaxBytes = uint64_t(1) << 32;

TrainRecord parseRecord(std::string_view line, const std::string &where, const std::string &folder, bool needSeed) {
  nlohmann::json value = parseJson(line, where, kErrors);
  if (!value.is_object())
    throw Error(655, where, "a JSON object", value.type_name(), "write one object a line");
  JsonObject object(value, where, kErrors);
  TrainRecord record;
  record.image = object.string("image");
  record.prompt = object.string("prompt");
  record.context = object.string("context_description", "");
  if (record.image.empty())
    object.fail("image", "the path of a picture", "an empty text");
  if (record.text().empty())
    object.fail("prompt", "a text", "an empty one");
  if (object.has("seed"))
    record.seed = object.integer("seed");
  else if (needSeed)
    object.fail("seed", "an integer, because sampler.seed is -1", "none");
  if (record.image[0] != '/')
    record.image = joinPath(folder, record.image);
  return record;
}

} // namespace

Manifest Manifest::parse(const std::string &text, const std::string &path, bool needSeed) {
  Manifest manifest;
  manifest.path = path;
  std::string shown = printable(path, 1024);
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string_view rest = text;
  for (int64_t number = 1; !rest.empty(); ++number) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == line.npos)
      continue;
    manifest.records.push_back(parseRecord(line, shown + ":" + std::to_string(number), folder, needSeed));
    manifest.records.back().line = number;
  }
  if (manifest.records.empty())
    throw Error(656, shown, "at least one record", "none", "write one JSON object a line");
  char print[40];
  std::snprintf(print, sizeof print, "%zu-%08x", text.size(), crc32c(text));
  manifest.fingerprint = print;
  return manifest;
}

Manifest Manifest::read(const std::string &path, bool needSeed) { return parse(readTextFile(path, kMaxBytes), path, needSeed); }

int64_t RecordOrder::at(int64_t position) {
  if (!shuffle_)
    return position % count_;
  if (epochOf(position) != epoch_) {
    epoch_ = epochOf(position);
    order_ = CpuGenerator(seed_ + static_cast<uint64_t>(epoch_)).permutation(count_);
  }
  return order_[static_cast<size_t>(position % count_)];
}

} // namespace hb
