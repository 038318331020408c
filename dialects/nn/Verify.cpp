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

LogicalResult verifyDrop(Operation *op, StringRef label, ValueRange drop, Value x) {
  if (drop.empty())
    return success();
  bool fits = drop.size() == 4;
  std::string found;
  for (auto [i, value] : llvm::enumerate(drop)) {
    fits &= rankOf(value) == 0 && isa<FloatType>(elementOf(value)) == (i == 0);
    found += (i ? ", " : "") + typeText(value.getType());
  }
  if (!fits)
    return violated(op, label, "a float scalar and three i64 scalars (probability, seed, step, site)", found);
  if (int64_t count = cast<RankedTensorType>(x.getType()).getNumElements(); count > (int64_t(1) << 32))
    return violated(op, label, "at most 2^32 elements under one mask", Twine(count));
  return success();
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
