// BLIP-2's picture side: EVA's ViT-g as transformers writes it.
// Missing keys of the nested config have the defaults of transformers' Blip2VisionConfig.
import nn

/// Self-attention with one projection for queries, keys and values (transformers Blip2Attention). The published k-bias is zero.
module Blip2Attention(width: int, heads: int, bias: bool) {
  require(width % heads == 0, "vision_config.num_attention_heads must divide hidden_size")
  qkv: nn.Linear(width, 3 * width, bias: bias)
  projection: nn.Linear(width, width)

  fn (x: tensor[B, N, width]) -> tensor[B, N, width] {
    let (q, k, v) = split(qkv(x), 3, axis: 2)
    projection(attention(q, k, v, heads: heads))
  }
}

/// Two linears around an activation (transformers Blip2MLP).
module Blip2MLP(width: int, inner: int, act: string) {
  fc1: nn.Linear(width, inner)
  fc2: nn.Linear(inner, width)

  fn (x: tensor[..., width]) -> tensor[..., width] {
    fc2(nn.activation(act, fc1(x)))
  }
}

/// Attention and MLP, each behind its norm and beside a residual (transformers Blip2EncoderLayer).
module Blip2EncoderLayer(config) {
  let width = config.get("hidden_size", 1408)
  let eps = config.get("layer_norm_eps", 1e-6)
  self_attn: Blip2Attention(width, config.get("num_attention_heads", 16), config.get("qkv_bias", true))
  layer_norm1: nn.LayerNorm(width, eps)
  mlp: Blip2MLP(width, config.get("intermediate_size", 6144), config.get("hidden_act", "gelu"))
  layer_norm2: nn.LayerNorm(width, eps)

  fn (x: tensor[B, N, width]) -> tensor[B, N, width] {
    let x = x + self_attn(layer_norm1(x))
    x + mlp(layer_norm2(x))
  }
}

/// Patches (with bias) behind a class token, plus positions (transformers Blip2VisionEmbeddings).
module Blip2VisionEmbeddings(width: int, image: int, patch: int) {
  let grid = div(image, patch)
  class_embedding: param[1, 1, width]
  patch_embedding: nn.Conv2d(3, width, kernel: patch, stride: patch)
  position_embedding: param[1, grid * grid + 1, width]

  fn (pixels: tensor[B, 3, image, image]) -> tensor[B, grid * grid + 1, width] {
    let patches = nn.to_tokens(patch_embedding(pixels))
    concat([broadcast(cast(class_embedding), [B, 1, width]), patches], axis: 1) + cast(position_embedding)
  }
}

module Blip2Encoder(config) {
  layers: [for i in 0..config.get("num_hidden_layers", 39) => Blip2EncoderLayer(config)]

  fn (x: tensor) -> tensor {
    for layer in layers from x => layer(x)
  }
}

/// Pixel values to normed image tokens (transformers Blip2VisionModel).
module Blip2VisionModel(config) {
  let width = config.get("hidden_size", 1408)
  let image = config.get("image_size", 224)
  embeddings: Blip2VisionEmbeddings(width, image, config.get("patch_size", 14))
  encoder: Blip2Encoder(config)
  post_layernorm: nn.LayerNorm(width, config.get("layer_norm_eps", 1e-6))

  fn (pixels: tensor[B, 3, image, image]) -> tensor[B, N, width] {
    post_layernorm(encoder(embeddings(pixels)))
  }
}
