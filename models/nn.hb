// The layers every network is made of: a checkpoint's tensors and the primitive that uses them.

/// y = x·Wᵀ + b over the last axis; weight [cout, cin] (torch.nn.Linear). A possible site of a LoRA update.
module Linear(cin: int, cout: int, bias: bool = true) {
  weight: param[cout, cin]
  let biased = bias
  if biased {
    bias: param[cout]
  }

  fn (x: tensor[..., cin]) -> tensor[..., cout] {
    linear(x, weight, if biased { bias } else { none })
  }
}

/// Cross-correlation with zero padding; weight [cout, cin, kernel, kernel] (torch.nn.Conv2d, one group, no dilation).
/// `padding` is one number for all sides, or [top, bottom, left, right].
module Conv2d(cin: int, cout: int, kernel: int, stride: int = 1, padding = 0, bias: bool = true) {
  weight: param[cout, cin, kernel, kernel]
  let biased = bias
  if biased {
    bias: param[cout]
  }

  fn (x: tensor[B, cin, H, W]) -> tensor[B, cout, _, _] {
    conv2d(x, weight, if biased { bias } else { none }, stride: stride, padding: padding)
  }
}

/// Normalises groups of channels of a picture, population variance (torch.nn.GroupNorm, affine).
module GroupNorm(groups: int, channels: int, eps: float = 1e-5) {
  require(channels % groups == 0, "norm_num_groups must divide the number of channels")
  weight: param[channels]
  bias: param[channels]

  fn (x: tensor[B, channels, H, W]) -> tensor[B, channels, H, W] {
    group_norm(x, weight, bias, groups, eps)
  }
}

/// Normalises the last axis, population variance (torch.nn.LayerNorm, affine).
module LayerNorm(width: int, eps: float = 1e-5) {
  weight: param[width]
  bias: param[width]

  fn (x: tensor[..., width]) -> tensor[..., width] {
    layer_norm(x, weight, bias, eps)
  }
}

/// A table of rows picked by id; weight [count, width] (torch.nn.Embedding).
module Embedding(count: int, width: int) {
  weight: param[count, width]

  fn (ids: tensor[..., N; i64]) -> tensor[..., N, width] {
    gather(weight, ids)
  }
}

/// The activation that a config names as transformers does. "gelu" is the exact form; none of the networks uses the tanh form.
fn activation(name: string, x: tensor) -> tensor {
  require(contains(["gelu", "quick_gelu", "silu", "swish", "relu"], name), "hidden_act \"" + name + "\" is not one of gelu, quick_gelu, silu, relu")
  if name == "gelu" {
    gelu(x)
  } else if name == "quick_gelu" {
    quick_gelu(x)
  } else if name == "relu" {
    relu(x)
  } else {
    silu(x)
  }
}

/// The positions of a picture, row by row, as a sequence of tokens.
fn to_tokens(x: tensor[B, C, H, W]) -> tensor[B, H * W, C] {
  reshape(permute(x, [0, 2, 3, 1]), [B, H * W, C])
}

/// The inverse of `to_tokens`.
fn to_picture(x: tensor[B, N, C], height: int, width: int) -> tensor[B, C, height, width] {
  permute(reshape(x, [B, height, width, C]), [0, 3, 1, 2])
}

/// A config value that may be one number for all blocks or a list with one entry per block.
fn per_block(value, count: int) -> list {
  let values = if is_list(value) { value } else { [for i in 0..count => value] }
  require(len(values) == count, "a config list with one value per block has another length than block_out_channels")
  values
}
