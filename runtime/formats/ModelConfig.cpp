#include "runtime/formats/ModelConfig.h"

#include "runtime/base/Error.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/Text.h"

#include <algorithm>

namespace hb {
namespace {

constexpr JsonErrors kErrors{202, 203};

bool isPlainName(const std::string &name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

} // namespace

ModelConfig ModelConfig::parse(std::string_view text, const std::string &path) {
  ModelConfig config;
  config.path_ = path;
  config.json_ = std::make_shared<const nlohmann::json>(parseJson(text, printable(path, 1024), kErrors));
  (void)config.root(); // refuses anything but an object
  return config;
}

ModelConfig ModelConfig::read(const std::string &path, const std::string &name) {
  std::string file = isFile(path) ? path : joinPath(path, name);
  if (!isDirectory(path) && !isFile(path))
    throw Error(201, printable(path, 1024), "a model folder with a " + name, whyNoFile(path), "check the path");
  if (!isFile(file))
    throw Error(201, printable(file, 1024), "the config of a model", whyNoFile(file), "give the folder of one network or of a whole pipeline");
  return parse(readTextFile(file), file);
}

JsonObject ModelConfig::root() const { return JsonObject(*json_, printable(path_, 1024), kErrors); }

std::string ModelConfig::className() const {
  JsonObject object = root();
  if (object.has("_class_name"))
    return object.string("_class_name");
  if (!object.has("architectures"))
    object.fail("architectures", "the name of the network's class here or under \"_class_name\"", "neither");
  auto names = object.strings("architectures");
  if (names.empty())
    object.fail("architectures", "at least one class name", "an empty list");
  return names.front();
}

const PipelineComponent *PipelineIndex::find(const std::string &name) const {
  auto it = std::find_if(components.begin(), components.end(), [&](const auto &component) { return component.name == name; });
  return it == components.end() ? nullptr : &*it;
}

const PipelineComponent &PipelineIndex::require(const std::string &name) const {
  if (const PipelineComponent *component = find(name))
    return *component;
  throw Error(204, printable(path, 1024), "a component \"" + name + "\"", "none of that name", "this pipeline cannot do what was asked");
}

bool isPipelineFolder(const std::string &folder) { return isFile(joinPath(folder, "model_index.json")); }

PipelineIndex readPipelineIndex(const std::string &folder) {
  PipelineIndex index;
  index.config = ModelConfig::read(folder, "model_index.json");
  index.path = index.config.path();
  JsonObject root = index.config.root();
  index.className = root.string("_class_name");
  for (const std::string &key : root.keys()) {
    const nlohmann::json &value = root.json()[key];
    // Components are pairs [library, class]; everything else in the file is a setting. [null, null] means "not used".
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_string())
      continue;
    std::string where = printable(index.path, 1024) + ":" + printable(key);
    if (!isPlainName(key))
      throw Error(205, where, "a component name without slashes", printable(key), "correct the file");
    PipelineComponent component{key, value[0].get<std::string>(), value[1].get<std::string>(), joinPath(folder, key)};
    if (!isDirectory(component.folder))
      throw Error(204, where, "a folder " + printable(component.folder, 1024), whyNoFile(component.folder), "the download is incomplete");
    index.components.push_back(std::move(component));
  }
  std::sort(index.components.begin(), index.components.end(), [](const auto &a, const auto &b) { return a.name < b.name; });
  return index;
}

} // namespace hb
