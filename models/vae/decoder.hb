// From latents to a picture.
import nn
import blocks
import sdxl.resnet

/// Resnets, then a doubling except in the last stage (diffusers UpDecoderBlock2D).
module UpBlock(config, cin: int, cout: int, doubles: bool) {
  let layers = config.layers_per_block + 1
  resnets: [for j in 0..layers => blocks.resnet_of(config, if j == 0 { cin } else { cout }, cout)]
  if doubles {
    upsamplers: [resnet.Upsample2D(cout)]
  }

  fn (x: tensor[B, cin, H, W]) -> tensor[B, cout, _, _] {
    let x = for block in resnets from x => block(x)
    if doubles { upsamplers[0](x, [2 * H, 2 * W]) } else { x }
  }
}

/// diffusers Decoder.
module Decoder(config) {
  let widths = reverse(config.block_out_channels)
  let count = len(widths)
  conv_in: nn.Conv2d(config.latent_channels, widths[0], kernel: 3, padding: 1)
  mid_block: blocks.MidBlock(config, widths[0])
  up_blocks: [for i in 0..count => UpBlock(config, widths[max(i - 1, 0)], widths[i], i + 1 < count)]
  conv_norm_out: nn.GroupNorm(config.get("norm_num_groups", 32), widths[-1], blocks.eps)
  conv_out: nn.Conv2d(widths[-1], config.out_channels, kernel: 3, padding: 1)

  fn (z: tensor[B, config.latent_channels, H, W]) -> tensor[B, config.out_channels, _, _] {
    let h = mid_block(conv_in(z))
    let h = for block in up_blocks from h => block(h)
    conv_out(silu(conv_norm_out(h)))
  }
}
