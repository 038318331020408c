// Hummingbird's Algorithm 1: denoise, decode, judge, and the gradients of the judgement with respect to the adapters.
import sdxl.unet, vae.autoencoder
import generate, schedule, rewards

/// The network as it is called in one step: with dropout at its adapters where the compilation has it (LoRA's, PEFT's `lora_dropout`), a fresh
/// mask for every site, step and sample, the same one whenever the step is computed again.
fn dropping(on: bool, net: any, probability: any, seed: any, step: any) {
  if on { with_dropout(net, probability, seed, step) } else { net }
}

/// `x`, through which the gradient passes only for the samples whose `open` is 1 (it is 0 for the others): the value stays the same.
fn truncated(x: tensor[B, C, H, W; f32], open: tensor[B; f32]) -> tensor[B, C, H, W; f32] {
  let still = stop_gradient(x)
  still + open[:, newaxis, newaxis, newaxis] * (x - still)
}

/// Mean square of the difference between two predictions, for each sample over both halves of the guidance.
fn distance(B: int, a: tensor[2 * B, C, H, W; f32], b: tensor[2 * B, C, H, W; f32]) -> tensor[B; f32] {
  let (unconditional, conditional) = split(mean((a - b) * (a - b), axes: [1, 2, 3]), 2, axis: 0)
  (unconditional + conditional) / 2
}

/// The loss of one batch and its gradients. Of the `options.steps` steps on Hummingbird's grid the last `options.grad_steps` carry
/// gradients; the first of those sees a latent without one. Rewards are those given by --reward; each weight can be set at run time and is
/// the published one by default (context 100, image-image 50, PickScore 1, HPSv2 100, aesthetic 3). `image` is what the rewards saw.
///
/// --lora-dropout: adapters drop inputs out in every step, those without gradients too, as published.
/// --kl: the loss gets kl.weight · Σ ‖ε − ε_frozen‖² over the steps with gradients (mean over elements), ε_frozen the prediction of the network without
/// adapters for the same latent (the KL term of Fan et al. 2023, DPOK, up to the factor that a step without noise does not have).
/// --truncation random:LO-HI: each sample gets gradients from its last `grad_steps` steps only (AlignProp, Prabhudesai et al. 2023).
/// --stop-grad-input: no gradient through what the denoiser sees, only along the latents (DRTune, Wu et al. 2024).
/// --lv-samples n: the last step again from the final latents under n fresh noises; loss and gradient are means over these and the
/// first (DRaFT-LV, Clark et al. 2024). `image`, `latents` and `reward.*` are of the first.
entry hummingbird_loss_and_grad for pipeline (latents: tensor[B, C, H, W; f32], encoder_hidden_states: tensor[G, T, D], text_embeds: tensor[G, P],
                                              time_ids: tensor[G, 6; f32], guidance_scale: tensor[; f32],
                                              dropout: tensor[; f32] if options.lora_dropout = 0,
                                              dropout_seed: tensor[; i64] if options.lora_dropout = 0,
                                              grad_steps: tensor[B; i64] if options.truncation != none,
                                              lv_noise: tensor[V, B, C, H, W; f32] if options.lv_samples > 0,
                                              kl.weight: tensor[; f32] if options.kl = 0,
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
          fixed G = 2 * B, fixed V = options.lv_samples, S = rewards.reference_side() {
  require(generate.fits(D, P, C), "the components do not fit together")
  require(options.steps != none and options.grad_steps != none, "the training entry needs --steps and --grad-steps")
  require(options.grad_steps <= options.steps, "--grad-steps is larger than --steps")
  let known = ["blip2", "clip_image", "pickscore", "hpsv2", "aesthetic"]
  require(len([for name in options.rewards if contains(known, name) => name]) == len(options.rewards), "--reward " + str(options.rewards) + ": the rewards are " + str(known))

  require(options.lv_samples == 0 or options.grad_steps == 1, "--lv-samples repeats the last step: it needs --grad-steps 1")

  let net = unet.UNet2DConditionModel(component("unet"))
  let vae = autoencoder.AutoencoderKL(component("vae"))
  let scheduler = component("scheduler")
  let rows = schedule.ddim_rows(scheduler, schedule.lead_timesteps(scheduler.get("num_train_timesteps", 1000), options.steps))
  let prefix = options.steps - options.grad_steps
  let one = constant(1.0, f32)

  // The prefix is a loop; the steps with gradients are written out, since each keeps its own intermediate values.
  let times = constant([for row in rows => row.timestep], f32)
  let cx = constant([for row in rows => row.cx], f32)
  let ce = constant([for row in rows => row.ce], f32)
  let x = if prefix == 0 { latents } else {
    repeat i in 0..prefix from x = latents =>
      generate.denoise(dropping(options.lora_dropout, net, dropout, dropout_seed, i), x, one, times[i], cx[i], ce[i],
                       encoder_hidden_states, text_embeds, time_ids, guidance_scale)
  }

  // Column j: whether the gradient passes in front of step j of the last `options.grad_steps`, for each sample.
  let last = options.grad_steps
  let cut = options.truncation != none
  let open = if not cut { none } else {
    gather(constant([for k in 0..last + 1 => [for j in 0..last => if k > last - j { 1.0 } else { 0.0 }]], f32), grad_steps)
  }
  let none_yet = zeros([B])
  let steps = [for (j, row) in enumerate(rows[prefix:]) => { row: row, number: prefix + j, opens: cut and j > 0, counts: cut and j + 1 < last, j: j }]
  let (x, apart) = for step in steps from (x = stop_gradient(x), apart = none_yet) => {
    let x = if step.opens { truncated(x, open[:, step.j]) } else { x }
    let time = constant(step.row.timestep, f32)
    let seen = if options.stop_grad_input { stop_gradient(x) } else { x }
    let network = dropping(options.lora_dropout, net, dropout, dropout_seed, step.number)
    let noise = generate.predict(network, seen, one, time, encoder_hidden_states, text_embeds, time_ids)
    let next = checkpoint(generate.advance(x, noise, constant(step.row.cx, f32), constant(step.row.ce, f32), guidance_scale))
    if options.kl {
      let far = distance(B, noise, generate.predict(without_adapters(net), seen, one, time, encoder_hidden_states, text_embeds, time_ids))
      (next, apart + if step.counts { open[:, step.j + 1] * far } else { far })
    } else {
      (next, apart)
    }
  }

  let row = rows[-1]
  let again = [for v in 0..options.lv_samples => {
    let back = constant(row.keep, f32) * stop_gradient(x) + constant(row.spread, f32) * lv_noise[v]
    let time = constant(row.timestep, f32)
    let network = dropping(options.lora_dropout, net, dropout, dropout_seed, options.steps + v)
    let noise = generate.predict(network, back, one, time, encoder_hidden_states, text_embeds, time_ids)
    let far = if options.kl {
      distance(B, noise, generate.predict(without_adapters(net), back, one, time, encoder_hidden_states, text_embeds, time_ids))
    } else { none_yet }
    { latents: checkpoint(generate.advance(back, noise, constant(row.cx, f32), constant(row.ce, f32), guidance_scale)), apart: far }
  }]

  let judges = [["blip2", rewards.blip2, blip2], ["clip_image", rewards.clip_image, clip_image], ["pickscore", rewards.pickscore, pickscore],
                ["hpsv2", rewards.hpsv2, hpsv2], ["aesthetic", rewards.aesthetic, aesthetic]]
  let present = [for judge in judges if has_component(judge[0]) => judge]
  let judged = [for sample in [{ latents: x, apart: apart }] + again => {
    let image = generate.picture(vae, sample.latents)
    { image: image, scores: [for judge in present => cast(judge[1](cast(image), judge[2]), f32)], apart: mean(sample.apart) }
  }]
  let loss = for sample in judged from loss = constant(0.0, f32) => {
    let loss = for (judge, score) in zip(present, sample.scores) from loss => loss - judge[2].weight * mean(score)
    if options.kl { loss + kl.weight * sample.apart } else { loss }
  }
  let loss = if options.lv_samples == 0 { loss } else { loss / (options.lv_samples + 1) }
  let (loss, gradients) = value_and_grad(loss, wrt: adapters(net))
  let shown = judged[0]
  let (kl_name, kl_value) = if options.kl { (["kl"], [shown.apart]) } else { ([], []) }
  record(["loss"] + [for judge in present => "reward." + judge[0]] + kl_name + ["image", "latents"] + [for key in keys(gradients) => "grad." + key],
         [loss] + shown.scores + kl_value + [shown.image, x] + values(gradients))
}
