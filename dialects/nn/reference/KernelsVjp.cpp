// Gradients in the plainest form: every forward element that an input touched gives its share back.
#include "dialects/nn/reference/KernelsVjp.h"

#include <algorithm>
#include <cmath>

namespace hb::nn::reference {

namespace {

const int64_t channelsLast[] = {0, 2, 3, 1}, channelsFirst[] = {0, 3, 1, 2};

Shape firstOf(const Shape &last) { return {last[0], last[3], last[1], last[2]}; }

/// Gradient of (x − mean)/√(variance + eps) over `count` elements for the cotangent g of the normalised values, in place of g:
/// r·(g − mean(g) − x̂·mean(g∘x̂)) with r = 1/√(variance + eps), x̂ = (x − mean)·r.
void standardiseVjp(const double *x, double *g, int64_t count, double eps) {
  double n = static_cast<double>(count), mean = 0, square = 0, sum = 0, product = 0;
  for (int64_t i = 0; i < count; ++i)
    mean += x[i] / n;
  for (int64_t i = 0; i < count; ++i)
    square += (x[i] - mean) * (x[i] - mean);
  double r = 1 / std::sqrt(square / n + eps);
  for (int64_t i = 0; i < count; ++i) {
    sum += g[i];
    product += g[i] * (x[i] - mean) * r;
  }
  for (int64_t i = 0; i < count; ++i)
    g[i] = r * (g[i] - sum / n - (x[i] - mean) * r * product / n);
}

/// Calls f(row of x, row of dy, row of the result) along the last axis.
template <typename Row> Tensor mapRows(const Tensor &x, const Tensor &dy, Row f) {
  std::vector<double> result(x.size());
  int64_t width = x.shape.back();
  for (int64_t at = 0; at < x.size(); at += width)
    f(x.data() + at, dy.data() + at, result.data() + at, width);
  return {x.shape, std::move(result)};
}

} // namespace

Tensor conv2dVjp(const Tensor &dy, const Tensor &w, const Shape &like, const ConvGeometry &g, bool last) {
  if (last)
    return transpose(conv2dVjp(transpose(dy, channelsFirst), w, firstOf(like), g, false), channelsLast);
  int64_t batch = like[0], ci = like[1], height = like[2], width = like[3], co = w.shape[0], kh = w.shape[2], kw = w.shape[3];
  std::vector<double> result(elementCount(like));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t o = 0; o < co; ++o)
      for (int64_t c = 0; c < ci; ++c)
        for (int64_t ky = 0; ky < kh; ++ky)
          for (int64_t kx = 0; kx < kw; ++kx) {
            double weight = w[((o * ci + c) * kh + ky) * kw + kx];
            for (int64_t oy = 0; oy < g.outH; ++oy) {
              int64_t y = oy * g.strideH + ky - g.top;
              if (y < 0 || y >= height)
                continue;
              const double *from = dy.data() + ((b * co + o) * g.outH + oy) * g.outW;
              double *to = result.data() + ((b * ci + c) * height + y) * width;
              for (int64_t ox = 0; ox < g.outW; ++ox)
                if (int64_t x = ox * g.strideW + kx - g.left; x >= 0 && x < width)
                  to[x] += weight * from[ox];
            }
          }
  return {like, std::move(result)};
}

AttentionGradients attentionVjp(const AttentionPoint &at, const AttentionSettings &s) {
  const Tensor &q = at.q, &k = at.k, &v = at.v;
  int64_t batch = q.shape[0], n = q.shape[1], m = k.shape[1], width = q.shape[2], widthV = v.shape[2], d = width / s.heads, dv = widthV / s.heads;
  std::vector<double> gq(q.size()), gk(k.size()), gv(v.size());
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h)
      for (int64_t i = 0; i < n; ++i) {
        int64_t visible = s.causal ? i + 1 : m, row = (b * n + i) * width + h * d, rowV = (b * n + i) * widthV + h * dv;
        const double *statistics = at.stats.data() + (b * s.heads + h) * 2 * n + i, top = statistics[0], sum = statistics[n];
        double mean = 0; // Σ p∘dp over the keys, which is dy·y
        for (int64_t c = 0; c < dv; ++c)
          mean += at.dy[rowV + c] * at.y[rowV + c];
        for (int64_t j = 0; j < visible; ++j) {
          int64_t key = (b * m + j) * width + h * d, value = (b * m + j) * widthV + h * dv;
          double score = 0, dp = 0;
          for (int64_t c = 0; c < d; ++c)
            score += q[row + c] * k[key + c] * s.scale;
          for (int64_t c = 0; c < dv; ++c)
            dp += at.dy[rowV + c] * v[value + c];
          if (at.mask)
            score += (*at.mask)[((at.mask->shape[0] == 1 ? 0 : b) * at.mask->shape[1] + (at.mask->shape[1] == 1 ? 0 : i)) * m + j];
          double p = std::exp2(score * M_LOG2E - top) / sum, ds = p * (dp - mean) * s.scale; // of the score before the mask
          for (int64_t c = 0; c < d; ++c) {
            gq[row + c] += ds * k[key + c];
            gk[key + c] += ds * q[row + c];
          }
          for (int64_t c = 0; c < dv; ++c)
            gv[value + c] += p * at.dy[rowV + c];
        }
      }
  return {{q.shape, std::move(gq)}, {k.shape, std::move(gk)}, {v.shape, std::move(gv)}};
}

Tensor groupNormVjp(const Tensor &x, const Tensor &w, const Tensor &dy, int64_t groups, double eps, bool last) {
  if (last)
    return transpose(groupNormVjp(transpose(x, channelsFirst), w, transpose(dy, channelsFirst), groups, eps, false), channelsLast);
  int64_t batch = x.shape[0], channels = x.shape[1], pixels = x.shape[2] * x.shape[3], run = channels / groups * pixels;
  std::vector<double> result(x.size());
  for (int64_t i = 0; i < batch * channels; ++i)
    for (int64_t p = 0; p < pixels; ++p)
      result[i * pixels + p] = dy[i * pixels + p] * w[i % channels];
  for (int64_t i = 0; i < batch * groups; ++i)
    standardiseVjp(x.data() + i * run, result.data() + i * run, run, eps);
  return {x.shape, std::move(result)};
}

Tensor layerNormVjp(const Tensor &x, const Tensor &w, const Tensor &dy, double eps) {
  return mapRows(x, dy, [&](const double *in, const double *g, double *out, int64_t width) {
    for (int64_t i = 0; i < width; ++i)
      out[i] = g[i] * w[i];
    standardiseVjp(in, out, width, eps);
  });
}

Tensor softmaxVjp(const Tensor &y, const Tensor &dy) {
  return mapRows(y, dy, [](const double *p, const double *g, double *out, int64_t width) {
    double mean = 0;
    for (int64_t i = 0; i < width; ++i)
      mean += p[i] * g[i];
    for (int64_t i = 0; i < width; ++i)
      out[i] = p[i] * (g[i] - mean);
  });
}

Tensor l2NormalizeVjp(const Tensor &x, const Tensor &dy, double eps) {
  return mapRows(x, dy, [&](const double *in, const double *g, double *out, int64_t width) {
    double square = 0, product = 0;
    for (int64_t i = 0; i < width; ++i) {
      square += in[i] * in[i];
      product += in[i] * g[i];
    }
    double length = std::sqrt(square);
    for (int64_t i = 0; i < width; ++i)
      out[i] = length > eps ? (g[i] - in[i] * product / square) / length : g[i] / eps;
  });
}

Tensor reduceMaxVjp(const Tensor &x, const Tensor &dy, int64_t axis) {
  int64_t inner = 1, extent = x.shape[axis];
  for (int64_t i = axis + 1; i < x.rank(); ++i)
    inner *= x.shape[i];
  std::vector<double> result(x.size());
  for (int64_t i = 0; i < dy.size(); ++i) {
    int64_t start = i / inner * extent * inner + i % inner, best = 0;
    for (int64_t j = 1; j < extent; ++j)
      if (x[start + j * inner] > x[start + best * inner])
        best = j;
    result[start + best * inner] = dy[i];
  }
  return {x.shape, std::move(result)};
}

Tensor sliceVjp(const Tensor &dy, std::span<const int64_t> offsets, const Shape &shape) {
  std::vector<double> result(elementCount(shape));
  Shape from = stridesOf(dy.shape), to = stridesOf(shape);
  for (int64_t i = 0; i < dy.size(); ++i) {
    int64_t at = 0, rest = i;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      at += (rest / from[axis] + offsets[axis]) * to[axis];
      rest %= from[axis];
    }
    result[at] = dy[i];
  }
  return {shape, std::move(result)};
}

namespace {

/// Calls give(one plane of the result, y, x, its cotangent) for every element of dy, pictures as `last` says.
template <typename Give> Tensor spread(const Tensor &dy, const Shape &shape, bool last, Give give) {
  if (last)
    return transpose(spread(transpose(dy, channelsFirst), firstOf(shape), false, give), channelsLast);
  int64_t planes = shape[0] * shape[1], outH = dy.shape[2], outW = dy.shape[3];
  std::vector<double> result(elementCount(shape));
  for (int64_t p = 0; p < planes; ++p)
    for (int64_t y = 0; y < outH; ++y)
      for (int64_t x = 0; x < outW; ++x)
        give(result.data() + p * shape[2] * shape[3], y, x, dy[(p * outH + y) * outW + x]);
  return {shape, std::move(result)};
}

/// Height and width of the pictures of a shape.
std::pair<int64_t, int64_t> sides(const Shape &shape, bool last) { return last ? std::pair(shape[1], shape[2]) : std::pair(shape[2], shape[3]); }

} // namespace

Tensor resizeNearestVjp(const Tensor &dy, const Shape &shape, bool last) {
  auto [height, width] = sides(shape, last);
  auto [outH, outW] = sides(dy.shape, last);
  return spread(dy, shape, last, [height = height, width = width, outH = outH, outW = outW](double *plane, int64_t y, int64_t x, double g) {
    plane[y * height / outH * width + x * width / outW] += g;
  });
}

Tensor adaptiveAvgPoolVjp(const Tensor &dy, const Shape &shape, bool last) {
  auto [height, width] = sides(shape, last);
  auto [outH, outW] = sides(dy.shape, last);
  return spread(dy, shape, last, [height = height, width = width, outH = outH, outW = outW](double *plane, int64_t y, int64_t x, double g) {
    int64_t y0 = y * height / outH, y1 = ((y + 1) * height + outH - 1) / outH, x0 = x * width / outW, x1 = ((x + 1) * width + outW - 1) / outW;
    for (int64_t v = y0; v < y1; ++v)
      for (int64_t u = x0; u < x1; ++u)
        plane[v * width + u] += g / static_cast<double>((y1 - y0) * (x1 - x0));
  });
}

} // namespace hb::nn::reference
