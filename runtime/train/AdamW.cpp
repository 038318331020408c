#include "runtime/train/AdamW.h"

#include <algorithm>
#include <cmath>

namespace hb {
namespace {

/// The scalars of one step, rounded to float32 where torch hands them to a float32 kernel.
struct StepScalars {
  float decay, weight1, beta2, weight2, root2, eps, negativeStep;
};

StepScalars scalarsOf(int64_t step, const AdamWOptions &o) {
  double correction1 = 1 - std::pow(o.beta1, static_cast<double>(step)), correction2 = 1 - std::pow(o.beta2, static_cast<double>(step));
  return {static_cast<float>(1 - o.learningRate * o.weightDecay),
          static_cast<float>(1 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1 - o.beta2),
          static_cast<float>(std::pow(correction2, 0.5)),
          static_cast<float>(o.eps),
          static_cast<float>(-(o.learningRate / correction1))};
}

/// torch's lerp goes from the nearer end: with a weight of one half and more it starts at the gradient.
__attribute__((always_inline)) inline void updateRange(float *p, const float *g, float *m, float *v, size_t n, const StepScalars &s) {
  bool small = __builtin_fabsf(s.weight1) < 0.5f;
  float coefficient = small ? s.weight1 : s.weight1 - 1.0f;
  for (size_t i = 0; i < n; ++i) {
    float decayed = p[i] * s.decay;
    float average = __builtin_fmaf(coefficient, g[i] - m[i], small ? m[i] : g[i]);
    float squares = __builtin_fmaf(s.weight2 * g[i], g[i], v[i] * s.beta2);
    float denominator = __builtin_sqrtf(squares) / s.root2 + s.eps;
    p[i] = decayed + s.negativeStep * average / denominator;
    m[i] = average;
    v[i] = squares;
  }
}

#if defined(__x86_64__)
/// The same source with the instruction for the fused operations: without it each one is a call of the C library, with the same bits.
__attribute__((target("avx2,fma"))) void updateFused(float *p, const float *g, float *m, float *v, size_t n, const StepScalars &s) {
  updateRange(p, g, m, v, n, s);
}
#endif

float tensorNorm(std::span<const float> values) {
  double sum = 0;
  for (float value : values)
    sum += static_cast<double>(value) * value;
  return static_cast<float>(std::sqrt(sum));
}

} // namespace

void adamWStep(std::span<float> parameters, std::span<const float> gradients, std::span<float> average, std::span<float> averageSquares,
               int64_t step, const AdamWOptions &options) {
  StepScalars scalars = scalarsOf(step, options);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    updateFused(parameters.data(), gradients.data(), average.data(), averageSquares.data(), parameters.size(), scalars);
    return;
  }
#endif
  updateRange(parameters.data(), gradients.data(), average.data(), averageSquares.data(), parameters.size(), scalars);
}

float globalNorm(const std::vector<std::span<const float>> &tensors) {
  std::vector<float> norms;
  for (std::span<const float> tensor : tensors)
    norms.push_back(tensorNorm(tensor));
  return tensorNorm(norms);
}

float clipByGlobalNorm(const std::vector<std::span<float>> &tensors, double maxNorm) {
  float norm = globalNorm({tensors.begin(), tensors.end()});
  float factor = std::min(1.0f, static_cast<float>(maxNorm) / (norm + 1e-6f));
  for (std::span<float> tensor : tensors)
    for (float &value : tensor)
      value *= factor;
  return norm;
}

} // namespace hb
