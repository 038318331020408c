// The tensors that published checkpoints of SDXL's and Hummingbird's networks hold, written down from the libraries' naming
// rules and not from models/*.hb, so that the two can be held against each other.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hb {

/// Names and shapes; the order does not matter.
class KeyList {
public:
  void tensor(const std::string &name, std::vector<int64_t> shape) { tensors_.emplace_back(name, std::move(shape)); }
  void linear(const std::string &name, int64_t out, int64_t in, bool bias = true);
  void conv(const std::string &name, int64_t out, int64_t in, int64_t kernel, bool bias = true);
  void norm(const std::string &name, int64_t width);

  const std::vector<std::pair<std::string, std::vector<int64_t>>> &tensors() const { return tensors_; }
  int64_t parameters() const;
  /// A safetensors file with these tensors in f16, all zero: a hole in the file system, whatever its size.
  void writeSparse(const std::string &path) const;

private:
  std::vector<std::pair<std::string, std::vector<int64_t>>> tensors_;
};

/// stabilityai/stable-diffusion-xl-base-1.0: unet (diffusers UNet2DConditionModel).
KeyList sdxlUNetKeys();
/// … vae (diffusers AutoencoderKL).
KeyList sdxlVaeKeys();
/// A CLIP text tower with its `text_model.` prefix; `projection` 0 for none.
KeyList clipTextKeys(int64_t width, int64_t layers, int64_t inner, int64_t projection);
/// A CLIP vision tower for 224 × 224 pixels and patches of 14.
KeyList clipVisionKeys(int64_t width, int64_t layers, int64_t inner, int64_t projection);
/// Salesforce/blip2-itm-vit-g (transformers Blip2ForImageTextRetrieval).
KeyList blip2Keys();

} // namespace hb
