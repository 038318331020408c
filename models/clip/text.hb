// CLIP's text towers: the two prompt encoders of SDXL, and the text half of CLIPModel.
import nn
import encoder as tower

/// transformers' CLIPTextConfig, as far as a nested config may leave keys out.
let text_defaults = { hidden_size: 512, intermediate_size: 2048, num_attention_heads: 8 }

/// Token and position embeddings (transformers CLIPTextEmbeddings).
module CLIPTextEmbeddings(vocabulary: int, positions: int, width: int) {
  token_embedding: nn.Embedding(vocabulary, width)
  position_embedding: nn.Embedding(positions, width)

  fn (ids: tensor[B, T; i64]) -> tensor[B, T, width] {
    require(T <= positions, "T = " + str(T) + " is longer than max_position_embeddings = " + str(positions))
    token_embedding(ids) + cast(position_embedding.weight[0:T])
  }
}

/// Causal transformer over token ids (transformers CLIPTextTransformer). No padding mask: padded positions take part, as in SDXL.
module CLIPTextTransformer(config) {
  let width = config.get("hidden_size", text_defaults.hidden_size)
  let end = config.get("eos_token_id", 49407)
  embeddings: CLIPTextEmbeddings(config.get("vocab_size", 49408), config.get("max_position_embeddings", 77), width)
  encoder: tower.CLIPEncoder(config, text_defaults)
  final_layer_norm: nn.LayerNorm(width, config.get("layer_norm_eps", 1e-5))

  /// The last hidden state after the final norm, the one before the last layer without it, and the row of the end token.
  fn (ids: tensor[B, T; i64]) -> (tensor[B, T, width], tensor[B, T, width], tensor[B, width]) {
    let states = encoder(embeddings(ids), true)
    let last = final_layer_norm(states[-1])
    (last, states[-2], gather_rows(last, end_position(ids)))
  }

  /// Older configs say 2 although the vocabularies' end token is their largest id; transformers then takes the first largest id.
  fn end_position(ids: tensor[B, T; i64]) -> tensor[B; i64] {
    if end == 2 { argmax(ids) } else { argmax(eq(ids, end)) }
  }
}

/// A text tower alone (transformers CLIPTextModel).
module CLIPTextModel(config) {
  text_model: CLIPTextTransformer(config)
  ignore "*.position_ids"
}

/// A text tower with a bias-free projection of the pooled row (transformers CLIPTextModelWithProjection).
module CLIPTextModelWithProjection(config) {
  text_model: CLIPTextTransformer(config)
  text_projection: nn.Linear(text_model.width, stored_shape(config, "text_projection.weight")[0], bias: false)
  ignore "*.position_ids"
}

/// Token ids to hidden states; `pooled` is the row of the end token (transformers' pooler_output).
entry text_encode for CLIPTextModel (input_ids: tensor[B, T; i64])
    where B = 1, T = min(77, config.get("max_position_embeddings", 77))
    -> (last_hidden_state: tensor[B, T, D], penultimate_hidden_state: tensor[B, T, D], pooled: tensor[B, D]) {
  CLIPTextModel(config).text_model(input_ids)
}

/// Token ids to hidden states; `pooled` is the projected row of the end token (transformers' text_embeds).
entry text_encode for CLIPTextModelWithProjection (input_ids: tensor[B, T; i64])
    where B = 1, T = min(77, config.get("max_position_embeddings", 77))
    -> (last_hidden_state: tensor[B, T, D], penultimate_hidden_state: tensor[B, T, D], pooled: tensor[B, P]) {
  let model = CLIPTextModelWithProjection(config)
  let (last, penultimate, row) = model.text_model(input_ids)
  (last, penultimate, model.text_projection(row))
}
