// The rewards of a training run, each by the name under which its model is given (--reward NAME=DIR). A reward takes pictures in 0…1 and
// gives one number for each of them, larger is better. To add one: a function here, and its inputs and its row in train.hb and score.hb.
import clip.clip as clips, clip.vision, clip.preprocess, clip.aesthetic as predictor
import blip2.retrieval

/// Side of the reference picture of the image-image reward; it has no meaning without that reward.
fn reference_side() -> int {
  if has_component("clip_image") { vision.image_size(component("clip_image").vision_config) } else { 1 }
}

/// Contrastive score plus matching probability of picture and text; the vision tower runs once.
fn blip2(image: tensor[B, 3, h, w], inputs: record) -> tensor[B] {
  let model = retrieval.Blip2ForImageTextRetrieval(component("blip2"))
  let tokens = model.vision_model(preprocess.tower_pixels(image, model.image_size))
  let (itc, itm) = model.scores(tokens, inputs.input_ids, inputs.attention_mask)
  itc + itm
}

/// Cosine between the embeddings of the picture and of the reference picture, which carries no gradient. The reference is the squashed picture as
/// bicubic resizing leaves it, not clamped: the published script gives the tower (and the image encoder) that very tensor.
fn clip_image(image: tensor[B, 3, h, w], inputs: record) -> tensor[B] {
  let model = clips.CLIPModel(component("clip_image"))
  preprocess.cosine(model.image_embeds(image), stop_gradient(model.unclamped_embeds(inputs.reference)))
}

/// exp(logit_scale)·cosine of text and picture (Kirstain et al. 2023).
fn pickscore(image: tensor[B, 3, h, w], inputs: record) -> tensor[B] {
  let model = clips.CLIPModel(component("pickscore"))
  exp(cast(model.logit_scale)) * preprocess.cosine(model.text_embeds(inputs.input_ids), model.image_embeds(image))
}

/// Cosine of text and picture (Wu et al. 2023).
fn hpsv2(image: tensor[B, 3, h, w], inputs: record) -> tensor[B] {
  let model = clips.CLIPModel(component("hpsv2"))
  preprocess.cosine(model.text_embeds(inputs.input_ids), model.image_embeds(image))
}

/// LAION's aesthetic predictor; reads no text.
fn aesthetic(image: tensor[B, 3, h, w], inputs: any) -> tensor[B] {
  predictor.score(component("aesthetic"), image)
}
