#include "runtime/train/AdapterInit.h"

#include "runtime/pipeline/Random.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

namespace hb {
namespace {

/// Names that stand beside each other in one module of diffusers' UNet, in the order its constructors make them.
constexpr std::string_view kOrder[] = {
    "conv_in",    "time_embedding", "class_embedding", "add_embedding", "down_blocks", "up_blocks",   "mid_block", "conv_norm_out", "conv_out", // the UNet
    "attentions", "resnets",        "downsamplers",    "upsamplers",                                                                             // blocks
    "norm",       "proj_in",        "transformer_blocks", "proj_out",                                                                            // transformers
    "norm1",      "attn1",          "norm2",           "attn2",         "norm3",       "ff",                                                     // a layer of one
    "to_q",       "to_k",           "to_v",            "to_out",        "net",         "proj",                                                   // attention and feed-forward
    "conv1",      "time_emb_proj",  "conv2",           "conv_shortcut",                                                                          // resnets
    "linear_1",   "linear_2",                                                                                                                    // embeddings
};

struct Part {
  size_t known;      ///< place in kOrder; behind it for other words
  uint64_t number;   ///< of numeric parts
  std::string_view text;
  auto operator<=>(const Part &) const = default;
};

Part partOf(std::string_view text) {
  bool numeric = !text.empty() && text.size() < 10 && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
  size_t place = static_cast<size_t>(std::find(std::begin(kOrder), std::end(kOrder), text) - std::begin(kOrder));
  return {place, numeric ? std::stoull(std::string(text)) : 0, text};
}

std::vector<Part> partsOf(const std::string &path) {
  std::vector<Part> parts;
  std::string_view rest = path;
  for (size_t dot; (dot = rest.find('.')) != rest.npos; rest.remove_prefix(dot + 1))
    parts.push_back(partOf(rest.substr(0, dot)));
  parts.push_back(partOf(rest));
  return parts;
}

} // namespace

bool modulePathLess(const std::string &left, const std::string &right) { return partsOf(left) < partsOf(right); }

std::vector<AdapterModule> initialAdapter(std::vector<AdapterSite> sites, int64_t rank, double scale, uint64_t seed) {
  std::sort(sites.begin(), sites.end(), [](const AdapterSite &a, const AdapterSite &b) { return modulePathLess(a.path, b.path); });
  CpuGenerator generator(seed);
  std::vector<AdapterModule> modules;
  for (const AdapterSite &site : sites) {
    AdapterModule module{site.path, site.in, site.out, rank, scale, std::vector<float>(rank * site.in), std::vector<float>(site.out * rank)};
    generator.kaimingUniform(module.a, site.in);
    generator.kaimingUniform(module.b, rank);
    generator.kaimingUniform(module.a, site.in);
    std::fill(module.b.begin(), module.b.end(), 0.0f);
    modules.push_back(std::move(module));
  }
  return modules;
}

} // namespace hb
