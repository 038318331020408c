// Text and reference picture to picture: classifier-free guidance around the denoiser, then the decoder.
import sdxl.unet, vae.autoencoder

/// The noise that the network sees in latents. Both halves of the guidance are one batch, the unconditional one first.
fn predict(net: any, x: tensor[B, C, H, W; f32], in_scale: tensor[; f32], timestep: tensor[; f32],
           context: tensor[2 * B, T, D], pooled: tensor[2 * B, P], time_ids: tensor[2 * B, 6; f32]) -> tensor[2 * B, C, H, W; f32] {
  let scaled = cast(x * in_scale)
  cast(net(concat([scaled, scaled], axis: 0), broadcast(timestep, [2 * B]), context, pooled, time_ids), f32)
}

/// x ← c_x·x + c_e·ε, with ε guided from the prediction for nothing to that for the text.
fn advance(x: tensor[B, C, H, W; f32], noise: tensor[2 * B, C, H, W; f32], cx: tensor[; f32], ce: tensor[; f32],
           guidance_scale: tensor[; f32]) -> tensor[B, C, H, W; f32] {
  let (unconditional, conditional) = split(noise, 2, axis: 0)
  cx * x + ce * (unconditional + guidance_scale * (conditional - unconditional))
}

/// One step of any scheduler that is affine in the latents and the predicted noise. Latents, guidance and the affine step
/// stay float32 in every compilation: a guidance of 15 and coefficients above 1 multiply rounding, step after step.
fn denoise(net: any, x: tensor[B, C, H, W; f32], in_scale: tensor[; f32], timestep: tensor[; f32], cx: tensor[; f32], ce: tensor[; f32],
           context: tensor[2 * B, T, D], pooled: tensor[2 * B, P], time_ids: tensor[2 * B, 6; f32], guidance_scale: tensor[; f32]) -> tensor[B, C, H, W; f32] {
  advance(x, predict(net, x, in_scale, timestep, context, pooled, time_ids), cx, ce, guidance_scale)
}

/// Latents of the sampler to a picture in 0…1.
fn picture(vae: any, latents: tensor[B, C, H, W; f32]) -> tensor[B, 3, h, w; f32] {
  clamp(cast(vae.decode(cast(latents / vae.scaling_factor)), f32) / 2 + 0.5, 0, 1)
}

/// Stops where the components of a pipeline folder do not fit together.
fn fits(D: int, P: int, C: int) -> bool {
  require(C == component("vae").latent_channels, "unet: in_channels is not the vae's latent_channels")
  require(C == component("unet").out_channels, "unet: in_channels and out_channels differ")
  require(D == component("text_encoder").hidden_size + component("text_encoder_2").hidden_size,
          "unet: cross_attention_dim is not the sum of the two text encoders' hidden_size")
  require(not has_component("image_encoder") or P == stored_shape(component("image_encoder"), "visual_projection.weight")[0],
          "unet: the pooled embedding has another width than the image_encoder's projection")
  true
}

/// The sampling loop and the decoder. `latents` is the initial noise times the scheduler's init_noise_sigma; the conditioning has the
/// unconditional half first. The four tables have one row per step (the first `steps` rows count): the timestep, the factor on
/// the denoiser's input, and the two coefficients of the affine step. The result `latents` is not yet divided by the scaling factor.
entry generate for pipeline (latents: tensor[B, C, H, W; f32], encoder_hidden_states: tensor[G, T, D], text_embeds: tensor[G, P], time_ids: tensor[G, 6; f32],
                             timesteps: tensor[S; f32], in_scale: tensor[S; f32], cx: tensor[S; f32], ce: tensor[S; f32], steps: tensor[; i64],
                             guidance_scale: tensor[; f32])
    where B = 1, T = 77, H = unet.sample_sides(component("unet"))[0], W = unet.sample_sides(component("unet"))[1],
          fixed C = component("unet").in_channels, fixed D = component("unet").cross_attention_dim, fixed P = unet.pooled_width(component("unet")),
          fixed G = 2 * B, fixed S = 1000
    -> (latents: tensor[B, C, H, W; f32], image: tensor[B, 3, h, w; f32]) {
  require(fits(D, P, C), "the components do not fit together")
  let net = unet.UNet2DConditionModel(component("unet"))
  let vae = autoencoder.AutoencoderKL(component("vae"))
  let x = repeat i in 0..steps max 1000 from x = latents =>
    denoise(net, x, in_scale[i], timesteps[i], cx[i], ce[i], encoder_hidden_states, text_embeds, time_ids, guidance_scale)
  (x, picture(vae, x))
}
