// BLIP-2 as a judge of how well a picture fits a text: contrastive score (ITC) and matching probability (ITM).
import nn
import vision, qformer as q
import clip.preprocess

/// transformers Blip2ForImageTextRetrieval. Token ids are plain word pieces: `image_token_index` in the config, by which newer
/// processors put placeholders in front of them, cuts nothing here.
module Blip2ForImageTextRetrieval(config) {
  require(contains([none, "absolute"], config.qformer_config.get("position_embedding_type")), "qformer_config.position_embedding_type is not \"absolute\"")
  let image_size = config.vision_config.get("image_size", 224)
  let queries = config.get("num_query_tokens", 32)
  let width = config.qformer_config.get("hidden_size", 768)
  let joint = config.get("image_text_hidden_size", 256)

  vision_model: vision.Blip2VisionModel(config.vision_config)
  query_tokens: param[1, queries, width]
  embeddings: q.Blip2TextEmbeddings(config.qformer_config)
  qformer: q.Blip2QFormerModel(config.qformer_config)
  vision_projection: nn.Linear(width, joint)
  text_projection: nn.Linear(width, joint)
  itm_head: nn.Linear(width, 2)
  ignore "*.position_ids"

  /// The learned queries, once per picture.
  fn query_rows(B: int) -> tensor[B, queries, width] {
    broadcast(cast(query_tokens), [B, queries, width])
  }

  /// Unit vectors: one per query and picture, one per text.
  fn itc_vectors(image: tensor[B, N, K], ids: tensor[A, L; i64], mask: tensor[A, L; i64]) -> (tensor[B, queries, joint], tensor[A, joint]) {
    let seen = qformer(query_rows(B), queries, image)
    let read = qformer(embeddings(ids), 0, none, q.score_mask(mask))
    (l2_normalize(vision_projection(seen), eps: 1e-12), l2_normalize(text_projection(read[:, 0]), eps: 1e-12))
  }

  /// Logits of (no match, match): queries and text read together, mean of the head over the query rows.
  fn itm_logits(image: tensor[B, N, K], ids: tensor[B, L; i64], mask: tensor[B, L; i64]) -> tensor[B, 2] {
    let rows = concat([query_rows(B), embeddings(ids)], axis: 1)
    let full = concat([zeros([B, 1, queries]), q.score_mask(mask)], axis: 2)
    let out = qformer(rows, queries, image, full)
    mean(itm_head(out[:, 0:queries]), axis: 1)
  }

  /// (ITC of picture and text of the same row: the best query's cosine; ITM: probability of a match)
  fn scores(image: tensor[B, N, K], ids: tensor[B, L; i64], mask: tensor[B, L; i64]) -> (tensor[B], tensor[B]) {
    let (seen, read) = itc_vectors(image, ids, mask)
    let itc = max(sum(seen * read[:, newaxis, :], axis: 2), axis: 1)
    (itc, softmax(itm_logits(image, ids, mask))[:, 1])
  }
}

/// Similarity of every picture with every text (transformers' logits_per_image with use_image_text_matching_head false).
entry blip2_itc for Blip2ForImageTextRetrieval (pixel_values: tensor[B, 3, S, S], input_ids: tensor[B, L; i64], attention_mask: tensor[B, L; i64])
    where B = 1, fixed S = config.vision_config.get("image_size", 224)
    -> (itc: tensor[B, B]) {
  let model = Blip2ForImageTextRetrieval(config)
  let (seen, read) = model.itc_vectors(model.vision_model(pixel_values), input_ids, attention_mask)
  let similarity = matmul_t(reshape(seen, [B * model.queries, model.joint]), read)
  max(reshape(similarity, [B, model.queries, B]), axis: 1)
}

/// Matching logits and the probability of class 1 (match).
entry blip2_itm for Blip2ForImageTextRetrieval (pixel_values: tensor[B, 3, S, S], input_ids: tensor[B, L; i64], attention_mask: tensor[B, L; i64])
    where B = 1, fixed S = config.vision_config.get("image_size", 224)
    -> (itm_logits: tensor[B, 2], itm: tensor[B]) {
  let model = Blip2ForImageTextRetrieval(config)
  let logits = model.itm_logits(model.vision_model(pixel_values), input_ids, attention_mask)
  (logits, softmax(logits)[:, 1])
}

/// Both rewards of pictures in 0…1; the vision tower runs once.
entry blip2_reward for Blip2ForImageTextRetrieval (image: tensor[B, 3, h, w], input_ids: tensor[B, L; i64], attention_mask: tensor[B, L; i64]) vjp image
    where B = 1, h = config.vision_config.get("image_size", 224), w = config.vision_config.get("image_size", 224)
    -> (itc: tensor[B], itm: tensor[B]) {
  let model = Blip2ForImageTextRetrieval(config)
  let tokens = model.vision_model(preprocess.tower_pixels(image, model.image_size))
  model.scores(tokens, input_ids, attention_mask)
}
