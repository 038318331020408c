#include "tests/models/PublishedKeys.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace hb {
namespace {

std::string at(const std::string &list, int64_t index) { return list + "." + std::to_string(index); }

int64_t count(const std::vector<int64_t> &shape) {
  int64_t product = 1;
  for (int64_t extent : shape)
    product *= extent;
  return product;
}

void resnet(KeyList &keys, const std::string &name, int64_t in, int64_t out, int64_t time) {
  keys.norm(name + ".norm1", in);
  keys.conv(name + ".conv1", out, in, 3);
  if (time)
    keys.linear(name + ".time_emb_proj", out, time);
  keys.norm(name + ".norm2", out);
  keys.conv(name + ".conv2", out, out, 3);
  if (in != out)
    keys.conv(name + ".conv_shortcut", out, in, 1);
}

void transformer(KeyList &keys, const std::string &name, int64_t width, int64_t depth, int64_t context) {
  keys.norm(name + ".norm", width);
  keys.linear(name + ".proj_in", width, width);
  keys.linear(name + ".proj_out", width, width);
  for (int64_t k = 0; k < depth; ++k) {
    std::string block = at(name + ".transformer_blocks", k);
    for (const char *norm : {".norm1", ".norm2", ".norm3"})
      keys.norm(block + norm, width);
    for (auto [attention, source] : {std::pair(".attn1", width), std::pair(".attn2", context)}) {
      keys.linear(block + attention + ".to_q", width, width, false);
      keys.linear(block + attention + ".to_k", width, source, false);
      keys.linear(block + attention + ".to_v", width, source, false);
      keys.linear(block + attention + ".to_out.0", width, width);
    }
    keys.linear(block + ".ff.net.0.proj", 8 * width, width);
    keys.linear(block + ".ff.net.2", width, 4 * width);
  }
}

void clipLayers(KeyList &keys, const std::string &tower, int64_t width, int64_t layers, int64_t inner) {
  for (int64_t i = 0; i < layers; ++i) {
    std::string layer = at(tower + ".encoder.layers", i);
    for (const char *projection : {".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj", ".self_attn.out_proj"})
      keys.linear(layer + projection, width, width);
    keys.norm(layer + ".layer_norm1", width);
    keys.norm(layer + ".layer_norm2", width);
    keys.linear(layer + ".mlp.fc1", inner, width);
    keys.linear(layer + ".mlp.fc2", width, inner);
  }
}

} // namespace

void KeyList::linear(const std::string &name, int64_t out, int64_t in, bool bias) {
  tensor(name + ".weight", {out, in});
  if (bias)
    tensor(name + ".bias", {out});
}

void KeyList::conv(const std::string &name, int64_t out, int64_t in, int64_t kernel, bool bias) {
  tensor(name + ".weight", {out, in, kernel, kernel});
  if (bias)
    tensor(name + ".bias", {out});
}

void KeyList::norm(const std::string &name, int64_t width) {
  tensor(name + ".weight", {width});
  tensor(name + ".bias", {width});
}

int64_t KeyList::parameters() const {
  int64_t sum = 0;
  for (const auto &[name, shape] : tensors_)
    sum += count(shape);
  return sum;
}

void KeyList::writeSparse(const std::string &path) const {
  nlohmann::json header;
  int64_t offset = 0;
  for (const auto &[name, shape] : tensors_) {
    int64_t end = offset + 2 * count(shape);
    header[name] = {{"dtype", "F16"}, {"shape", shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(&length), 8) << text;
  file.close();
  std::filesystem::resize_file(path, 8 + length + static_cast<uint64_t>(offset));
}

KeyList sdxlUNetKeys() {
  constexpr int64_t kTime = 1280, kContext = 2048;
  KeyList keys;
  keys.conv("conv_in", 320, 4, 3);
  keys.linear("time_embedding.linear_1", kTime, 320);
  keys.linear("time_embedding.linear_2", kTime, kTime);
  keys.linear("add_embedding.linear_1", kTime, 2816);
  keys.linear("add_embedding.linear_2", kTime, kTime);
  struct Stage {
    std::vector<int64_t> inputs; ///< channels that each resnet reads
    int64_t width, depth;
  };
  const Stage down[] = {{{320, 320}, 320, 0}, {{320, 640}, 640, 2}, {{640, 1280}, 1280, 10}};
  const Stage up[] = {{{2560, 2560, 1920}, 1280, 10}, {{1920, 1280, 960}, 640, 2}, {{960, 640, 640}, 320, 0}};
  auto stages = [&](const Stage *list, const std::string &name, const std::string &resize) {
    for (int64_t i = 0; i < 3; ++i) {
      std::string block = at(name, i);
      for (size_t j = 0; j < list[i].inputs.size(); ++j) {
        resnet(keys, at(block + ".resnets", j), list[i].inputs[j], list[i].width, kTime);
        if (list[i].depth)
          transformer(keys, at(block + ".attentions", j), list[i].width, list[i].depth, kContext);
      }
      if (i < 2)
        keys.conv(block + resize, list[i].width, list[i].width, 3);
    }
  };
  stages(down, "down_blocks", ".downsamplers.0.conv");
  resnet(keys, "mid_block.resnets.0", 1280, 1280, kTime);
  resnet(keys, "mid_block.resnets.1", 1280, 1280, kTime);
  transformer(keys, "mid_block.attentions.0", 1280, 10, kContext);
  stages(up, "up_blocks", ".upsamplers.0.conv");
  keys.norm("conv_norm_out", 320);
  keys.conv("conv_out", 4, 320, 3);
  return keys;
}

KeyList sdxlVaeKeys() {
  KeyList keys;
  keys.conv("quant_conv", 8, 8, 1);
  keys.conv("post_quant_conv", 4, 4, 1);
  for (const char *half : {"encoder", "decoder"}) {
    std::string mid = std::string(half) + ".mid_block";
    resnet(keys, mid + ".resnets.0", 512, 512, 0);
    resnet(keys, mid + ".resnets.1", 512, 512, 0);
    keys.norm(mid + ".attentions.0.group_norm", 512);
    for (const char *projection : {".to_q", ".to_k", ".to_v", ".to_out.0"})
      keys.linear(mid + ".attentions.0" + projection, 512, 512);
  }
  const std::pair<int64_t, int64_t> down[] = {{128, 128}, {128, 256}, {256, 512}, {512, 512}}, up[] = {{512, 512}, {512, 512}, {512, 256}, {256, 128}};
  for (int64_t i = 0; i < 4; ++i) {
    std::string encoder = at("encoder.down_blocks", i), decoder = at("decoder.up_blocks", i);
    for (int64_t j = 0; j < 2; ++j)
      resnet(keys, at(encoder + ".resnets", j), j ? down[i].second : down[i].first, down[i].second, 0);
    for (int64_t j = 0; j < 3; ++j)
      resnet(keys, at(decoder + ".resnets", j), j ? up[i].second : up[i].first, up[i].second, 0);
    if (i < 3) {
      keys.conv(encoder + ".downsamplers.0.conv", down[i].second, down[i].second, 3);
      keys.conv(decoder + ".upsamplers.0.conv", up[i].second, up[i].second, 3);
    }
  }
  keys.conv("encoder.conv_in", 128, 3, 3);
  keys.norm("encoder.conv_norm_out", 512);
  keys.conv("encoder.conv_out", 8, 512, 3);
  keys.conv("decoder.conv_in", 512, 4, 3);
  keys.norm("decoder.conv_norm_out", 128);
  keys.conv("decoder.conv_out", 3, 128, 3);
  return keys;
}

KeyList clipTextKeys(int64_t width, int64_t layers, int64_t inner, int64_t projection) {
  KeyList keys;
  keys.tensor("text_model.embeddings.token_embedding.weight", {49408, width});
  keys.tensor("text_model.embeddings.position_embedding.weight", {77, width});
  clipLayers(keys, "text_model", width, layers, inner);
  keys.norm("text_model.final_layer_norm", width);
  if (projection)
    keys.linear("text_projection", projection, width, false);
  return keys;
}

KeyList clipVisionKeys(int64_t width, int64_t layers, int64_t inner, int64_t projection) {
  KeyList keys;
  keys.tensor("vision_model.embeddings.class_embedding", {width});
  keys.conv("vision_model.embeddings.patch_embedding", width, 3, 14, false);
  keys.tensor("vision_model.embeddings.position_embedding.weight", {257, width});
  keys.norm("vision_model.pre_layrnorm", width);
  clipLayers(keys, "vision_model", width, layers, inner);
  keys.norm("vision_model.post_layernorm", width);
  keys.linear("visual_projection", projection, width, false);
  return keys;
}

KeyList blip2Keys() {
  constexpr int64_t kVision = 1408, kWidth = 768;
  KeyList keys;
  keys.tensor("vision_model.embeddings.class_embedding", {1, 1, kVision});
  keys.tensor("vision_model.embeddings.position_embedding", {1, 257, kVision});
  keys.conv("vision_model.embeddings.patch_embedding", kVision, 3, 14);
  for (int64_t i = 0; i < 39; ++i) {
    std::string layer = at("vision_model.encoder.layers", i);
    keys.norm(layer + ".layer_norm1", kVision);
    keys.norm(layer + ".layer_norm2", kVision);
    keys.linear(layer + ".self_attn.qkv", 3 * kVision, kVision);
    keys.linear(layer + ".self_attn.projection", kVision, kVision);
    keys.linear(layer + ".mlp.fc1", 6144, kVision);
    keys.linear(layer + ".mlp.fc2", kVision, 6144);
  }
  keys.norm("vision_model.post_layernorm", kVision);
  keys.tensor("query_tokens", {1, 32, kWidth});
  keys.tensor("embeddings.word_embeddings.weight", {30523, kWidth});
  keys.tensor("embeddings.position_embeddings.weight", {512, kWidth});
  keys.norm("qformer.layernorm", kWidth);
  for (int64_t i = 0; i < 12; ++i) {
    std::string layer = at("qformer.encoder.layer", i);
    auto attention = [&](const std::string &name, int64_t source) {
      keys.linear(name + ".attention.query", kWidth, kWidth);
      keys.linear(name + ".attention.key", kWidth, source);
      keys.linear(name + ".attention.value", kWidth, source);
      keys.linear(name + ".output.dense", kWidth, kWidth);
      keys.norm(name + ".output.LayerNorm", kWidth);
    };
    attention(layer + ".attention", kWidth);
    if (i % 2 == 0)
      attention(layer + ".crossattention", kVision);
    for (const char *rows : {"", "_query"}) {
      keys.linear(layer + ".intermediate" + rows + ".dense", 3072, kWidth);
      keys.linear(layer + ".output" + rows + ".dense", kWidth, 3072);
      keys.norm(layer + ".output" + rows + ".LayerNorm", kWidth);
    }
  }
  keys.linear("vision_projection", 256, kWidth);
  keys.linear("text_projection", 256, kWidth);
  keys.linear("itm_head", 2, kWidth);
  return keys;
}

} // namespace hb
