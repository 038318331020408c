// The optimizer: AdamW with the bits of torch's float32 single-tensor CPU path, and clipping by the global norm.
//
// Public sources: Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), and torch.optim.AdamW's documentation. What is
// particular to torch is the order of roundings: both moment updates are fused multiply-adds, bias corrections are float64 scalars that
// are rounded to float32 once, everything else is one rounding per operation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hb {

struct AdamWOptions {
  double learningRate = 5e-6;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weightDecay = 1e-2;
};

/// Step number `step` (the first is 1) for one tensor: parameters and both moments in place. All spans have the same length. Element-wise,
/// so the result does not depend on threads or on how tensors are cut. Where torch takes its square roots from MKL, single roots may
/// differ in the last place: ours are correctly rounded.
void adamWStep(std::span<float> parameters, std::span<const float> gradients, std::span<float> average, std::span<float> averageSquares,
               int64_t step, const AdamWOptions &options);

/// The 2-norm of all tensors together, rounded to float32 as torch's clip_grad_norm_ returns it: a norm per tensor, then the norm of
/// the norms. Sums are float64 in a fixed order.
float globalNorm(const std::vector<std::span<const float>> &tensors);

/// clip_grad_norm_: multiplies every tensor by min(1, maxNorm / (norm + 1e-6)) and returns the norm before. maxNorm > 0.
float clipByGlobalNorm(const std::vector<std::span<float>> &tensors, double maxNorm);

} // namespace hb
