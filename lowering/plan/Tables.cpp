#include "lowering/plan/Tables.h"

#include "lowering/plan/Arena.h"

using namespace mlir;

namespace hb {

plan::WeightAttr Tables::weight(kernel::WeightOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  Builder b(op.getContext());
  // The same sources read both ways are two weights.
  ArrayAttr key = op.getTransposed() ? b.getArrayAttr({op.getSources(), b.getUnitAttr()}) : op.getSources();
  auto [entry, isNew] = weightNumbers_.try_emplace({key, type}, weights_.size());
  if (isNew) {
    auto packed = dyn_cast_if_present<kernel::PackedAttr>(type.getEncoding());
    auto layout = packed ? packed.getLayout() : kernel::WeightLayout::dense;
    NamedAttrList entry;
    entry.set("sources", op.getSources());
    entry.set("layout", b.getStringAttr(stringifyEnum(layout)));
    entry.set("type", TypeAttr::get(RankedTensorType::get(type.getShape(), type.getElementType())));
    if (op.getTransposed())
      entry.set("transposed", b.getUnitAttr());
    weights_.push_back(entry.getDictionary(op.getContext()));
  }
  return plan::WeightAttr::get(op.getContext(), entry->second);
}

/// Appends the elements in row-major order, little endian, as they will lie in memory.
static void appendElements(std::vector<char> &bytes, ElementsAttr value) {
  auto append = [&](const APInt &bits) {
    for (unsigned i = 0; i < bits.getBitWidth(); i += 8)
      bytes.push_back(static_cast<char>(bits.extractBitsAsZExtValue(8, i)));
  };
  if (isa<FloatType>(value.getElementType())) {
    for (const APFloat &element : value.getValues<APFloat>())
      append(element.bitcastToAPInt());
  } else {
    for (const APInt &element : value.getValues<APInt>())
      append(element);
  }
}

plan::ConstantAttr Tables::constant(kernel::ConstantOp op) {
  plan::ConstantAttr &place = constantPlaces_[op.getValue()];
  if (!place) {
    int64_t offset = bytes_.size();
    appendElements(bytes_, op.getValue());
    place = plan::ConstantAttr::get(op.getContext(), offset, bytes_.size() - offset);
    bytes_.resize(roundUp(bytes_.size()));
  }
  return place;
}

void Tables::finish() {
  Builder b(module_.getContext());
  module_->setAttr("plan.weights", b.getArrayAttr(weights_));
  if (bytes_.empty())
    return;
  bytes_.resize(bytes_.size() + kReadablePadding);
  auto type = RankedTensorType::get(static_cast<int64_t>(bytes_.size()), b.getI8Type());
  module_->setAttr("plan.constants", DenseElementsAttr::getFromRawBuffer(type, bytes_));
}

} // namespace hb
