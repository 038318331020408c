// SDXL's denoiser.
import nn
import blocks, embeddings

/// Config keys that SDXL's family has in one value only: the key, and the values that mean it.
/// `none` is a missing key or null. `upcast_attention` is free: softmax is computed in float32 here in any case.
let fixed_values = [
  ["act_fn", ["silu", "swish"]],
  ["addition_embed_type", ["text_time"]],
  ["attention_type", [none, "default"]],
  ["center_input_sample", [none, false]],
  ["class_embed_type", [none]],
  ["class_embeddings_concat", [none, false]],
  ["cross_attention_norm", [none]],
  ["dropout", [none, 0]],
  ["dual_cross_attention", [none, false]],
  ["encoder_hid_dim", [none]],
  ["encoder_hid_dim_type", [none]],
  ["mid_block_only_cross_attention", [none, false]],
  ["mid_block_scale_factor", [none, 1]],
  ["mid_block_type", [none, "UNetMidBlock2DCrossAttn"]],
  ["num_attention_heads", [none]],
  ["num_class_embeds", [none]],
  ["only_cross_attention", [none, false]],
  ["resnet_out_scale_factor", [none, 1]],
  ["resnet_skip_time_act", [none, false]],
  ["resnet_time_scale_shift", [none, "default"]],
  ["reverse_transformer_layers_per_block", [none]],
  ["time_cond_proj_dim", [none]],
  ["time_embedding_act_fn", [none]],
  ["time_embedding_type", [none, "positional"]],
  ["timestep_post_act", [none]],
  ["use_linear_projection", [true]],
]

/// Predicts the noise in `sample` (diffusers UNet2DConditionModel, SDXL family).
module UNet2DConditionModel(config) {
  for (key, allowed) in fixed_values {
    require(contains(allowed, config.get(key)), "config.json: \"" + key + "\" is " + str(config.get(key)) + "; this network is written for " + str(allowed))
  }
  let widths = config.block_out_channels
  let count = len(widths)
  require(len(config.down_block_types) == count and len(config.up_block_types) == count, "down_block_types, up_block_types and block_out_channels differ in length")
  let emb_width = blocks.time_width(config)
  let size_width = config.addition_time_embed_dim // of each of the six sizes
  let added = config.projection_class_embeddings_input_dim
  let P = added - 6 * size_width
  let D = config.cross_attention_dim
  let cosine_first = config.get("flip_sin_to_cos", true)
  let shift = config.get("freq_shift", 0)
  let kernel_in = config.get("conv_in_kernel", 3)
  let kernel_out = config.get("conv_out_kernel", 3)

  conv_in: nn.Conv2d(config.in_channels, widths[0], kernel: kernel_in, padding: div(kernel_in, 2))
  time_embedding: embeddings.TimestepEmbedding(widths[0], emb_width)
  add_embedding: embeddings.TimestepEmbedding(added, emb_width)
  down_blocks: [for i in 0..count => blocks.DownBlock(config, i)]
  mid_block: blocks.MidBlock(config)
  up_blocks: [for i in 0..count => blocks.UpBlock(config, i)]
  conv_norm_out: nn.GroupNorm(config.get("norm_num_groups", 32), widths[0], config.get("norm_eps", 1e-5))
  conv_out: nn.Conv2d(widths[0], config.out_channels, kernel: kernel_out, padding: div(kernel_out, 2))
  adapters

  /// `time_ids` are original height and width, crop top and left, target height and width, in pixels.
  fn (sample: tensor[B, config.in_channels, H, W], timestep: tensor[B; f32], encoder_hidden_states: tensor[B, T, D], text_embeds: tensor[B, P], time_ids: tensor[B, 6; f32])
      -> tensor[B, config.out_channels, H, W] {
    let time = time_embedding(embeddings.sinusoid(timestep, widths[0], cosine_first, shift))
    let sizes = reshape(embeddings.sinusoid(reshape(time_ids, [6 * B]), size_width, cosine_first, shift), [B, 6 * size_width])
    let emb = time + add_embedding(concat([text_embeds, sizes], axis: 1))

    let skips = for block in down_blocks from skips = [conv_in(sample)] => block(skips, emb, encoder_hidden_states)
    let h = mid_block(skips[-1], emb, encoder_hidden_states)
    let (h, skips) = for block in up_blocks from (h, skips) => block(h, skips, emb, encoder_hidden_states)
    conv_out(silu(conv_norm_out(h)))
  }
}

/// Height and width of the latent a UNet's config is made for.
fn sample_sides(config) -> list {
  if is_list(config.sample_size) { config.sample_size } else { [config.sample_size, config.sample_size] }
}

/// Width of the pooled embedding that a UNet takes.
fn pooled_width(config) -> int { config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim }

/// One noise prediction. Time steps and picture sizes are float32 in every compilation: bfloat16 has no 999.
entry unet for UNet2DConditionModel (sample: tensor[B, C, H, W], timestep: tensor[B; f32], encoder_hidden_states: tensor[B, T, D], text_embeds: tensor[B, P],
                                     time_ids: tensor[B, 6; f32]) vjp sample
    where B = 1, T = 77, H = sample_sides(config)[0], W = sample_sides(config)[1],
          fixed C = config.in_channels, fixed D = config.cross_attention_dim, fixed P = pooled_width(config)
    -> (sample: tensor[B, O, H, W]) {
  UNet2DConditionModel(config)(sample, timestep, encoder_hidden_states, text_embeds, time_ids)
}
