// Between MLIR's constants and the evaluator's tensors.
#include "dialects/nn/reference/Evaluator.h"
#include "runtime/base/Error.h"

#include <cmath>

using namespace mlir;

namespace hb::nn {

namespace {

const llvm::fltSemantics &doubleSemantics() { return llvm::APFloat::IEEEdouble(); }

llvm::APFloat rounded(double value, FloatType type) {
  llvm::APFloat result(value);
  bool inexact;
  result.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return result;
}

} // namespace

Tensor tensorOf(ElementsAttr attribute, Location where) {
  auto type = cast<RankedTensorType>(attribute.getType());
  Shape shape(type.getShape());
  std::vector<double> values;
  auto dense = dyn_cast<DenseElementsAttr>(attribute);
  if (!dense) {
    std::string place;
    llvm::raw_string_ostream(place) << where;
    throw Error(812, place, "a dense constant", "another form of constant", "write it as dense<...>");
  }
  values.reserve(type.getNumElements());
  if (isa<FloatType>(type.getElementType())) {
    for (llvm::APFloat value : dense.getValues<llvm::APFloat>()) {
      bool inexact;
      value.convert(doubleSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
      values.push_back(value.convertToDouble());
    }
  } else {
    for (const llvm::APInt &value : dense.getValues<llvm::APInt>())
      values.push_back(static_cast<double>(value.getSExtValue()));
  }
  return {std::move(shape), std::move(values)};
}

DenseElementsAttr elementsOf(const Tensor &tensor, RankedTensorType type) {
  if (auto floats = dyn_cast<FloatType>(type.getElementType())) {
    SmallVector<llvm::APFloat> values;
    for (int64_t i = 0; i < tensor.size(); ++i)
      values.push_back(rounded(tensor[i], floats));
    return DenseElementsAttr::get(type, values);
  }
  SmallVector<int64_t> values;
  for (int64_t i = 0; i < tensor.size(); ++i)
    values.push_back(static_cast<int64_t>(tensor[i]));
  return DenseElementsAttr::get(type, ArrayRef<int64_t>(values));
}

double applyUnary(UnaryKind kind, double x, Type type) {
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  switch (kind) {
  case UnaryKind::silu: return x * sigmoid(x);
  case UnaryKind::gelu: return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); // erfc: no cancellation for large negative x
  case UnaryKind::quick_gelu: return x * sigmoid(1.702 * x);
  case UnaryKind::exp: return std::exp(x);
  case UnaryKind::log: return std::log(x);
  case UnaryKind::sin:
  case UnaryKind::cos: {
    llvm::APFloat narrow = rounded(x, cast<FloatType>(type));
    bool inexact;
    narrow.convert(doubleSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    double angle = narrow.convertToDouble();
    return kind == UnaryKind::sin ? std::sin(angle) : std::cos(angle);
  }
  case UnaryKind::sqrt: return std::sqrt(x);
  case UnaryKind::neg: return -x;
  case UnaryKind::sigmoid: return sigmoid(x);
  case UnaryKind::tanh: return std::tanh(x);
  case UnaryKind::relu: return x > 0 || std::isnan(x) ? x : 0;
  case UnaryKind::abs: return std::fabs(x);
  }
  llvm_unreachable("unknown unary kind");
}

} // namespace hb::nn
