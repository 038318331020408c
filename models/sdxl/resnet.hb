// Convolutional blocks of the UNet and of the VAE.
import nn

/// Two 3×3 convolutions, each behind norm and SiLU, around a time shift, beside a skip (diffusers ResnetBlock2D).
/// The VAE's blocks have no time input: `temb` 0. The shortcut reads the raw input, not the normed one.
module ResnetBlock2D(cin: int, cout: int, temb: int, groups: int, eps: float) {
  norm1: nn.GroupNorm(groups, cin, eps)
  conv1: nn.Conv2d(cin, cout, kernel: 3, padding: 1)
  if temb > 0 {
    time_emb_proj: nn.Linear(temb, cout)
  }
  norm2: nn.GroupNorm(groups, cout, eps)
  conv2: nn.Conv2d(cout, cout, kernel: 3, padding: 1)
  if cin != cout {
    conv_shortcut: nn.Conv2d(cin, cout, kernel: 1)
  }

  fn (x: tensor[B, cin, H, W], t: tensor[B, temb]? = none) -> tensor[B, cout, H, W] {
    let h = conv1(silu(norm1(x)))
    let h = if temb > 0 { h + time_emb_proj(silu(t))[:, :, newaxis, newaxis] } else { h }
    let h = conv2(silu(norm2(h)))
    let skip = if cin != cout { conv_shortcut(x) } else { x }
    skip + h
  }
}

/// Halves a picture with a 3×3 convolution of stride 2 (diffusers Downsample2D). Padding 1 is on all sides (UNet); 0 stands for
/// one row below and one column at the right (VAE encoder).
module Downsample2D(channels: int, padding: int) {
  let sides = if padding == 0 { [0, 1, 0, 1] } else { [padding, padding, padding, padding] }
  conv: nn.Conv2d(channels, channels, kernel: 3, stride: 2, padding: sides)

  fn (x: tensor[B, channels, H, W]) -> tensor[B, channels, _, _] {
    conv(x)
  }
}

/// Nearest-neighbour resize to `size` = [height, width], then a 3×3 convolution (diffusers Upsample2D). The size is the next
/// skip's, so that edges that are no multiple of the UNet's factor come back to what they were.
module Upsample2D(channels: int) {
  conv: nn.Conv2d(channels, channels, kernel: 3, padding: 1)

  fn (x: tensor[B, channels, H, W], size: list) -> tensor[B, channels, _, _] {
    conv(resize_nearest(x, size))
  }
}
