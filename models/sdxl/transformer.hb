// Attention over the positions of a feature map, and from them to the text.
import nn

/// Multi-head attention from x to c (diffusers Attention): no bias on the inputs, one on the output.
module Attention(width: int, heads: int, context: int) {
  require(width % heads == 0, "the head count (attention_head_dim in the config, a historical misnomer) must divide the block's width")
  to_q: nn.Linear(width, width, bias: false)
  to_k: nn.Linear(context, width, bias: false)
  to_v: nn.Linear(context, width, bias: false)
  to_out: [nn.Linear(width, width)]

  fn (x: tensor[B, N, width], c: tensor[B, M, context]) -> tensor[B, N, width] {
    to_out[0](attention(to_q(x), to_k(c), to_v(c), heads: heads))
  }
}

/// Value half times GELU of the gate half; the value comes first (diffusers GEGLU).
module GEGLU(width: int, inner: int) {
  proj: nn.Linear(width, 2 * inner)

  fn (x: tensor[B, N, width]) -> tensor[B, N, inner] {
    let (value, gate) = split(proj(x), 2, axis: 2)
    value * gelu(gate)
  }
}

/// Gated feed-forward of four times the width (diffusers FeedForward; net.1 is a dropout without parameters).
module FeedForward(width: int) {
  net: { 0: GEGLU(width, 4 * width), 2: nn.Linear(4 * width, width) }

  fn (x: tensor[B, N, width]) -> tensor[B, N, width] {
    net[2](net[0](x))
  }
}

/// Self-attention, cross-attention and feed-forward, each behind a LayerNorm and beside a residual (diffusers BasicTransformerBlock).
/// Keys and values of the cross-attention depend on the text alone: a sampling loop computes them once.
module BasicTransformerBlock(width: int, heads: int, context: int) {
  norm1: nn.LayerNorm(width)
  attn1: Attention(width, heads, width)
  norm2: nn.LayerNorm(width)
  attn2: Attention(width, heads, context)
  norm3: nn.LayerNorm(width)
  ff: FeedForward(width)

  fn (x: tensor[B, N, width], c: tensor[B, M, context]) -> tensor[B, N, width] {
    let u = norm1(x)
    let x = x + attn1(u, u)
    let x = x + attn2(norm2(x), c)
    x + ff(norm3(x))
  }
}

/// `depth` transformer blocks over the positions of a picture, beside a skip (diffusers Transformer2DModel with linear
/// projections). The input norm's epsilon is 1e-6 whatever the config's norm_eps.
module Transformer2DModel(width: int, heads: int, depth: int, context: int, groups: int) {
  norm: nn.GroupNorm(groups, width, 1e-6)
  proj_in: nn.Linear(width, width)
  transformer_blocks: [for k in 0..depth => BasicTransformerBlock(width, heads, context)]
  proj_out: nn.Linear(width, width)

  fn (x: tensor[B, width, H, W], c: tensor[B, M, context]) -> tensor[B, width, H, W] {
    let z = proj_in(nn.to_tokens(norm(x)))
    let z = for block in transformer_blocks from z => block(z, c)
    x + nn.to_picture(proj_out(z), H, W)
  }
}
