// BLIP-2's Q-Former: BERT whose first rows may be learned queries that look at the picture.
// Missing keys of the nested config have the defaults of transformers' Blip2QFormerConfig.
import nn

/// The projections of one attention (transformers Blip2QFormerMultiHeadAttention).
module Blip2QFormerMultiHeadAttention(width: int, context: int, heads: int) {
  require(width % heads == 0, "qformer_config.num_attention_heads must divide hidden_size")
  query: nn.Linear(width, width)
  key: nn.Linear(context, width)
  value: nn.Linear(context, width)

  /// `mask` is added to the scores.
  fn (x: tensor[B, N, width], c: tensor[B, M, context], mask: tensor[B, 1, M]? = none) -> tensor[B, N, width] {
    attention(query(x), key(c), value(c), heads: heads, mask: mask)
  }
}

/// A linear, the residual, and the norm behind both (transformers Blip2QFormerSelfOutput and Blip2QFormerOutput).
module Blip2QFormerOutput(cin: int, width: int, eps: float) {
  dense: nn.Linear(cin, width)
  LayerNorm: nn.LayerNorm(width, eps)

  fn (x: tensor[B, N, cin], residual: tensor[B, N, width]) -> tensor[B, N, width] {
    LayerNorm(dense(x) + residual)
  }
}

/// Attention with its output block (transformers Blip2QFormerAttention).
module Blip2QFormerAttention(width: int, context: int, heads: int, eps: float) {
  attention: Blip2QFormerMultiHeadAttention(width, context, heads)
  output: Blip2QFormerOutput(width, width, eps)

  fn (x: tensor[B, N, width], c: tensor[B, M, context], mask: tensor[B, 1, M]? = none) -> tensor[B, N, width] {
    output(self.attention(x, c, mask), x)
  }
}

/// The first half of a feed-forward (transformers Blip2QFormerIntermediate).
module Blip2QFormerIntermediate(width: int, inner: int, act: string) {
  dense: nn.Linear(width, inner)

  fn (x: tensor[B, N, width]) -> tensor[B, N, inner] {
    nn.activation(act, dense(x))
  }
}

/// Self-attention over all rows, cross-attention of the query rows in every `cross_attention_frequency`-th layer, and separate
/// feed-forwards for query rows and text rows (transformers Blip2QFormerLayer).
module Blip2QFormerLayer(config, index: int) {
  let width = config.get("hidden_size", 768)
  let inner = config.get("intermediate_size", 3072)
  let heads = config.get("num_attention_heads", 12)
  let eps = config.get("layer_norm_eps", 1e-12)
  let act = config.get("hidden_act", "gelu")
  let crosses = index % config.get("cross_attention_frequency", 2) == 0

  attention: Blip2QFormerAttention(width, width, heads, eps)
  if crosses {
    crossattention: Blip2QFormerAttention(width, config.get("encoder_hidden_size", 1408), heads, eps)
  }
  intermediate: Blip2QFormerIntermediate(width, inner, act)
  output: Blip2QFormerOutput(inner, width, eps)
  intermediate_query: Blip2QFormerIntermediate(width, inner, act)
  output_query: Blip2QFormerOutput(inner, width, eps)

  /// The first `queries` rows of `x` are queries, the others text; `image` is not looked at when there are no queries.
  fn (x: tensor[B, N, width], queries: int, image: tensor?, mask: tensor?) -> tensor[B, N, width] {
    let a = self.attention(x, x, mask)
    if queries == 0 {
      text_rows(a)
    } else if queries == N {
      query_rows(a, image)
    } else {
      concat([query_rows(a[:, 0:queries], image), text_rows(a[:, queries:N])], axis: 1)
    }
  }

  fn query_rows(x: tensor[B, Q, width], image: tensor) -> tensor[B, Q, width] {
    let x = if crosses { crossattention(x, image) } else { x }
    output_query(intermediate_query(x), x)
  }

  fn text_rows(x: tensor[B, L, width]) -> tensor[B, L, width] {
    output(intermediate(x), x)
  }
}

module Blip2QFormerEncoder(config) {
  layer: [for i in 0..config.get("num_hidden_layers", 12) => Blip2QFormerLayer(config, i)]

  fn (x: tensor, queries: int, image: tensor?, mask: tensor?) -> tensor {
    for block in layer from x => block(x, queries, image, mask)
  }
}

/// One norm over all rows, then the layers (transformers Blip2QFormerModel).
module Blip2QFormerModel(config) {
  let width = config.get("hidden_size", 768)
  layernorm: nn.LayerNorm(width, config.get("layer_norm_eps", 1e-12))
  encoder: Blip2QFormerEncoder(config)

  /// `mask` [B, 1, N] is added to the self-attention's scores; without it every row sees every row.
  fn (x: tensor[B, N, width], queries: int, image: tensor? = none, mask: tensor[B, 1, N]? = none) -> tensor[B, N, width] {
    encoder(layernorm(x), queries, image, mask)
  }
}

/// Word pieces and their positions, from 0 also when queries stand in front (transformers Blip2TextEmbeddings).
module Blip2TextEmbeddings(config) {
  let width = config.get("hidden_size", 768)
  let positions = config.get("max_position_embeddings", 512)
  word_embeddings: nn.Embedding(config.get("vocab_size", 30522), width)
  position_embeddings: nn.Embedding(positions, width)

  fn (ids: tensor[B, L; i64]) -> tensor[B, L, width] {
    require(L <= positions, "L = " + str(L) + " is longer than max_position_embeddings = " + str(positions))
    word_embeddings(ids) + cast(position_embeddings.weight[0:L])
  }
}

/// A tokenizer's mask (1 keep, 0 hide) as a term of the scores. BERT's −10000 makes a hidden key's probability zero in float32
/// unless a whole row is hidden.
fn score_mask(mask: tensor[B, N; i64]) -> tensor[B, 1, N] {
  ((cast(mask) - 1) * 10000)[:, newaxis, :]
}
