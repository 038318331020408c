// Component folders of full size, made of holes, and what importing them gives.
#pragma once

#include "frontend/Frontend.h"
#include "runtime/base/Error.h"
#include "tests/models/PublishedKeys.h"

#include "dialects/nn/Nn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace hb {

/// A folder that goes away with the test.
class ModelFolder {
public:
  ModelFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hb-models-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ModelFolder() { std::filesystem::remove_all(path_); }

  const std::string &path() const { return path_; }
  /// Writes `folder`/config.json and `folder`/`file`; an empty folder is the model itself.
  void component(const std::string &folder, const std::string &config, const KeyList &keys, const std::string &file = "model.safetensors") const {
    std::string where = path_ + (folder.empty() ? "" : "/" + folder);
    std::filesystem::create_directories(where);
    std::ofstream(where + "/config.json") << config;
    keys.writeSparse(where + "/" + file);
  }

private:
  std::string path_;
};

/// The entries and parameters of an import, or its messages.
struct ModelImport {
  std::set<std::string> entries;
  std::set<std::pair<std::string, std::string>> parameters; ///< scope and key
  std::string messages;
};

inline ModelImport importFolder(ImportOptions options) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticSink sink;
  ModelImport result;
  try {
    if (auto module = importModel(context, options, sink)) {
      module->walk([&](mlir::func::FuncOp function) { result.entries.insert(function.getName().str()); });
      module->walk([&](nn::ParamOp param) { result.parameters.emplace(param.getScope().str(), param.getKey().str()); });
    }
    result.messages = sink.render();
  } catch (const Error &error) {
    result.messages = error.what();
  }
  return result;
}

inline constexpr const char *kSdxlUNetConfig = R"({"_class_name": "UNet2DConditionModel", "act_fn": "silu", "addition_embed_type": "text_time",
  "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280], "center_input_sample": false, "class_embed_type": null,
  "cross_attention_dim": 2048, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "downsample_padding": 1, "flip_sin_to_cos": true,
  "freq_shift": 0, "in_channels": 4, "layers_per_block": 2, "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05,
  "norm_num_groups": 32, "out_channels": 4, "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0, "resnet_time_scale_shift": "default",
  "sample_size": 128, "time_embedding_type": "positional", "transformer_layers_per_block": [1, 2, 10],
  "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "upcast_attention": null, "use_linear_projection": true})";

inline constexpr const char *kSdxlVaeConfig = R"({"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
  "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"], "force_upcast": true, "in_channels": 3,
  "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 1024, "scaling_factor": 0.13025,
  "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]})";

} // namespace hb
