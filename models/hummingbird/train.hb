// Hummingbird's Algorithm 1: denoise, decode, judge, and the gradients of the judgement with respect to the adapters.
import sdxl.unet, vae.autoencoder, clip.vision
import generate, schedule, rewards

/// Side of the reference picture of the image-image reward; it has no meaning without that reward.
fn reference_side() -> int {
  if has_component("clip_image") { vision.image_size(component("clip_image").vision_config) } else { 1 }
}

/// The loss of one batch and its gradients. Of the `options.steps` steps on Hummingbird's grid the last `options.grad_steps` carry
/// gradients; the first of those sees a latent without one. Rewards are those given by --reward; each weight can be set at run time and is
/// the published one by default (context 100, image-image 50, PickScore 1, HPSv2 100, aesthetic 3). `image` is what the rewards saw.
entry hummingbird_loss_and_grad for pipeline (latents: tensor[B, C, H, W; f32], encoder_hidden_states: tensor[G, T, D], text_embeds: tensor[G, P],
                                              time_ids: tensor[G, 6; f32], guidance_scale: tensor[; f32],
                                              blip2.input_ids: tensor[B, L; i64] if has_component("blip2"),
                                              blip2.attention_mask: tensor[B, L; i64] if has_component("blip2"),
                                              blip2.weight: tensor[; f32] if has_component("blip2") = 100,
                                              clip_image.reference: tensor[B, 3, S, S] if has_component("clip_image"),
                                              clip_image.weight: tensor[; f32] if has_component("clip_image") = 50,
                                              pickscore.input_ids: tensor[B, T; i64] if has_component("pickscore"),
                                              pickscore.weight: tensor[; f32] if has_component("pickscore") = 1,
                                              hpsv2.input_ids: tensor[B, T; i64] if has_component("hpsv2"),
                                              hpsv2.weight: tensor[; f32] if has_component("hpsv2") = 100,
                                              aesthetic.weight: tensor[; f32] if has_component("aesthetic") = 3)
    if len(options.rewards) > 0
    where B = 1, T = 77, H = unet.sample_sides(component("unet"))[0], W = unet.sample_sides(component("unet"))[1],
          fixed C = component("unet").in_channels, fixed D = component("unet").cross_attention_dim, fixed P = unet.pooled_width(component("unet")),
          fixed G = 2 * B, S = reference_side() {
  require(generate.fits(D, P, C), "the components do not fit together")
  require(options.steps != none and options.grad_steps != none, "the training entry needs --steps and --grad-steps")
  require(options.grad_steps <= options.steps, "--grad-steps is larger than --steps")
  let known = ["blip2", "clip_image", "pickscore", "hpsv2", "aesthetic"]
  require(len([for name in options.rewards if contains(known, name) => name]) == len(options.rewards), "--reward " + str(options.rewards) + ": the rewards are " + str(known))

  let net = unet.UNet2DConditionModel(component("unet"))
  let vae = autoencoder.AutoencoderKL(component("vae"))
  let noise = component("scheduler")
  let rows = schedule.ddim_rows(noise, schedule.lead_timesteps(noise.get("num_train_timesteps", 1000), options.steps))
  let prefix = options.steps - options.grad_steps
  let one = constant(1.0, f32)

  // The prefix is a loop; the steps with gradients are written out, since each keeps its own intermediate values.
  let times = constant([for row in rows => row.timestep], f32)
  let cx = constant([for row in rows => row.cx], f32)
  let ce = constant([for row in rows => row.ce], f32)
  let x = if prefix == 0 { latents } else {
    repeat i in 0..prefix from x = latents =>
      generate.denoise(net, x, one, times[i], cx[i], ce[i], encoder_hidden_states, text_embeds, time_ids, guidance_scale)
  }
  let x = for row in rows[prefix:] from x = stop_gradient(x) =>
    checkpoint(generate.denoise(net, x, one, constant(row.timestep, f32), constant(row.cx, f32), constant(row.ce, f32),
                                encoder_hidden_states, text_embeds, time_ids, guidance_scale))
  let image = generate.picture(vae, x)

  let judges = [["blip2", rewards.blip2, blip2], ["clip_image", rewards.clip_image, clip_image], ["pickscore", rewards.pickscore, pickscore],
                ["hpsv2", rewards.hpsv2, hpsv2], ["aesthetic", rewards.aesthetic, aesthetic]]
  let present = [for judge in judges if has_component(judge[0]) => judge]
  let scores = [for judge in present => cast(judge[1](cast(image), judge[2]), f32)]
  let loss = for (judge, score) in zip(present, scores) from loss = constant(0.0, f32) => loss - judge[2].weight * mean(score)
  let (loss, gradients) = value_and_grad(loss, wrt: adapters(net))
  record(["loss"] + [for judge in present => "reward." + judge[0]] + ["image", "latents"] + [for key in keys(gradients) => "grad." + key],
         [loss] + scores + [image, x] + values(gradients))
}
