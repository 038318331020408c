// How a generated picture reaches a reward network's tower, inside the graph so that gradients flow.

/// OpenAI's channel statistics, used by every tower here (BLIP-2's too).
let clip_mean = [0.48145466, 0.4578275, 0.40821073]
let clip_std = [0.26862954, 0.26130258, 0.27577711]

/// A picture in 0…1 of any size to a tower's pixel values: clamp, adaptive average pool, normalise.
fn tower_pixels(image: tensor[B, 3, h, w], size: int) -> tensor[B, 3, size, size] {
  unclamped_pixels(clamp(image, 0, 1), size)
}

/// The same without the clamp: for a picture that bicubic resizing has taken a little outside 0…1, as the published script's reference.
fn unclamped_pixels(image: tensor[B, 3, h, w], size: int) -> tensor[B, 3, size, size] {
  let pooled = adaptive_avg_pool(image, [size, size])
  (pooled - constant(clip_mean)[newaxis, :, newaxis, newaxis]) / constant(clip_std)[newaxis, :, newaxis, newaxis]
}

/// Row by row cosine with plain norms, without an epsilon.
fn cosine(a: tensor[B, P], b: tensor[B, P]) -> tensor[B] {
  sum(a * b, axis: 1) / (sqrt(sum(a * a, axis: 1)) * sqrt(sum(b * b, axis: 1)))
}
