#include "runtime/train/TrainCheckpoint.h"

#include "runtime/base/AtomicFile.h"
#include "runtime/base/Error.h"
#include "runtime/base/Json.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"
#include "runtime/formats/AdapterWriter.h"
#include "runtime/formats/Safetensors.h"
#include "runtime/train/Crc32c.h"
#include "runtime/train/WholeFolder.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace hb {
namespace fs = std::filesystem;
namespace {

constexpr const char *kPrefix = "checkpoint-", *kStateFile = "state.json", *kOptimizerFile = "optimizer.safetensors", *kAdapterFile = "adapter_model.safetensors",
                     *kConfigFile = "config.resolved.toml";
constexpr const char *kFiles[] = {kAdapterFile, "adapter_config.json", kOptimizerFile, kConfigFile};
constexpr int64_t kFormat = 1;
constexpr JsonErrors kErrors{660, 660};

/// The number in "checkpoint-<number>"; −1 for other names.
int64_t stepOf(const std::string &name) {
  if (name.rfind(kPrefix, 0) != 0)
    return -1;
  std::string digits = name.substr(std::strlen(kPrefix));
  if (digits.empty() || digits.size() > 15 || digits.find_first_not_of("0123456789") != digits.npos)
    return -1;
  return std::stoll(digits);
}

/// The tensors of a group ("exp_avg", "exp_avg_sq", "ema") as views.
void addGroup(std::vector<TensorView> &views, const std::string &group, const TrainState &state, const std::vector<std::vector<float>> &tensors) {
  std::vector<std::string> names = trainableNames(state.adapter);
  for (size_t i = 0; i < tensors.size(); ++i)
    views.push_back({group + "." + names[i], DType::F32, {static_cast<int64_t>(tensors[i].size())}, tensors[i].data()});
}

void readGroup(const SafetensorsFile &file, const std::string &prefix, const std::vector<std::string> &names, const std::vector<std::span<float>> &targets) {
  for (size_t i = 0; i < targets.size(); ++i) {
    const TensorInfo *info = file.find(prefix + names[i]);
    if (!info || info->dtype != DType::F32 || info->elementCount() != static_cast<int64_t>(targets[i].size()))
      throw Error(660, printable(file.path() + ":" + prefix + names[i], 1024), "a float32 tensor of " + std::to_string(targets[i].size()) + " elements", info ? std::to_string(info->elementCount()) : "none",
                  "resume from another checkpoint");
    std::memcpy(targets[i].data(), file.data(*info).data(), targets[i].size_bytes());
  }
}

nlohmann::json fileSum(const std::string &path) {
  MappedFile file(path);
  return {{"bytes", file.size()}, {"crc32c", crc32c(file.bytes())}};
}

/// Reads state.json and compares every file with what it says.
nlohmann::json verifiedState(const std::string &folder) {
  std::string where = printable(joinPath(folder, kStateFile), 1024);
  if (!isFile(joinPath(folder, kStateFile)))
    throw Error(660, where, "the state of a checkpoint", whyNoFile(joinPath(folder, kStateFile)), "resume from another checkpoint");
  nlohmann::json document = parseJson(readTextFile(joinPath(folder, kStateFile)), where, kErrors);
  JsonObject root(document, where, kErrors);
  if (root.integer("format") != kFormat)
    root.fail("format", std::to_string(kFormat), std::to_string(root.integer("format")));
  for (const char *name : kFiles) {
    std::string path = joinPath(folder, name);
    JsonObject sums = root.object("files").object(name);
    if (!isFile(path))
      throw Error(660, printable(path, 1024), "a file of the checkpoint", whyNoFile(path), "resume from another checkpoint");
    nlohmann::json now = fileSum(path);
    for (const char *key : {"bytes", "crc32c"})
      if (now[key] != sums.require(key))
        throw Error(660, printable(path, 1024), std::string(key) + " " + sums.require(key).dump(), now[key].dump(), "resume from another checkpoint");
  }
  return document;
}

/// The newest sound checkpoint beside a damaged one, older than it.
std::string olderSound(const std::string &folder) {
  fs::path path(folder);
  if (path.filename().empty())
    path = path.parent_path();
  std::vector<std::string> all = listCheckpoints(path.parent_path().empty() ? "." : path.parent_path().string());
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (stepOf(fs::path(*it).filename().string()) >= stepOf(path.filename().string()))
      continue;
    try {
      verifyCheckpoint(*it);
      return *it;
    } catch (const Error &) {
    }
  }
  return "";
}

void requireIdentity(const std::string &where, const nlohmann::json &stored, const RunIdentity &identity) {
  for (const auto &[name, value] : identity) {
    std::string before = stored.value(name, std::string("nothing"));
    if (before != value)
      throw Error(662, where + ":" + name, "'" + printable(before) + "' as in the checkpoint", "'" + printable(value) + "'", "use the run's config.resolved.toml, or start a new run with adapter.resume_from");
  }
}

} // namespace

std::string saveCheckpoint(const std::string &outputDir, const TrainState &state, const CheckpointSettings &settings) {
  std::string target = joinPath(outputDir, kPrefix + std::to_string(state.step));
  WholeFolder folder(target);
  writePeftFolder(folder.path(), state.adapter, {settings.targetModules, settings.dropout, ""});
  std::vector<TensorView> views;
  addGroup(views, "exp_avg", state, state.average);
  addGroup(views, "exp_avg_sq", state, state.averageSquares);
  addGroup(views, "ema", state, state.ema);
  writeSafetensors(joinPath(folder.path(), kOptimizerFile), std::move(views));
  writeFileAtomically(joinPath(folder.path(), kConfigFile), settings.resolvedConfig);
  nlohmann::ordered_json document = {{"format", kFormat}, {"step", state.step}, {"samples", state.samples}, {"ema", !state.ema.empty()}};
  if (state.best)
    document["best"] = {{"reward", state.best->reward}, {"step", state.best->step}};
  if (state.validationPending)
    document["validation_pending"] = true;
  document["identity"] = settings.identity;
  for (const char *name : kFiles)
    document["files"][name] = fileSum(joinPath(folder.path(), name));
  writeFileAtomically(joinPath(folder.path(), kStateFile), document.dump(1) + "\n");
  folder.commit();
  return target;
}

std::vector<std::string> listCheckpoints(const std::string &outputDir) {
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(outputDir, error)) {
    int64_t step = stepOf(entry.path().filename().string());
    if (step >= 0 && entry.is_directory(error))
      found.emplace_back(step, joinPath(outputDir, entry.path().filename().string()));
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  for (auto &[step, path] : found)
    paths.push_back(std::move(path));
  return paths;
}

void limitCheckpoints(const std::string &outputDir, int64_t limit) {
  std::vector<std::string> all = listCheckpoints(outputDir);
  for (size_t i = 0; limit > 0 && i + static_cast<size_t>(limit) < all.size(); ++i)
    removeWholeFolder(all[i]);
}

std::string findCheckpoint(const std::string &which, const std::string &outputDir) {
  if (which != "latest") {
    if (!isDirectory(which))
      throw Error(661, printable(which, 1024), "the folder of a checkpoint", "no such folder", "give --resume latest or the path of a checkpoint-<step> folder");
    return which;
  }
  std::vector<std::string> all = listCheckpoints(outputDir);
  if (all.empty())
    throw Error(661, printable(outputDir, 1024), "a checkpoint-<step> folder", "none", "start without --resume");
  return all.back();
}

void verifyCheckpoint(const std::string &folder) { verifiedState(folder); }

void loadCheckpoint(const std::string &folder, const RunIdentity &identity, TrainState &state) {
  std::string where = printable(joinPath(folder, kStateFile), 1024);
  nlohmann::json document;
  try {
    document = verifiedState(folder);
  } catch (const Error &error) {
    std::string older = error.number() == 660 ? olderSound(folder) : "";
    if (older.empty())
      throw;
    throw Error(660, printable(folder, 1024), "a sound checkpoint", error.what(), "an older one is sound: --resume " + older);
  }
  JsonObject root(document, where, kErrors);
  requireIdentity(where, root.require("identity"), identity);
  std::vector<std::string> names = trainableNames(state.adapter);
  SafetensorsFile adapter = SafetensorsFile::open(joinPath(folder, kAdapterFile));
  readGroup(adapter, "base_model.model.", names, trainableTensors(state.adapter));
  SafetensorsFile optimizer = SafetensorsFile::open(joinPath(folder, kOptimizerFile));
  readGroup(optimizer, "exp_avg.", names, {state.average.begin(), state.average.end()});
  readGroup(optimizer, "exp_avg_sq.", names, {state.averageSquares.begin(), state.averageSquares.end()});
  if (root.boolean("ema", false) && !state.ema.empty())
    readGroup(optimizer, "ema.", names, {state.ema.begin(), state.ema.end()});
  state.step = root.integer("step");
  state.samples = root.integer("samples");
  state.validationPending = root.boolean("validation_pending", false);
  state.best.reset();
  if (root.has("best"))
    state.best = BestReward{root.object("best").number("reward"), root.object("best").integer("step")};
}

} // namespace hb
