// CLIP's vision tower: Hummingbird's reference encoder and the picture half of CLIPModel.
import nn
import encoder as tower

/// transformers' CLIPVisionConfig, as far as a nested config may leave keys out.
let vision_defaults = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 }

/// Pixels per side that a tower's config asks for.
fn image_size(config) -> int { config.get("image_size", 224) }

/// Patches as tokens behind a class token, plus positions (transformers CLIPVisionEmbeddings).
module CLIPVisionEmbeddings(channels: int, image: int, patch: int, width: int) {
  let grid = div(image, patch)
  class_embedding: param[width]
  patch_embedding: nn.Conv2d(channels, width, kernel: patch, stride: patch, bias: false)
  position_embedding: nn.Embedding(grid * grid + 1, width)

  fn (pixels: tensor[B, channels, image, image]) -> tensor[B, grid * grid + 1, width] {
    let patches = nn.to_tokens(patch_embedding(pixels))
    let class_row = broadcast(cast(class_embedding), [B, 1, width])
    concat([class_row, patches], axis: 1) + cast(position_embedding.weight)
  }
}

/// Vision transformer with a norm before the first layer (transformers CLIPVisionTransformer).
module CLIPVisionTransformer(config) {
  let width = config.get("hidden_size", vision_defaults.hidden_size)
  let eps = config.get("layer_norm_eps", 1e-5)
  embeddings: CLIPVisionEmbeddings(config.get("num_channels", 3), image_size(config), config.get("patch_size", 32), width)
  pre_layrnorm: nn.LayerNorm(width, eps) // spelled so in the checkpoints
  encoder: tower.CLIPEncoder(config, vision_defaults)
  post_layernorm: nn.LayerNorm(width, eps)

  /// The last hidden state (not normed) and the normed class row.
  fn (pixels: tensor[B, C, S, S]) -> (tensor[B, N, width], tensor[B, width]) {
    let last = encoder(pre_layrnorm(embeddings(pixels)), false)[-1]
    (last, post_layernorm(last[:, 0]))
  }
}

/// A vision tower with a bias-free projection of the class row (transformers CLIPVisionModelWithProjection).
/// The projection's width is the stored weight's: some published configs carry a wrong default.
module CLIPVisionModelWithProjection(config) {
  vision_model: CLIPVisionTransformer(config)
  visual_projection: nn.Linear(vision_model.width, stored_shape(config, "visual_projection.weight")[0], bias: false)
  ignore "*.position_ids"

  /// (embedding of the picture, not normalised; last hidden state)
  fn (pixels: tensor[B, C, S, S]) -> (tensor[B, P], tensor[B, N, D]) {
    let (last, row) = vision_model(pixels)
    (visual_projection(row), last)
  }
}

/// Normalised pixels to the tower's embedding.
entry image_encode for CLIPVisionModelWithProjection (pixel_values: tensor[B, C, S, S])
    where B = 1, fixed C = config.get("num_channels", 3), fixed S = image_size(config)
    -> (image_embeds: tensor[B, P], last_hidden_state: tensor[B, N, D]) {
  CLIPVisionModelWithProjection(config)(pixel_values)
}
