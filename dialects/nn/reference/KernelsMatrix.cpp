// Products: linear, LoRA, matmul, convolution, attention. Straightforward loops, arranged so that the innermost one runs
// over neighbouring elements of both operands: a small network then evaluates in seconds.
#include "dialects/nn/reference/Kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hb::nn::reference {

namespace {

/// c [M, N] += a [M, K] · b [K, N]; four rows of b at a time halve the traffic on c.
void multiply(const double *a, const double *b, double *c, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; ++i) {
    double *row = c + i * n;
    int64_t p = 0;
    for (; p + 4 <= k; p += 4) {
      const double a0 = a[i * k + p], a1 = a[i * k + p + 1], a2 = a[i * k + p + 2], a3 = a[i * k + p + 3];
      const double *b0 = b + p * n, *b1 = b0 + n, *b2 = b1 + n, *b3 = b2 + n;
      for (int64_t j = 0; j < n; ++j)
        row[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
    }
    for (; p < k; ++p)
      for (int64_t j = 0; j < n; ++j)
        row[j] += a[i * k + p] * b[p * n + j];
  }
}

/// w [N, K] → [K, N].
std::vector<double> turned(const double *w, int64_t n, int64_t k) {
  std::vector<double> result(n * k);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t p = 0; p < k; ++p)
      result[p * n + i] = w[i * k + p];
  return result;
}

} // namespace

Tensor linear(const Tensor &x, const Tensor &w, const Tensor *bias) {
  int64_t n = w.shape[0], k = w.shape[1], m = k ? x.size() / k : elementCount(Shape(x.shape.begin(), x.shape.end() - 1));
  std::vector<double> result(m * n);
  if (bias)
    for (int64_t i = 0; i < m; ++i)
      std::copy_n(bias->data(), n, result.data() + i * n);
  multiply(x.data(), turned(w.data(), n, k).data(), result.data(), m, n, k);
  Shape shape = x.shape;
  shape.back() = n;
  return {shape, std::move(result)};
}

Tensor loraTerm(const Tensor &x, const Tensor &a, const Tensor &b, const Tensor &scale, std::span<const int64_t> blocks, int64_t columns) {
  Tensor inner = linear(x, a, nullptr);
  Tensor scaled = map2(inner, scale, inner.shape, [](double u, double s) { return u * s; });
  if (blocks.empty())
    return linear(scaled, b, nullptr);
  Shape shape = x.shape;
  shape.back() = columns;
  std::vector<double> result(elementCount(shape));
  const int64_t all = scale.shape[0], rank = all / static_cast<int64_t>(blocks.size()), m = elementCount(Shape(shape.begin(), shape.end() - 1));
  int64_t row = 0;
  for (size_t block = 0; block < blocks.size(); ++block)
    for (; row < blocks[block]; ++row)
      for (int64_t i = 0; i < m; ++i)
        for (int64_t r = 0; r < rank; ++r)
          result[i * columns + row] += scaled.data()[i * all + static_cast<int64_t>(block) * rank + r] * b.data()[row * rank + r];
  return {shape, std::move(result)};
}

Tensor matmul(const Tensor &a, const Tensor &b, bool transposeA, bool transposeB) {
  int64_t rows = a.shape[a.rank() - 2], m = transposeA ? a.shape.back() : rows, k = transposeA ? rows : a.shape.back();
  int64_t n = transposeB ? b.shape[b.rank() - 2] : b.shape.back();
  Shape shape(a.shape.begin(), a.shape.end() - 2);
  shape.insert(shape.end(), {m, n});
  std::vector<double> result(elementCount(shape));
  int64_t batch = m * n ? static_cast<int64_t>(result.size()) / (m * n) : 0;
  for (int64_t i = 0; i < batch; ++i) {
    const double *left = a.data() + i * m * k, *right = b.data() + i * n * k;
    std::vector<double> leftCopy = transposeA ? turned(left, k, m) : std::vector<double>(), rightCopy = transposeB ? turned(right, n, k) : std::vector<double>();
    multiply(transposeA ? leftCopy.data() : left, transposeB ? rightCopy.data() : right, result.data() + i * m * n, m, n, k);
  }
  return {shape, std::move(result)};
}

Tensor conv2d(const Tensor &x, const Tensor &w, const Tensor *bias, const ConvGeometry &g, bool last) {
  // In [B, H, W, C] every tap of the kernel is a product of a row of pixels with a matrix [I, O].
  const int64_t toLast[] = {0, 2, 3, 1}, toFirst[] = {0, 3, 1, 2}, taps[] = {2, 3, 1, 0};
  Tensor in = last ? x : transpose(x, toLast), matrix = transpose(w, taps);
  int64_t batch = in.shape[0], height = in.shape[1], width = in.shape[2], ci = in.shape[3], co = w.shape[0], kh = w.shape[2], kw = w.shape[3];
  std::vector<double> result(batch * g.outH * g.outW * co);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t oy = 0; oy < g.outH; ++oy) {
      double *row = result.data() + (b * g.outH + oy) * g.outW * co;
      if (bias)
        for (int64_t ox = 0; ox < g.outW; ++ox)
          std::copy_n(bias->data(), co, row + ox * co);
      for (int64_t ky = 0; ky < kh; ++ky) {
        int64_t y = oy * g.strideH + ky - g.top;
        if (y < 0 || y >= height)
          continue;
        for (int64_t kx = 0; kx < kw; ++kx)
          for (int64_t ox = 0; ox < g.outW; ++ox) {
            int64_t px = ox * g.strideW + kx - g.left;
            if (px >= 0 && px < width)
              multiply(in.data() + ((b * height + y) * width + px) * ci, matrix.data() + (ky * kw + kx) * ci * co, row + ox * co, 1, co, ci);
          }
      }
    }
  Tensor out({batch, g.outH, g.outW, co}, std::move(result));
  return last ? out : transpose(out, toFirst);
}

Tensor attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor *mask, const AttentionSettings &s, Tensor *stats) {
  int64_t batch = q.shape[0], n = q.shape[1], m = k.shape[1], width = q.shape[2], widthV = v.shape[2], d = width / s.heads, dv = widthV / s.heads;
  std::vector<double> result(batch * n * widthV), scores(m), statistics(stats ? batch * s.heads * 2 * n : 0);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h) {
      std::vector<double> keys(d * m); // [d, M]: the score loop then runs along the keys
      for (int64_t j = 0; j < m; ++j)
        for (int64_t c = 0; c < d; ++c)
          keys[c * m + j] = k.data()[(b * m + j) * width + h * d + c];
      for (int64_t i = 0; i < n; ++i) {
        int64_t visible = s.causal ? i + 1 : m;
        std::fill(scores.begin(), scores.end(), 0.0);
        multiply(q.data() + (b * n + i) * width + h * d, keys.data(), scores.data(), 1, m, d);
        double top = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t j = 0; j < visible; ++j) {
          scores[j] *= s.scale;
          if (mask)
            scores[j] += (*mask)[((mask->shape[0] == 1 ? 0 : b) * mask->shape[1] + (mask->shape[1] == 1 ? 0 : i)) * m + j];
          top = std::max(top, scores[j]);
        }
        for (int64_t j = 0; j < visible; ++j)
          sum += scores[j] = std::exp(scores[j] - top);
        if (stats) {
          statistics[((b * s.heads + h) * 2) * n + i] = top * M_LOG2E;
          statistics[((b * s.heads + h) * 2 + 1) * n + i] = sum;
        }
        double *row = result.data() + (b * n + i) * widthV + h * dv;
        for (int64_t j = 0; j < visible; ++j)
          for (int64_t c = 0; c < dv; ++c)
            row[c] += scores[j] / sum * v.data()[(b * m + j) * widthV + h * dv + c];
      }
    }
  if (stats)
    *stats = {{batch, s.heads, 2, n}, std::move(statistics)};
  return {{batch, n, widthV}, std::move(result)};
}

} // namespace hb::nn::reference
