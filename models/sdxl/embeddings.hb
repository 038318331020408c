// Numbers (time steps, picture sizes) as vectors.
import nn

/// Sines and cosines of `x` at geometrically falling frequencies from 1 to 1/10000 (diffusers get_timestep_embedding).
/// The frequencies are built with float32 arithmetic in the library's order — product, quotient, exponential — and angles and
/// waves are float32 whatever the compilation's type: at t = 999 one unit in the last place of a frequency is 1e-4 of a turn.
fn sinusoid(x: tensor[N], width: int, cosine_first: bool, shift: int) -> tensor[N, width] {
  let half = div(width, 2)
  require(half * 2 == width, "sinusoidal embeddings have an even width")
  let fall = f32round(-log(10000.0))
  let frequencies = constant([for j in 0..half => f32round(exp(f32round(f32round(fall * j) / (half - shift))))], f32)
  let angle = cast(x, f32)[:, newaxis] * frequencies[newaxis, :]
  cast(if cosine_first { concat([cos(angle), sin(angle)], axis: 1) } else { concat([sin(angle), cos(angle)], axis: 1) })
}

/// Two linears around SiLU (diffusers TimestepEmbedding).
module TimestepEmbedding(cin: int, width: int) {
  linear_1: nn.Linear(cin, width)
  linear_2: nn.Linear(width, width)

  fn (x: tensor[B, cin]) -> tensor[B, width] {
    linear_2(silu(linear_1(x)))
  }
}
