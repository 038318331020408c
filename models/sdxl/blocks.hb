// The UNet's stages. The down path keeps every map it makes on a list; the up path takes them from its end.
import nn
import resnet, transformer

/// What stage `index` (down order) of the UNet looks like, from the config's per-block values.
fn stage(config, index: int) -> record {
  let count = len(config.block_out_channels)
  {
    width: config.block_out_channels[index],
    layers: nn.per_block(config.layers_per_block, count)[index],
    depth: nn.per_block(config.get("transformer_layers_per_block", 1), count)[index],
    heads: nn.per_block(config.attention_head_dim, count)[index],
  }
}

/// Width of the time embedding that every resnet receives.
fn time_width(config) -> int { config.get("time_embedding_dim", 4 * config.block_out_channels[0]) }

fn resnet_of(config, cin: int, cout: int) {
  resnet.ResnetBlock2D(cin, cout, time_width(config), config.get("norm_num_groups", 32), config.get("norm_eps", 1e-5))
}

fn transformer_of(config, s: record) {
  transformer.Transformer2DModel(s.width, s.heads, s.depth, config.cross_attention_dim, config.get("norm_num_groups", 32))
}

/// Resnets, with a transformer after each in the CrossAttn variant, then a halving except in the last stage
/// (diffusers DownBlock2D and CrossAttnDownBlock2D). Every map made goes on the skip list; the last one is the stage's result.
module DownBlock(config, index: int) {
  let kind = config.down_block_types[index]
  require(contains(["DownBlock2D", "CrossAttnDownBlock2D"], kind), "down_block_types: \"" + kind + "\" is neither DownBlock2D nor CrossAttnDownBlock2D")
  let s = stage(config, index)
  let cin = config.block_out_channels[max(index - 1, 0)]
  let attends = kind == "CrossAttnDownBlock2D"
  let halves = index + 1 < len(config.block_out_channels)

  resnets: [for j in 0..s.layers => resnet_of(config, if j == 0 { cin } else { s.width }, s.width)]
  if attends {
    attentions: [for j in 0..s.layers => transformer_of(config, s)]
  }
  if halves {
    downsamplers: [resnet.Downsample2D(s.width, config.get("downsample_padding", 1))]
  }

  fn (skips: list, emb: tensor, context: tensor) -> list {
    let skips = for j in 0..s.layers from skips => {
      let h = resnets[j](skips[-1], emb)
      skips + [if attends { attentions[j](h, context) } else { h }]
    }
    if halves { skips + [downsamplers[0](skips[-1])] } else { skips }
  }
}

/// Resnet, transformer, resnet at the coarsest size (diffusers UNetMidBlock2DCrossAttn).
module MidBlock(config) {
  let s = stage(config, len(config.block_out_channels) - 1)
  resnets: [resnet_of(config, s.width, s.width), resnet_of(config, s.width, s.width)]
  attentions: [transformer_of(config, s)]

  fn (h: tensor, emb: tensor, context: tensor) -> tensor {
    resnets[1](attentions[0](resnets[0](h, emb), context), emb)
  }
}

/// The mirror of DownBlock with one resnet more (diffusers UpBlock2D and CrossAttnUpBlock2D); each resnet reads the current map
/// and, behind it along the channels, one skip. Stages but the last end by growing to the next skip's size.
module UpBlock(config, index: int) {
  let kind = config.up_block_types[index]
  require(contains(["UpBlock2D", "CrossAttnUpBlock2D"], kind), "up_block_types: \"" + kind + "\" is neither UpBlock2D nor CrossAttnUpBlock2D")
  let widths = reverse(config.block_out_channels)
  let s = stage(config, len(widths) - 1 - index)
  let layers = s.layers + 1
  let before = widths[max(index - 1, 0)]
  let after = widths[min(index + 1, len(widths) - 1)]
  let attends = kind == "CrossAttnUpBlock2D"
  let doubles = index + 1 < len(widths)

  // The last skip of a stage is the halved map of the stage above, which has that stage's width.
  resnets: [for j in 0..layers => resnet_of(config, (if j == 0 { before } else { s.width }) + (if j + 1 == layers { after } else { s.width }), s.width)]
  if attends {
    attentions: [for j in 0..layers => transformer_of(config, s)]
  }
  if doubles {
    upsamplers: [resnet.Upsample2D(s.width)]
  }

  /// (map, skips that are left)
  fn (h: tensor, skips: list, emb: tensor, context: tensor) -> (tensor, list) {
    let (h, skips) = for j in 0..layers from (h, skips) => {
      let h = resnets[j](concat([h, skips[-1]], axis: 1), emb)
      (if attends { attentions[j](h, context) } else { h }, skips[0:len(skips) - 1])
    }
    (if doubles { upsamplers[0](h, shape(skips[-1])[2:4]) } else { h }, skips)
  }
}
