#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb::nn {

std::string shapeText(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  std::string text;
  for (auto [i, extent] : llvm::enumerate(shape))
    text += (i ? "x" : "") + std::to_string(extent);
  return text;
}

std::string typeText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

LogicalResult violated(Operation *op, StringRef label, const Twine &expected, const Twine &found) {
  return op->emitOpError() << "(" << label << ") expected " << expected << "; found " << found;
}

LogicalResult expectShape(Operation *op, StringRef label, StringRef what, Value value, ArrayRef<int64_t> shape) {
  if (shapeOf(value) == shape)
    return success();
  return violated(op, label, what + " of shape " + shapeText(shape), shapeText(shapeOf(value)));
}

LogicalResult expectRank(Operation *op, StringRef label, StringRef what, Value value, int64_t rank) {
  if (rankOf(value) == rank)
    return success();
  return violated(op, label, what, shapeText(shapeOf(value)));
}

std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  size_t rank = std::max(a.size(), b.size());
  SmallVector<int64_t> shape(rank);
  for (size_t i = 0; i < rank; ++i) {
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1, y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      return std::nullopt;
    shape[rank - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

} // namespace hb::nn
