import nn
/// A block.
module Block(cin: int, cout: int = 2 * 3, eps: float = 1e-5) {
  norm: nn.LayerNorm(cin, eps)
  proj "to_out.0": nn.Linear(cin, cout)
  if cin != cout { short: nn.Linear(cin, cout) } else { let none_here = none }
  for i in 0..3 { ("layers." + str(i)): nn.Linear(cin, cin) }
  ignore "*.position_ids", "x.*"
  require(cin > 0, "no channels")
  fn (x: tensor[B, N, cin]) -> tensor[B, N, cout] { proj(norm(x)) }
}
