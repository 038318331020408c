// Both CLIP towers in one checkpoint: PickScore, HPSv2, picture-to-picture similarity, and Hummingbird's reference encoder.
import nn
import text, vision, preprocess

/// Text and vision towers with their projections (transformers CLIPModel). Both projections have the stored weights' widths.
module CLIPModel(config) {
  text_model: text.CLIPTextTransformer(config.text_config)
  vision_model: vision.CLIPVisionTransformer(config.vision_config)
  text_projection: nn.Linear(text_model.width, stored_shape(config, "text_projection.weight")[0], bias: false)
  visual_projection: nn.Linear(vision_model.width, stored_shape(config, "visual_projection.weight")[0], bias: false)
  logit_scale: param[]
  ignore "*.position_ids"

  let size = vision.image_size(config.vision_config)

  fn image_embeds(image: tensor[B, 3, h, w]) -> tensor[B, P] {
    let (last, row) = vision_model(preprocess.tower_pixels(image, size))
    visual_projection(row)
  }

  /// Of a picture that is taken as it is, values outside 0…1 included.
  fn unclamped_embeds(image: tensor[B, 3, h, w]) -> tensor[B, P] {
    let (last, row) = vision_model(preprocess.unclamped_pixels(image, size))
    visual_projection(row)
  }

  fn text_embeds(ids: tensor[B, T; i64]) -> tensor[B, P] {
    let (last, penultimate, row) = text_model(ids)
    text_projection(row)
  }
}

/// Normalised pixels to the vision tower's embedding; the text tower is not used.
entry image_encode for CLIPModel (pixel_values: tensor[B, C, S, S])
    where B = 1, fixed C = config.vision_config.get("num_channels", 3), fixed S = vision.image_size(config.vision_config)
    -> (image_embeds: tensor[B, P], last_hidden_state: tensor[B, N, D]) {
  let model = CLIPModel(config)
  let (last, row) = model.vision_model(pixel_values)
  (model.visual_projection(row), last)
}

/// How well pictures in 0…1 fit texts: exp(logit_scale)·cosine, and the cosine.
entry clip_score for CLIPModel (image: tensor[B, 3, h, w], input_ids: tensor[B, T; i64]) vjp image
    where B = 1, T = min(77, config.text_config.get("max_position_embeddings", 77)),
          h = vision.image_size(config.vision_config), w = vision.image_size(config.vision_config)
    -> (score: tensor[B], cosine: tensor[B]) {
  let model = CLIPModel(config)
  let similarity = preprocess.cosine(model.text_embeds(input_ids), model.image_embeds(image))
  (exp(cast(model.logit_scale)) * similarity, similarity)
}

/// Cosine between the embeddings of two pictures in 0…1. The reference carries no gradient.
entry clip_image_similarity for CLIPModel (image: tensor[B, 3, h, w], reference: tensor[B, 3, h, w]) vjp image
    where B = 1, h = vision.image_size(config.vision_config), w = vision.image_size(config.vision_config)
    -> (cosine: tensor[B]) {
  let model = CLIPModel(config)
  preprocess.cosine(model.image_embeds(image), stop_gradient(model.image_embeds(reference)))
}
