#include "runtime/formats/Checkpoint.h"

#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/Text.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace hb {
namespace {

constexpr std::string_view kTextPrefix = "text_model.";
constexpr const char *kBaseNames[] = {"diffusion_pytorch_model", "model"};

/// File names tried for each basename, in order of preference; `index` marks the table of a sharded checkpoint. The two index
/// spellings of the variant are diffusers' new one and the one both libraries used before.
struct Candidate {
  const char *suffix;
  bool index;
};
constexpr Candidate kCandidates[] = {{".safetensors", false},
                                     {".safetensors.index.json", true},
                                     {".fp16.safetensors", false},
                                     {".fp16.safetensors.index.json", true},
                                     {".safetensors.index.fp16.json", true}};

/// Old diffusers names of the VAE's attention, by the last component before weight/bias.
struct Rename {
  std::string_view legacy, modern;
};
constexpr Rename kAttentionRenames[] = {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}};

/// Splits "….attentions.<digits>.<rest>" of the VAE (where <rest> follows the number at once); npos when it is none.
size_t attentionTail(const std::string &name) {
  constexpr std::string_view kKey = ".attentions.";
  size_t at = name.rfind(kKey);
  if (at == std::string::npos)
    return at;
  size_t digits = at + kKey.size(), end = name.find_first_not_of("0123456789", digits);
  return end == std::string::npos || end == digits || name[end] != '.' ? std::string::npos : end + 1;
}

bool isBuffer(std::string_view name) { return name == "position_ids" || name.ends_with(".position_ids"); }

/// True for a modern VAE attention projection's weight: these were 1×1 convolutions in old checkpoints.
bool isAttentionProjection(const std::string &modern) {
  size_t tail = attentionTail(modern);
  if (tail == std::string::npos)
    return false;
  std::string_view rest = std::string_view(modern).substr(tail);
  return std::any_of(std::begin(kAttentionRenames), std::end(kAttentionRenames),
                     [&](const Rename &row) { return rest == std::string(row.modern) + ".weight"; });
}

} // namespace

std::string modernTensorName(const std::string &name) {
  size_t tail = attentionTail(name);
  if (tail == std::string::npos)
    return name;
  size_t dot = name.find('.', tail);
  std::string_view part = std::string_view(name).substr(tail, dot == std::string::npos ? dot : dot - tail);
  for (const Rename &row : kAttentionRenames)
    if (part == row.legacy)
      return name.substr(0, tail) + std::string(row.modern) + name.substr(tail + part.size());
  return name;
}

Checkpoint Checkpoint::open(const std::string &path, SafetensorsFile::Mode mode) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  if (isFile(path)) {
    checkpoint.files_.push_back(SafetensorsFile::open(path, mode));
    checkpoint.collect();
    return checkpoint;
  }
  for (const char *base : kBaseNames)
    for (const Candidate &candidate : kCandidates) {
      std::string file = joinPath(path, base + std::string(candidate.suffix));
      if (!isFile(file))
        continue;
      if (candidate.index)
        checkpoint.openSharded(path, file, mode);
      else
        checkpoint.files_.push_back(SafetensorsFile::open(file, mode));
      checkpoint.collect();
      return checkpoint;
    }
  // A folder that cannot be searched looks empty; asking for a name in it tells.
  std::string reason = whyNoFile(joinPath(path, "model.safetensors"));
  throw Error(220, printable(path, 1024), "diffusion_pytorch_model.safetensors or model.safetensors (or shards with an index, or .fp16. variants)",
              reason != "no such file" ? reason
              : isDirectory(path)      ? "none of them"
                                       : "no such folder",
              "check the path; other formats must be saved as safetensors first");
}

void Checkpoint::openSharded(const std::string &folder, const std::string &indexFile, SafetensorsFile::Mode mode) {
  std::string where = printable(indexFile, 1024);
  nlohmann::json document = parseJson(readTextFile(indexFile), where, {221, 221});
  JsonObject map = JsonObject(document, where, {221, 221}).object("weight_map");
  // Every name is checked before any file is opened: an index that tries to escape is refused whatever else is wrong.
  std::set<std::string> shards;
  for (const std::string &tensor : map.keys()) {
    std::string shard = map.string(tensor);
    if (shard.empty() || shard == "." || shard == ".." || shard.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      throw Error(222, where + ":" + printable(tensor), "the name of a file beside the index", printable(shard), "fetch the index again from a trusted place");
    shards.insert(shard);
  }
  if (shards.empty())
    throw Error(221, where, "at least one tensor in weight_map", "none", "fetch the index again");
  std::unordered_map<std::string, size_t> position;
  for (const std::string &shard : shards) {
    std::string file = joinPath(folder, shard);
    if (!isFile(file))
      throw Error(223, printable(file, 1024), "a shard that " + baseName(where) + " names", whyNoFile(file), "the download is incomplete; fetch it again");
    position[shard] = files_.size();
    files_.push_back(SafetensorsFile::open(file, mode));
  }
  for (const std::string &tensor : map.keys()) {
    std::string shard = map.string(tensor);
    if (!files_[position[shard]].find(tensor))
      throw Error(224, where + ":" + printable(tensor), "this tensor in " + printable(shard), "no such tensor there",
                  "index and shards are of different checkpoints; fetch both again");
  }
}

void Checkpoint::collect() {
  for (size_t file = 0; file < files_.size(); ++file)
    for (const TensorInfo &info : files_[file].tensors()) {
      if (isBuffer(info.name))
        continue;
      CheckpointTensor tensor{modernTensorName(info.name), info.dtype, info.shape, file, &info};
      const auto &shape = tensor.shape;
      if (shape.size() == 4 && shape[0] == shape[1] && shape[2] == 1 && shape[3] == 1 && isAttentionProjection(tensor.name))
        tensor.shape.resize(2);
      tensors_.push_back(std::move(tensor));
    }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto &a, const auto &b) { return std::tie(a.name, a.file, a.info) < std::tie(b.name, b.file, b.info); });
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!index_.emplace(tensors_[i].name, i).second)
      throw Error(225, where(tensors_[i]), "each tensor once", "it is also in " + where(tensors_[i - 1]), "remove one of the two");
}

const CheckpointTensor *Checkpoint::find(std::string_view name) const {
  auto look = [&](const std::string &spelling) -> const CheckpointTensor * {
    auto it = index_.find(spelling);
    return it == index_.end() ? nullptr : &tensors_[it->second];
  };
  std::string exact = modernTensorName(std::string(name));
  if (const CheckpointTensor *tensor = look(exact))
    return tensor;
  return exact.starts_with(kTextPrefix) ? look(exact.substr(kTextPrefix.size())) : look(std::string(kTextPrefix) + exact);
}

const CheckpointTensor &Checkpoint::require(const std::string &name, const std::vector<int64_t> &shape, std::optional<DType> dtype) const {
  const CheckpointTensor *tensor = find(name);
  std::string need = std::string(dtype ? dtypeName(*dtype) : "a parameter") + " " + shapeText(shape);
  if (!tensor) {
    std::string place = files_.size() == 1 ? files_[0].path() : path_;
    throw Error(230, printable(place, 1024) + ":" + printable(name), need, "no such tensor",
                "config and weights are of different models, or the file is incomplete");
  }
  if (tensor->shape != shape)
    throw Error(231, where(*tensor), need, shapeText(tensor->info->shape), "config and weights are of different models");
  if (dtype ? tensor->dtype != *dtype : !isFloat(tensor->dtype))
    throw Error(232, where(*tensor), dtype ? std::string(dtypeName(*dtype)) : "F32, F16, BF16 or F64", std::string(dtypeName(tensor->dtype)),
                dtype ? "compile again for this checkpoint" : "convert the checkpoint");
  return *tensor;
}

void Checkpoint::requireAllUsed(const std::vector<const CheckpointTensor *> &used, const std::vector<std::string> &allowedPrefixes) const {
  std::set<const CheckpointTensor *> known(used.begin(), used.end());
  for (const CheckpointTensor &tensor : tensors_) {
    bool allowed = std::any_of(allowedPrefixes.begin(), allowedPrefixes.end(), [&](const std::string &prefix) { return tensor.name.starts_with(prefix); });
    if (!allowed && !known.count(&tensor))
      throw Error(233, where(tensor), "only parameters of the network", "a tensor no parameter asks for, " + shapeText(tensor.info->shape),
                  "config and weights are of different models");
  }
}

} // namespace hb
