// Ops that move, repeat, pick or combine elements.
#include "dialects/nn/reference/Kernels.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hb::nn {

int64_t elementCount(const Shape &shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

Shape stridesOf(const Shape &shape) {
  Shape strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= shape[i])
    strides[i] = step;
  return strides;
}

namespace reference {

namespace {

/// Reads `x` in the row-major order of `shape`, stepping `strides` per axis from `start`: every view is one of these.
template <typename Visit> void walk(const Shape &shape, const Shape &strides, int64_t start, Visit visit) {
  int64_t count = elementCount(shape), rank = static_cast<int64_t>(shape.size());
  Shape index(rank, 0);
  int64_t at = start;
  for (int64_t i = 0; i < count; ++i) {
    visit(i, at);
    for (int64_t axis = rank; axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < shape[axis])
        break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

Tensor view(const Tensor &x, const Shape &shape, const Shape &strides, int64_t start) {
  std::vector<double> result(elementCount(shape));
  walk(shape, strides, start, [&](int64_t i, int64_t at) { result[i] = x[at]; });
  return {shape, std::move(result)};
}

/// Strides of `x` seen under `shape`: 0 where it is repeated.
Shape broadcastStrides(const Tensor &x, const Shape &shape) {
  Shape own = stridesOf(x.shape), strides(shape.size(), 0);
  for (size_t i = 0; i < x.shape.size(); ++i)
    if (x.shape[x.shape.size() - 1 - i] != 1)
      strides[shape.size() - 1 - i] = own[own.size() - 1 - i];
  return strides;
}

} // namespace

Tensor map(const Tensor &x, const std::function<double(double)> &f) {
  std::vector<double> result(x.size());
  std::transform(x.data(), x.data() + x.size(), result.begin(), f);
  return {x.shape, std::move(result)};
}

Tensor map2(const Tensor &a, const Tensor &b, const Shape &shape, const std::function<double(double, double)> &f) {
  Tensor left = a.shape == shape ? a : broadcast(a, shape), right = b.shape == shape ? b : broadcast(b, shape);
  std::vector<double> result(left.size());
  std::transform(left.data(), left.data() + left.size(), right.data(), result.begin(), f);
  return {shape, std::move(result)};
}

Tensor reduce(const Tensor &x, std::span<const int64_t> axes, double start, const std::function<double(double, double)> &f) {
  Shape shape;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end())
      shape.push_back(x.shape[i]);
  std::vector<double> result(elementCount(shape), start);
  // The walk runs over x; the strides say which element of the result each one goes to.
  Shape own = stridesOf(shape), strides(x.rank(), 0);
  for (int64_t i = 0, kept = 0; i < x.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end())
      strides[i] = own[kept++];
  walk(x.shape, strides, 0, [&](int64_t i, int64_t at) { result[at] = f(result[at], x[i]); });
  return {shape, std::move(result)};
}

Tensor argmax(const Tensor &x) {
  int64_t width = x.shape.back();
  Shape shape(x.shape.begin(), x.shape.end() - 1);
  std::vector<double> result(elementCount(shape));
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<double>(std::max_element(x.data() + i * width, x.data() + (i + 1) * width) - (x.data() + i * width));
  return {shape, std::move(result)};
}

Tensor concat(const std::vector<Tensor> &inputs, int64_t axis) {
  Shape shape = inputs.front().shape;
  shape[axis] = 0;
  for (const Tensor &input : inputs)
    shape[axis] += input.shape[axis];
  int64_t inner = 1, outer = 1;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i)
    (i < axis ? outer : inner) *= i == axis ? 1 : shape[i];
  std::vector<double> result(elementCount(shape));
  int64_t at = 0;
  for (int64_t i = 0; i < outer; ++i)
    for (const Tensor &input : inputs) {
      int64_t run = input.shape[axis] * inner;
      std::copy_n(input.data() + i * run, run, result.data() + at);
      at += run;
    }
  return {shape, std::move(result)};
}

Tensor slice(const Tensor &x, std::span<const int64_t> offsets, const Shape &shape) {
  Shape strides = stridesOf(x.shape);
  int64_t start = 0;
  for (size_t i = 0; i < offsets.size(); ++i)
    start += offsets[i] * strides[i];
  return view(x, shape, strides, start);
}

Tensor transpose(const Tensor &x, std::span<const int64_t> permutation) {
  Shape own = stridesOf(x.shape), shape, strides;
  for (int64_t axis : permutation) {
    shape.push_back(x.shape[axis]);
    strides.push_back(own[axis]);
  }
  return view(x, shape, strides, 0);
}

Tensor broadcast(const Tensor &x, const Shape &shape) { return view(x, shape, broadcastStrides(x, shape), 0); }

Tensor gather(const Tensor &table, const Tensor &index, bool batched, const std::string &where) {
  int64_t rows = table.shape[batched ? 1 : 0], width = 1;
  Shape shape = index.shape;
  for (int64_t i = batched ? 2 : 1; i < table.rank(); ++i) {
    shape.push_back(table.shape[i]);
    width *= table.shape[i];
  }
  std::vector<double> result(elementCount(shape));
  for (int64_t i = 0; i < index.size(); ++i) {
    double row = index[i];
    if (!(row >= 0 && row < static_cast<double>(rows)))
      throw Error(810, where, "an index from 0 to " + std::to_string(rows - 1), std::to_string(static_cast<long long>(row)),
                  "check the ids of the inputs");
    int64_t from = static_cast<int64_t>(row) + (batched ? i * rows : 0);
    std::copy_n(table.data() + from * width, width, result.data() + i * width);
  }
  return {shape, std::move(result)};
}

} // namespace reference
} // namespace hb::nn
