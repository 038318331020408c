// Norms, softmax and the picture ops. Statistics are two-pass: the mean first, then the mean square distance from it.
#include "dialects/nn/reference/Kernels.h"

#include <algorithm>
#include <cmath>

namespace hb::nn::reference {

namespace {

const int64_t channelsLast[] = {0, 2, 3, 1}, channelsFirst[] = {0, 3, 1, 2};

/// Calls f(row, width) for every row of the last axis of a copy of x.
template <typename Row> Tensor mapRows(const Tensor &x, Row f) {
  std::vector<double> result(x.data(), x.data() + x.size());
  int64_t width = x.shape.back();
  for (int64_t at = 0; at < x.size(); at += width)
    f(result.data() + at, width);
  return {x.shape, std::move(result)};
}

/// (x − mean) / √(variance + eps) in place.
void standardise(double *x, int64_t count, double eps) {
  double mean = 0, square = 0;
  for (int64_t i = 0; i < count; ++i)
    mean += x[i];
  mean /= static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i)
    square += (x[i] - mean) * (x[i] - mean);
  double factor = 1 / std::sqrt(square / static_cast<double>(count) + eps);
  for (int64_t i = 0; i < count; ++i)
    x[i] = (x[i] - mean) * factor;
}

} // namespace

Tensor layerNorm(const Tensor &x, const Tensor &w, const Tensor &b, double eps) {
  return mapRows(x, [&](double *row, int64_t width) {
    standardise(row, width, eps);
    for (int64_t i = 0; i < width; ++i)
      row[i] = row[i] * w[i] + b[i];
  });
}

Tensor softmax(const Tensor &x) {
  return mapRows(x, [](double *row, int64_t width) {
    double top = *std::max_element(row, row + width), sum = 0;
    for (int64_t i = 0; i < width; ++i)
      sum += row[i] = std::exp(row[i] - top);
    for (int64_t i = 0; i < width; ++i)
      row[i] /= sum;
  });
}

Tensor l2Normalize(const Tensor &x, double eps) {
  return mapRows(x, [&](double *row, int64_t width) {
    double square = 0;
    for (int64_t i = 0; i < width; ++i)
      square += row[i] * row[i];
    double length = std::max(std::sqrt(square), eps);
    for (int64_t i = 0; i < width; ++i)
      row[i] /= length;
  });
}

Tensor groupNorm(const Tensor &x, const Tensor &w, const Tensor &b, int64_t groups, double eps, bool last) {
  if (last)
    return transpose(groupNorm(transpose(x, channelsFirst), w, b, groups, eps, false), channelsLast);
  std::vector<double> result(x.data(), x.data() + x.size());
  int64_t batch = x.shape[0], channels = x.shape[1], pixels = x.shape[2] * x.shape[3], run = channels / groups * pixels;
  for (int64_t i = 0; i < batch * groups; ++i)
    standardise(result.data() + i * run, run, eps);
  for (int64_t i = 0; i < batch * channels; ++i)
    for (int64_t p = 0; p < pixels; ++p)
      result[i * pixels + p] = result[i * pixels + p] * w[i % channels] + b[i % channels];
  return {x.shape, std::move(result)};
}

Tensor resizeNearest(const Tensor &x, int64_t outH, int64_t outW, bool last) {
  if (last)
    return transpose(resizeNearest(transpose(x, channelsFirst), outH, outW, false), channelsLast);
  int64_t planes = x.shape[0] * x.shape[1], height = x.shape[2], width = x.shape[3];
  std::vector<double> result(planes * outH * outW);
  for (int64_t p = 0; p < planes; ++p)
    for (int64_t y = 0; y < outH; ++y)
      for (int64_t i = 0; i < outW; ++i)
        result[(p * outH + y) * outW + i] = x[(p * height + y * height / outH) * width + i * width / outW];
  return {{x.shape[0], x.shape[1], outH, outW}, std::move(result)};
}

Tensor adaptiveAvgPool(const Tensor &x, int64_t outH, int64_t outW, bool last) {
  if (last)
    return transpose(adaptiveAvgPool(transpose(x, channelsFirst), outH, outW, false), channelsLast);
  int64_t planes = x.shape[0] * x.shape[1], height = x.shape[2], width = x.shape[3];
  std::vector<double> result(planes * outH * outW);
  for (int64_t p = 0; p < planes; ++p)
    for (int64_t y = 0; y < outH; ++y)
      for (int64_t i = 0; i < outW; ++i) {
        int64_t y0 = y * height / outH, y1 = ((y + 1) * height + outH - 1) / outH, x0 = i * width / outW, x1 = ((i + 1) * width + outW - 1) / outW;
        double sum = 0;
        for (int64_t v = y0; v < y1; ++v)
          for (int64_t u = x0; u < x1; ++u)
            sum += x[(p * height + v) * width + u];
        result[(p * outH + y) * outW + i] = sum / static_cast<double>((y1 - y0) * (x1 - x0));
      }
  return {{x.shape[0], x.shape[1], outH, outW}, std::move(result)};
}

} // namespace hb::nn::reference
