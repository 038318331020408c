// Plain float64 meanings of the vector-Jacobian products (NnVjpOps.td). Shapes are checked by the verifiers.
#pragma once

#include "dialects/nn/reference/Kernels.h"

namespace hb::nn::reference {

/// `like` is the shape of the picture that was convolved.
Tensor conv2dVjp(const Tensor &dy, const Tensor &w, const Shape &like, const ConvGeometry &geometry, bool last);

struct AttentionGradients {
  Tensor dq, dk, dv;
};
/// What the forward pass read and gave, and its cotangent.
struct AttentionPoint {
  const Tensor &q, &k, &v, &y, &stats, &dy;
  const Tensor *mask = nullptr;
};
AttentionGradients attentionVjp(const AttentionPoint &at, const AttentionSettings &settings);

Tensor groupNormVjp(const Tensor &x, const Tensor &w, const Tensor &dy, int64_t groups, double eps, bool last);
Tensor layerNormVjp(const Tensor &x, const Tensor &w, const Tensor &dy, double eps);
Tensor softmaxVjp(const Tensor &y, const Tensor &dy);
Tensor l2NormalizeVjp(const Tensor &x, const Tensor &dy, double eps);
Tensor reduceMaxVjp(const Tensor &x, const Tensor &dy, int64_t axis);
Tensor sliceVjp(const Tensor &dy, std::span<const int64_t> offsets, const Shape &shape);
Tensor resizeNearestVjp(const Tensor &dy, const Shape &shape, bool last);
Tensor adaptiveAvgPoolVjp(const Tensor &dy, const Shape &shape, bool last);

} // namespace hb::nn::reference
