// The noise schedule as compiled programs need it: time steps and the coefficients of DDIM's step, for a number of steps known when
// compiling. Sampling at run time gets the same tables from the runtime, for any number of steps.

/// Products of 1 − β over the training steps (diffusers DDIMScheduler: float32 βs between two bounds, evenly spaced in their square root
/// for `scaled_linear`; the product runs in float64 and is kept as float32).
fn alphas_cumprod(config) -> list {
  let n = config.get("num_train_timesteps", 1000)
  let kind = config.get("beta_schedule", "linear")
  require(contains(["linear", "scaled_linear"], kind), "beta_schedule: \"" + kind + "\" is neither linear nor scaled_linear")
  require(config.get("trained_betas", none) == none, "trained_betas is not null")
  let scaled = kind == "scaled_linear"
  let first = f32round(if scaled { sqrt(config.beta_start) } else { config.beta_start })
  let last = f32round(if scaled { sqrt(config.beta_end) } else { config.beta_end })
  let step = f32round(f32round(last - first) / (n - 1))
  // torch.linspace: upwards from the start in the first half, downwards from the end in the second.
  let bounds = [for i in 0..n => f32round(if i < div(n, 2) { first + step * i } else { last - step * (n - 1 - i) })]
  let betas = [for b in bounds => if scaled { f32round(b * b) } else { b }]
  let (product, alphas) = for beta in betas from (product = 1.0, alphas = []) => {
    let product = product * f32round(1.0 - beta)
    (product, alphas + [f32round(product)])
  }
  alphas
}

/// Hummingbird's grid: multiples of the step ratio, moved so that the first step is the last training step; at least 1. Descending.
fn lead_timesteps(train: int, steps: int) -> list {
  let ratio = div(train, steps)
  let shift = train - 1 - ratio * (steps - 1)
  reverse([for k in 0..steps => max(k * ratio + shift, 1)])
}

/// One row for each step: timestep, and c_x, c_e of x ← c_x·x + c_e·ε (Song, Meng, Ermon 2021, eq. 12 with eta 0, solved for x and ε);
/// and the way back by the forward process, x ← keep·x + spread·ε with fresh noise (the transition between the two noise levels). Computed in float64 from the float32 ᾱ and rounded once: the difference in c_e loses up to two digits.
fn ddim_rows(config, timesteps: list) -> list {
  require(config.get("prediction_type", "epsilon") == "epsilon", "prediction_type is not epsilon")
  let alphas = alphas_cumprod(config)
  let train = len(alphas)
  let ratio = div(train, len(timesteps))
  [for t in timesteps => {
    let at = alphas[t]
    let ap = if t >= ratio { alphas[t - ratio] } else { if config.get("set_alpha_to_one", true) { 1.0 } else { alphas[0] } }
    { timestep: float(t), cx: f32round(sqrt(ap / at)), ce: f32round(sqrt(1 - ap) - sqrt(ap * (1 - at) / at)),
      keep: f32round(sqrt(at / ap)), spread: f32round(sqrt(1 - at / ap)) }
  }]
}
