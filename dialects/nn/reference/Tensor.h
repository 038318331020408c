// The tensors of the reference evaluator: row-major doubles. Ids are doubles too (exact up to 2^53).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace hb::nn {

using Shape = std::vector<int64_t>;

/// Number of elements of a shape; 1 for a scalar.
int64_t elementCount(const Shape &shape);
/// Distance between neighbours along each axis, in elements.
Shape stridesOf(const Shape &shape);

/// A shape and its elements. Copies share the elements, so a reshape costs nothing; a writer makes new ones.
struct Tensor {
  Shape shape;
  std::shared_ptr<const std::vector<double>> elements;

  Tensor() = default;
  Tensor(Shape shape, std::vector<double> values)
      : shape(std::move(shape)), elements(std::make_shared<const std::vector<double>>(std::move(values))) {}

  int64_t size() const { return static_cast<int64_t>(elements->size()); }
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  const double *data() const { return elements->data(); }
  double operator[](int64_t i) const { return (*elements)[i]; }
};

} // namespace hb::nn
