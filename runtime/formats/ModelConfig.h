// config.json and model_index.json: what a checkpoint says about itself.
#pragma once

#include "runtime/base/Json.h"

#include <memory>
#include <string>
#include <vector>

namespace hb {

/// One JSON config and the path it was read from. Copies share the document.
class ModelConfig {
public:
  /// Reads `folder/name`, or `path` itself when it is a file. HB0201 missing, HB0202 not JSON, HB0203 not an object.
  static ModelConfig read(const std::string &path, const std::string &name = "config.json");
  /// A config from text, for tests and for configs stored inside a module.
  static ModelConfig parse(std::string_view text, const std::string &path);

  const std::string &path() const { return path_; }
  const nlohmann::json &json() const { return *json_; }
  /// Typed access; errors name the file and the key (HB0203).
  JsonObject root() const;
  /// `_class_name` (diffusers) or the first of `architectures` (transformers); HB0203 when neither is there.
  std::string className() const;

private:
  std::string path_;
  std::shared_ptr<const nlohmann::json> json_;
};

/// One component of a pipeline folder.
struct PipelineComponent {
  std::string name;      ///< the key in model_index.json, e.g. "text_encoder_2"
  std::string library;   ///< "diffusers", "transformers", or a file of custom code
  std::string className; ///< e.g. "CLIPTextModelWithProjection"
  std::string folder;    ///< the path of its folder
};

/// A pipeline folder's table of contents.
struct PipelineIndex {
  std::string path;                          ///< of model_index.json
  std::string className;                     ///< e.g. "StableDiffusionXLPipeline"
  std::vector<PipelineComponent> components; ///< sorted by name; those set to null are left out
  ModelConfig config;

  const PipelineComponent *find(const std::string &name) const;
  /// HB0204 when the index names no such component.
  const PipelineComponent &require(const std::string &name) const;
};

/// True when the folder holds a model_index.json.
bool isPipelineFolder(const std::string &folder);
/// Reads the index and checks that every named component's folder exists. HB0201 – HB0205.
PipelineIndex readPipelineIndex(const std::string &folder);

} // namespace hb
