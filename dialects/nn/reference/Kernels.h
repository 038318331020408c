// Plain float64 meanings of the nn ops on tensors, without MLIR. The evaluator checks shapes (the verifiers have), these do not.
#pragma once

#include "dialects/nn/reference/Tensor.h"

#include <functional>
#include <span>
#include <string>

namespace hb::nn::reference {

/// x [..., K] times w [N, K] transposed, plus bias [N] (empty: none): [..., N].
Tensor linear(const Tensor &x, const Tensor &w, const Tensor *bias);
/// The rank-R term of a LoRA linear: ((x·Aᵀ)∘s)·Bᵀ. With `blocks` (ends of runs of b's rows), each run sees its own equal share
/// of the rank, and the result's columns behind the last run, `columns` in all, are zero.
Tensor loraTerm(const Tensor &x, const Tensor &a, const Tensor &b, const Tensor &scale, std::span<const int64_t> blocks = {}, int64_t columns = 0);
/// nn.dropout's mask on x. `drop`: probability, seed, step, site.
Tensor dropout(const Tensor &x, std::span<const Tensor> drop);
/// Batched over equal leading axes; an operand is read transposed in its last two where its flag says so.
Tensor matmul(const Tensor &a, const Tensor &b, bool transposeA, bool transposeB);

/// Pictures are [B, H, W, C] when `last`, else [B, C, H, W].
struct ConvGeometry {
  int64_t strideH, strideW, top, left, outH, outW;
};
Tensor conv2d(const Tensor &x, const Tensor &w, const Tensor *bias, const ConvGeometry &geometry, bool last);
Tensor groupNorm(const Tensor &x, const Tensor &w, const Tensor &b, int64_t groups, double eps, bool last);
Tensor resizeNearest(const Tensor &x, int64_t outH, int64_t outW, bool last);
Tensor adaptiveAvgPool(const Tensor &x, int64_t outH, int64_t outW, bool last);

struct AttentionSettings {
  int64_t heads;
  double scale;
  bool causal;
};
/// `stats`, if asked for, becomes [B, heads, 2, N]: the largest score in base 2 and Σ 2^(score − largest) of each query.
Tensor attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor *mask, const AttentionSettings &settings, Tensor *stats = nullptr);
Tensor layerNorm(const Tensor &x, const Tensor &w, const Tensor &b, double eps);
Tensor softmax(const Tensor &x);
Tensor l2Normalize(const Tensor &x, double eps);

Tensor map(const Tensor &x, const std::function<double(double)> &f);
/// Element by element with NumPy's broadcasting to `shape`.
Tensor map2(const Tensor &a, const Tensor &b, const Shape &shape, const std::function<double(double, double)> &f);
/// Folds the axes of `axes` (ascending) with `f`, starting from `start`.
Tensor reduce(const Tensor &x, std::span<const int64_t> axes, double start, const std::function<double(double, double)> &f);
Tensor argmax(const Tensor &x);

Tensor concat(const std::vector<Tensor> &inputs, int64_t axis);
Tensor slice(const Tensor &x, std::span<const int64_t> offsets, const Shape &shape);
Tensor transpose(const Tensor &x, std::span<const int64_t> permutation);
Tensor broadcast(const Tensor &x, const Shape &shape);
/// Throws HB0810 when an index is outside the table; `where` says which gather.
Tensor gather(const Tensor &table, const Tensor &index, bool batched, const std::string &where);

} // namespace hb::nn::reference
