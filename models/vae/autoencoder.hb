// SDXL's variational autoencoder.
import nn
import decoder as d, encoder as e

/// Config keys known in one value only (`none`: missing or null). `force_upcast` is free: it speaks of half precision in torch.
let fixed_values = [
  ["act_fn", ["silu", "swish"]],
  ["latents_mean", [none]],
  ["latents_std", [none]],
  ["shift_factor", [none, 0]],
]

/// Latent edges are pixels divided by this.
fn scale(config) -> int { pow(2, len(config.block_out_channels) - 1) }

/// Height and width in pixels that a config is made for.
fn sample_sides(config) -> list {
  if is_list(config.sample_size) { config.sample_size } else { [config.sample_size, config.sample_size] }
}

/// diffusers AutoencoderKL.
module AutoencoderKL(config) {
  for (key, allowed) in fixed_values {
    require(contains(allowed, config.get(key)), "config.json: \"" + key + "\" is " + str(config.get(key)) + "; this network is written for " + str(allowed))
  }
  let count = len(config.block_out_channels)
  require(len(config.down_block_types) == count and len(config.up_block_types) == count, "down_block_types, up_block_types and block_out_channels differ in length")
  for kind in config.down_block_types {
    require(kind == "DownEncoderBlock2D", "down_block_types: \"" + kind + "\" is not DownEncoderBlock2D")
  }
  for kind in config.up_block_types {
    require(kind == "UpDecoderBlock2D", "up_block_types: \"" + kind + "\" is not UpDecoderBlock2D")
  }
  let C = config.latent_channels
  let scaling_factor = config.get("scaling_factor", 0.18215)
  let quantizes = config.get("use_quant_conv", true)
  let unquantizes = config.get("use_post_quant_conv", true)

  encoder: e.Encoder(config)
  decoder: d.Decoder(config)
  if quantizes {
    quant_conv: nn.Conv2d(2 * C, 2 * C, kernel: 1)
  }
  if unquantizes {
    post_quant_conv: nn.Conv2d(C, C, kernel: 1)
  }

  /// Latents, already divided by the scaling factor, to a picture of about −1…1.
  fn decode(z: tensor[B, C, H, W]) -> tensor[B, config.out_channels, _, _] {
    decoder(if unquantizes { post_quant_conv(z) } else { z })
  }

  /// (mean, log-variance limited to −30…20) of a picture's latents, before the scaling factor.
  fn encode(image: tensor[B, config.in_channels, h, w]) -> (tensor[B, C, _, _], tensor[B, C, _, _]) {
    let moments = encoder(image)
    let (mean, logvar) = split(if quantizes { quant_conv(moments) } else { moments }, 2, axis: 1)
    (mean, clamp(logvar, -30, 20))
  }
}

/// Latents already divided by scaling_factor to pictures.
entry vae_decode for AutoencoderKL (latents: tensor[B, C, H, W]) vjp latents
    where B = 1, fixed C = config.latent_channels, H = div(sample_sides(config)[0], scale(config)), W = div(sample_sides(config)[1], scale(config))
    -> (image: tensor[B, O, h, w]) {
  AutoencoderKL(config).decode(latents)
}

/// Pictures to the moments of their latents.
entry vae_encode for AutoencoderKL (image: tensor[B, I, h, w])
    where B = 1, fixed I = config.in_channels, h = sample_sides(config)[0], w = sample_sides(config)[1]
    -> (mean: tensor[B, C, H, W], logvar: tensor[B, C, H, W]) {
  AutoencoderKL(config).encode(image)
}
