// The pre-norm transformer that CLIP's text and vision towers share.
// Missing keys of a (nested) config have the defaults of transformers' CLIPTextConfig and CLIPVisionConfig.
import nn

/// Multi-head self-attention with biases on all four projections (transformers CLIPAttention).
module CLIPAttention(width: int, heads: int) {
  require(width % heads == 0, "num_attention_heads must divide hidden_size")
  q_proj: nn.Linear(width, width)
  k_proj: nn.Linear(width, width)
  v_proj: nn.Linear(width, width)
  out_proj: nn.Linear(width, width)

  fn (x: tensor[B, N, width], causal: bool) -> tensor[B, N, width] {
    out_proj(attention(q_proj(x), k_proj(x), v_proj(x), heads: heads, causal: causal))
  }
}

/// Two linears around an activation (transformers CLIPMLP).
module CLIPMLP(width: int, inner: int, act: string) {
  fc1: nn.Linear(width, inner)
  fc2: nn.Linear(inner, width)

  fn (x: tensor[..., width]) -> tensor[..., width] {
    fc2(nn.activation(act, fc1(x)))
  }
}

/// Attention and MLP, each behind its norm and beside a residual (transformers CLIPEncoderLayer).
module CLIPEncoderLayer(width: int, inner: int, heads: int, act: string, eps: float) {
  layer_norm1: nn.LayerNorm(width, eps)
  self_attn: CLIPAttention(width, heads)
  layer_norm2: nn.LayerNorm(width, eps)
  mlp: CLIPMLP(width, inner, act)

  fn (x: tensor[B, N, width], causal: bool) -> tensor[B, N, width] {
    let x = x + self_attn(layer_norm1(x), causal)
    x + mlp(layer_norm2(x))
  }
}

/// The stack of layers (transformers CLIPEncoder). `defaults` holds what the config may leave out.
module CLIPEncoder(config, defaults: record) {
  let width = config.get("hidden_size", defaults.hidden_size)
  let inner = config.get("intermediate_size", defaults.intermediate_size)
  let heads = config.get("num_attention_heads", defaults.num_attention_heads)
  let act = config.get("hidden_act", "quick_gelu")
  let eps = config.get("layer_norm_eps", 1e-5)
  layers: [for i in 0..config.get("num_hidden_layers", 12) => CLIPEncoderLayer(width, inner, heads, act, eps)]

  /// Every hidden state: the embeddings, then the output of each layer, none of them normed.
  fn (x: tensor[B, N, width], causal: bool) -> list {
    for layer in layers from states = [x] => states + [layer(states[-1], causal)]
  }
}
