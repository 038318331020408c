#include "runtime/formats/AdapterMerge.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Text.h"
#include "runtime/formats/Checkpoint.h"
#include "runtime/formats/ModelConfig.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <unistd.h>

namespace hb {
namespace {

constexpr std::string_view kWeight = ".weight", kIndex = ".index.";

/// How adapter files name the network of a component folder.
struct ComponentOfClass {
  std::string_view className, component;
};
constexpr ComponentOfClass kComponents[] = {{"UNet2DConditionModel", "unet"}, {"CLIPTextModel", "text_encoder"}, {"CLIPTextModelWithProjection", "text_encoder_2"}};

std::string componentOf(const std::string &folder) {
  ModelConfig config = ModelConfig::read(folder);
  std::string className = config.className(), known;
  for (const ComponentOfClass &row : kComponents) {
    if (row.className == className)
      return std::string(row.component);
    known += (known.empty() ? "" : ", ") + std::string(row.className);
  }
  throw Error(206, printable(config.path(), 1024), "a network that adapters are made for (" + known + ")", printable(className), "give the folder of such a network or of a pipeline");
}

/// Every layer of the checkpoint that adapters can belong to. A 1×1 convolution is a linear layer; larger ones are offered too,
/// so that an adapter for them is refused by its shape instead of being left out.
AdapterTarget targetOf(const Checkpoint &checkpoint, const std::string &component) {
  AdapterTarget target;
  target.component = component;
  target.maxRank = std::numeric_limits<int64_t>::max();
  for (const CheckpointTensor &tensor : checkpoint.tensors()) {
    if (!tensor.name.ends_with(kWeight))
      continue;
    std::string path = tensor.name.substr(0, tensor.name.size() - kWeight.size());
    target.modulePaths.push_back(path);
    if (tensor.shape.size() >= 2)
      target.sites.push_back({path, tensor.shape[0] ? tensor.info->elementCount() / tensor.shape[0] : 0, tensor.shape[0]});
  }
  return target;
}

/// One adapter's part in one weight.
struct Term {
  const AdapterModule *module;
  double scale;
};

double widened(DType type, const std::byte *at) {
  if (type == DType::F64) {
    double value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  float value;
  convertToFloat(type, at, 1, &value);
  return value;
}

/// Merges into a copy of the stored bytes, one row at a time.
void mergeTensor(const std::string &where, DType type, std::vector<std::byte> &bytes, const std::vector<Term> &terms) {
  int64_t in = terms[0].module->in, out = terms[0].module->out;
  size_t size = dtypeSize(type);
  std::vector<double> delta(in);
  for (int64_t n = 0; n < out; ++n) {
    std::fill(delta.begin(), delta.end(), 0.0);
    for (const Term &term : terms)
      for (int64_t r = 0; r < term.module->rank; ++r) {
        double factor = term.scale * static_cast<double>(term.module->b[n * term.module->rank + r]);
        const float *a = term.module->a.data() + r * in;
        for (int64_t k = 0; k < in; ++k)
          delta[k] += factor * static_cast<double>(a[k]);
      }
    for (int64_t k = 0; k < in; ++k) {
      std::byte *at = bytes.data() + (n * in + k) * size;
      if (!storeRounded(widened(type, at) + delta[k], type, at))
        throw Error(318, where, "weights that fit " + std::string(dtypeName(type)), "an overflow at element " + std::to_string(n * in + k), "use a smaller scale");
    }
  }
}

/// Removes a half-written folder unless it was renamed to its place.
class TemporaryFolder {
public:
  explicit TemporaryFolder(const std::string &target) : target_(target) {
    while (target_.size() > 1 && target_.ends_with('/'))
      target_.pop_back();
    std::filesystem::path parent = std::filesystem::path(target_).parent_path();
    path_ = ((parent.empty() ? std::filesystem::path(".") : parent) / ("." + baseName(target_) + "." + std::to_string(::getpid()) + ".tmp")).string();
    std::error_code error;
    // Looked at before hours of writing, though only the rename at the end decides.
    if (std::filesystem::exists(target_, error) && !std::filesystem::is_empty(target_, error))
      fail(std::filesystem::is_directory(target_, error) ? "a folder that is not empty" : "a file of that name");
    if (!std::filesystem::create_directory(path_, error))
      fail(error ? error.message() : "a temporary folder of an earlier run, " + path_);
    made_ = true;
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    if (made_)
      std::filesystem::remove_all(path_, ignored);
  }
  const std::string &path() const { return path_; }
  void commit() {
    if (::rename(path_.c_str(), target_.c_str()) != 0)
      fail(std::strerror(errno));
    made_ = false;
  }

private:
  [[noreturn]] void fail(const std::string &found) {
    throw Error(901, printable(target_, 1024), "a folder that can be made", found, "nothing was left there; choose another place");
  }
  std::string target_, path_;
  bool made_ = false;
};

/// Copies config.json, and an index when every shard it names is among those written: another variant's index would lead readers
/// to files that are not there.
void copySettings(const std::string &from, const std::string &to, const std::set<std::string> &written) {
  for (const auto &entry : std::filesystem::directory_iterator(from)) {
    std::string name = entry.path().filename().string();
    if (!name.ends_with(".json") || !isFile(entry.path().string()))
      continue;
    std::string contents = readTextFile(entry.path().string());
    if (name.find(kIndex) != std::string::npos) {
      nlohmann::json map = nlohmann::json::parse(contents, nullptr, false);
      bool ours = map.is_object() && map.contains("weight_map") && map["weight_map"].is_object();
      if (ours)
        for (const auto &shard : map["weight_map"])
          ours = ours && shard.is_string() && written.count(shard.get<std::string>());
      if (!ours)
        continue;
    }
    writeFileAtomically(joinPath(to, name), contents);
  }
}

} // namespace

bool storeRounded(double value, DType type, void *target) {
  if (type == DType::F64) {
    std::memcpy(target, &value, sizeof value);
    return true;
  }
  float narrow = static_cast<float>(value);
  if (type != DType::F32 && std::isfinite(narrow) && static_cast<double>(narrow) != value) {
    // Rounding twice could turn a near-tie into a tie. Round to odd first: cut towards zero, then set the last bit
    // (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
    uint32_t bits = std::bit_cast<uint32_t>(narrow);
    if (std::fabs(static_cast<double>(narrow)) > std::fabs(value))
      --bits;
    narrow = std::bit_cast<float>(bits | 1);
  }
  convertFromFloat(type, &narrow, 1, target);
  float stored;
  convertToFloat(type, target, 1, &stored);
  return std::isfinite(stored) || !std::isfinite(value);
}

MergeResult mergeAdapters(const std::string &folder, const std::vector<AdapterArgument> &arguments, const std::string &output) {
  MergeResult result;
  result.source = isPipelineFolder(folder) ? readPipelineIndex(folder).require("unet").folder : folder;
  std::string component = componentOf(result.source);
  Checkpoint checkpoint = Checkpoint::open(result.source);
  AdapterTarget target = targetOf(checkpoint, component);

  // Everything is read and checked before the first byte is written.
  std::vector<Adapter> adapters;
  for (const AdapterArgument &argument : arguments) {
    adapters.push_back(loadAdapter(argument.path, target));
    if (adapters.back().outsideTargets)
      throw Error(310, printable(adapters.back().path, 1024), "adapters of linear layers", "one for a layer that is none", "the adapter was made for another model");
    result.warnings.insert(result.warnings.end(), adapters.back().warnings.begin(), adapters.back().warnings.end());
  }
  std::map<const TensorInfo *, std::vector<Term>> terms;
  for (size_t i = 0; i < adapters.size(); ++i)
    for (const AdapterModule &module : adapters[i].modules) {
      const CheckpointTensor *tensor = checkpoint.find(module.path + std::string(kWeight));
      if (!isFloat(tensor->dtype))
        throw Error(232, checkpoint.where(*tensor), "F32, F16, BF16 or F64", std::string(dtypeName(tensor->dtype)), "convert the checkpoint");
      terms[tensor->info].push_back({&module, module.scale * arguments[i].scale});
    }

  TemporaryFolder temporary(output);
  std::set<std::string> written;
  for (const SafetensorsFile &file : checkpoint.files()) {
    std::vector<const TensorInfo *> order;
    for (const TensorInfo &info : file.tensors())
      order.push_back(&info);
    std::sort(order.begin(), order.end(), [](const TensorInfo *a, const TensorInfo *b) { return a->begin < b->begin; });
    // The header goes over as it is, padding and metadata included; the tensors fill the rest of the file without gaps.
    MappedFile raw(file.path());
    AtomicFile out(joinPath(temporary.path(), baseName(file.path())));
    out.write(raw.bytes().first(order.empty() ? raw.size() : file.fileOffset(*order.front())));
    for (const TensorInfo *info : order) {
      ++result.tensors;
      auto merged = terms.find(info);
      if (merged == terms.end()) {
        out.write(file.data(*info));
        continue;
      }
      auto data = file.data(*info);
      std::vector<std::byte> bytes(data.begin(), data.end());
      mergeTensor(file.where(*info), info->dtype, bytes, merged->second);
      out.write(bytes);
      ++result.merged;
    }
    out.commit();
    written.insert(baseName(file.path()));
  }
  copySettings(result.source, temporary.path(), written);
  temporary.commit();
  return result;
}

} // namespace hb
