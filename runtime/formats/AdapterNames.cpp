#include "runtime/formats/AdapterNames.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace hb {
namespace {

/// Endings that tell the role. The first match counts, so longer ones stand before their own tails.
struct Ending {
  std::string_view text;
  AdapterRole role;
  std::string_view kind;
};
constexpr Ending kEndings[] = {
    {".lora_A.default.weight", AdapterRole::Down, ""}, // PEFT in memory; some scripts save it so
    {".lora_B.default.weight", AdapterRole::Up, ""},
    {".lora_A.weight", AdapterRole::Down, ""}, // PEFT, diffusers
    {".lora_B.weight", AdapterRole::Up, ""},
    {".lora_linear_layer.down.weight", AdapterRole::Down, ""}, // diffusers, text encoders, middle period
    {".lora_linear_layer.up.weight", AdapterRole::Up, ""},
    {".lora.down.weight", AdapterRole::Down, ""}, // diffusers, middle period
    {".lora.up.weight", AdapterRole::Up, ""},
    {"_lora.down.weight", AdapterRole::Down, ""}, // diffusers, attention processors
    {"_lora.up.weight", AdapterRole::Up, ""},
    {".lora_down.weight", AdapterRole::Down, ""}, // kohya
    {".lora_up.weight", AdapterRole::Up, ""},
    {".alpha", AdapterRole::Alpha, ""},
    {".lora_magnitude_vector", AdapterRole::Unsupported, "DoRA"},
    {".lora_magnitude_vector.weight", AdapterRole::Unsupported, "DoRA"},
    {".lora_magnitude_vector.default.weight", AdapterRole::Unsupported, "DoRA"},
    {".dora_scale", AdapterRole::Unsupported, "DoRA"},
    {".hada_w1_a", AdapterRole::Unsupported, "LoHa"},
    {".hada_w1_b", AdapterRole::Unsupported, "LoHa"},
    {".hada_w2_a", AdapterRole::Unsupported, "LoHa"},
    {".hada_w2_b", AdapterRole::Unsupported, "LoHa"},
    {".hada_t1", AdapterRole::Unsupported, "LoHa"},
    {".hada_t2", AdapterRole::Unsupported, "LoHa"},
    {".lokr_w1", AdapterRole::Unsupported, "LoKr"},
    {".lokr_w1_a", AdapterRole::Unsupported, "LoKr"},
    {".lokr_w1_b", AdapterRole::Unsupported, "LoKr"},
    {".lokr_w2", AdapterRole::Unsupported, "LoKr"},
    {".lokr_w2_a", AdapterRole::Unsupported, "LoKr"},
    {".lokr_w2_b", AdapterRole::Unsupported, "LoKr"},
    {".lokr_t2", AdapterRole::Unsupported, "LoKr"},
    {".oft_blocks", AdapterRole::Unsupported, "OFT"},
    {".oft_diag", AdapterRole::Unsupported, "OFT"},
    {".oft_r.weight", AdapterRole::Unsupported, "OFT"},
    {".boft_R", AdapterRole::Unsupported, "BOFT"},
    {".ia3_l", AdapterRole::Unsupported, "IA3"},
    {".on_input", AdapterRole::Unsupported, "IA3"},
    {".lora_mid.weight", AdapterRole::Unsupported, "LoCon with a core tensor"},
    {".lora_embedding_A", AdapterRole::Unsupported, "LoRA of an embedding"},
    {".lora_embedding_B", AdapterRole::Unsupported, "LoRA of an embedding"},
    {".lora_B.bias", AdapterRole::Unsupported, "LoRA with a bias"},
    {".diff", AdapterRole::Unsupported, "full difference"},
    {".diff_b", AdapterRole::Unsupported, "full difference"},
    {".w_norm", AdapterRole::Unsupported, "norm difference"},
    {".b_norm", AdapterRole::Unsupported, "norm difference"},
};

struct Prefix {
  std::string_view text, component;
  bool underscored, peft;
};
constexpr Prefix kPrefixes[] = {
    {"base_model.model.", "", false, true},          {"unet.base_model.model.", "unet", false, true},     {"unet.", "unet", false, false},
    {"text_encoder.", "text_encoder", false, false}, {"text_encoder_2.", "text_encoder_2", false, false}, {"lora_unet_", "unet", true, false},
    {"lora_te1_", "text_encoder", true, false},      {"lora_te2_", "text_encoder_2", true, false},        {"lora_te_", "text_encoder", true, false},
};

/// Names inside a residual block: sgm's and diffusers'.
constexpr std::pair<std::string_view, std::string_view> kResnetNames[] = {{"in_layers_0", "norm1"},          {"in_layers_2", "conv1"},
                                                                          {"emb_layers_1", "time_emb_proj"}, {"out_layers_0", "norm2"},
                                                                          {"out_layers_3", "conv2"},         {"skip_connection", "conv_shortcut"}};
/// sgm names outside the numbered blocks.
constexpr std::pair<std::string_view, std::string_view> kOuterNames[] = {{"input_blocks_0_0", "conv_in"},
                                                                         {"out_0", "conv_norm_out"},
                                                                         {"out_2", "conv_out"},
                                                                         {"time_embed_0", "time_embedding_linear_1"},
                                                                         {"time_embed_2", "time_embedding_linear_2"},
                                                                         {"label_emb_0_0", "add_embedding_linear_1"},
                                                                         {"label_emb_0_2", "add_embedding_linear_2"}};

/// Names of one path component that contain '_' themselves.
constexpr std::string_view kCompound[] = {"down_blocks",
                                          "up_blocks",
                                          "mid_block",
                                          "transformer_blocks",
                                          "to_q",
                                          "to_k",
                                          "to_v",
                                          "to_out",
                                          "proj_in",
                                          "proj_out",
                                          "time_emb_proj",
                                          "conv_shortcut",
                                          "conv_in",
                                          "conv_out",
                                          "conv_norm_out",
                                          "time_embedding",
                                          "add_embedding",
                                          "linear_1",
                                          "linear_2",
                                          "text_model",
                                          "vision_model",
                                          "self_attn",
                                          "q_proj",
                                          "k_proj",
                                          "v_proj",
                                          "out_proj",
                                          "layer_norm1",
                                          "layer_norm2",
                                          "final_layer_norm",
                                          "text_projection",
                                          "visual_projection"};

/// Takes "12_" off the front.
std::optional<int> takeNumber(std::string_view &rest) {
  int value = 0;
  auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (status != std::errc() || value < 0)
    return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  if (!rest.empty()) {
    if (rest.front() != '_')
      return std::nullopt;
    rest.remove_prefix(1);
  }
  return value;
}

bool takePrefix(std::string_view &rest, std::string_view prefix) {
  if (!rest.starts_with(prefix))
    return false;
  rest.remove_prefix(prefix.size());
  return true;
}

std::string resnetTail(std::string_view tail) {
  for (auto [sgm, diffusers] : kResnetNames)
    if (tail == sgm)
      return std::string(diffusers);
  return std::string(tail);
}

std::string joined(std::string_view block, int number, std::string_view list, int index, const std::string &tail) {
  std::string text = std::string(block) + "_" + std::to_string(number) + "_" + std::string(list) + "_" + std::to_string(index);
  return tail.empty() ? text : text + "_" + tail;
}

std::optional<std::string> fromInputBlock(std::string_view rest, int layers) {
  auto index = takeNumber(rest), part = takeNumber(rest);
  if (!index || !part || *index < 1)
    return std::nullopt;
  int block = (*index - 1) / (layers + 1), layer = (*index - 1) % (layers + 1);
  if (layer == layers) // the last of each group is the downsampler: input_blocks.3.0.op
    return *part == 0 && rest == "op" ? std::optional(joined("down_blocks", block, "downsamplers", 0, "conv")) : std::nullopt;
  return *part == 0 ? joined("down_blocks", block, "resnets", layer, resnetTail(rest)) : joined("down_blocks", block, "attentions", layer, std::string(rest));
}

std::optional<std::string> fromOutputBlock(std::string_view rest, int layers) {
  auto index = takeNumber(rest), part = takeNumber(rest);
  if (!index || !part)
    return std::nullopt;
  int block = *index / (layers + 1), layer = *index % (layers + 1);
  if (*part == 0)
    return joined("up_blocks", block, "resnets", layer, resnetTail(rest));
  // The upsampler follows the attention, or takes its number in a block without attention.
  return rest == "conv" ? joined("up_blocks", block, "upsamplers", 0, "conv") : joined("up_blocks", block, "attentions", layer, std::string(rest));
}

std::optional<std::string> fromMiddleBlock(std::string_view rest) {
  auto part = takeNumber(rest);
  if (!part || *part > 2)
    return std::nullopt;
  if (*part == 1)
    return "mid_block_attentions_0_" + std::string(rest);
  return "mid_block_resnets_" + std::to_string(*part / 2) + "_" + resnetTail(rest);
}

} // namespace

std::optional<AdapterKey> parseAdapterKey(const std::string &name) {
  AdapterKey key;
  std::string_view rest = name;
  for (const Prefix &prefix : kPrefixes)
    if (takePrefix(rest, prefix.text)) {
      key.component = prefix.component;
      key.underscored = prefix.underscored;
      key.peft = prefix.peft;
      break;
    }
  const Ending *ending = std::find_if(std::begin(kEndings), std::end(kEndings), [&](const Ending &row) { return rest.ends_with(row.text); });
  if (ending == std::end(kEndings) || rest.size() == ending->text.size())
    return std::nullopt;
  rest.remove_suffix(ending->text.size());
  key.role = ending->role;
  key.kind = ending->kind;
  key.module = rest;
  // Attention processors: "….attn1.processor.to_out_lora" is the projection "….attn1.to_out.0".
  constexpr std::string_view kProcessor = ".processor.";
  if (ending->text.front() == '_') {
    size_t at = key.module.rfind(kProcessor);
    if (at != std::string::npos)
      key.module.replace(at, kProcessor.size(), ".");
    if (key.module.ends_with(".to_out"))
      key.module += ".0";
  }
  return key;
}

std::optional<std::string> fromSgmName(const std::string &module, int layersPerBlock) {
  std::string_view rest = module;
  for (auto [sgm, diffusers] : kOuterNames)
    if (rest == sgm)
      return std::string(diffusers);
  if (takePrefix(rest, "input_blocks_"))
    return fromInputBlock(rest, layersPerBlock);
  if (takePrefix(rest, "output_blocks_"))
    return fromOutputBlock(rest, layersPerBlock);
  if (takePrefix(rest, "middle_block_"))
    return fromMiddleBlock(rest);
  return std::nullopt;
}

std::string underscoredFromDotted(std::string path) {
  std::replace(path.begin(), path.end(), '.', '_');
  return path;
}

std::string dottedFromUnderscored(const std::string &module) {
  std::string path;
  std::string_view rest = module;
  while (!rest.empty()) {
    size_t length = std::min(rest.find('_'), rest.size());
    for (std::string_view word : kCompound)
      if (word.size() > length && rest.starts_with(word) && (rest.size() == word.size() || rest[word.size()] == '_'))
        length = word.size();
    if (!path.empty())
      path += '.';
    path += rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return path;
}

ModuleResolver::ModuleResolver(const std::vector<std::string> &paths) {
  constexpr std::string_view kDown = "down_blocks.0.resnets.";
  int layers = 0;
  for (const std::string &path : paths) {
    if (!paths_.emplace(path, true).second)
      continue;
    auto [it, added] = byUnderscores_.emplace(underscoredFromDotted(path), path);
    if (!added)
      it->second.clear();
    if (path.starts_with(kDown))
      layers = std::max(layers, std::atoi(path.c_str() + kDown.size()) + 1);
  }
  if (layers > 0)
    layersPerBlock_ = layers;
}

std::optional<std::string> ModuleResolver::lookUp(const std::string &underscored) const {
  auto it = byUnderscores_.find(underscored);
  return it == byUnderscores_.end() || it->second.empty() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string> ModuleResolver::resolve(const AdapterKey &key) const {
  if (!key.underscored)
    return paths_.count(key.module) ? std::optional(key.module) : std::nullopt;
  if (auto path = lookUp(key.module))
    return path;
  auto renamed = fromSgmName(key.module, layersPerBlock_);
  return renamed ? lookUp(*renamed) : std::nullopt;
}

} // namespace hb
