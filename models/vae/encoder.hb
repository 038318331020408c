// From a picture to the moments of its latents.
import nn
import blocks
import sdxl.resnet

/// Resnets, then a halving except in the last stage (diffusers DownEncoderBlock2D). The halving pads below and at the right only.
module DownBlock(config, cin: int, cout: int, halves: bool) {
  resnets: [for j in 0..config.layers_per_block => blocks.resnet_of(config, if j == 0 { cin } else { cout }, cout)]
  if halves {
    downsamplers: [resnet.Downsample2D(cout, 0)]
  }

  fn (x: tensor[B, cin, H, W]) -> tensor[B, cout, _, _] {
    let x = for block in resnets from x => block(x)
    if halves { downsamplers[0](x) } else { x }
  }
}

/// diffusers Encoder; the result holds mean and log-variance.
module Encoder(config) {
  let widths = config.block_out_channels
  let count = len(widths)
  conv_in: nn.Conv2d(config.in_channels, widths[0], kernel: 3, padding: 1)
  down_blocks: [for i in 0..count => DownBlock(config, widths[max(i - 1, 0)], widths[i], i + 1 < count)]
  mid_block: blocks.MidBlock(config, widths[-1])
  conv_norm_out: nn.GroupNorm(config.get("norm_num_groups", 32), widths[-1], blocks.eps)
  conv_out: nn.Conv2d(widths[-1], 2 * config.latent_channels, kernel: 3, padding: 1)

  fn (image: tensor[B, config.in_channels, h, w]) -> tensor[B, 2 * config.latent_channels, _, _] {
    let x = for block in down_blocks from x = conv_in(image) => block(x)
    conv_out(silu(conv_norm_out(mid_block(x))))
  }
}
