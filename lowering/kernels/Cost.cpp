#include "lowering/kernels/Cost.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace hb {

static RankedTensorType tensor(Value value) { return cast<RankedTensorType>(value.getType()); }
static int64_t elements(Value value) { return tensor(value).getNumElements(); }

/// Ops of a scalar region that a processor would execute: constants are free.
static int64_t regionOps(Region &region) {
  int64_t count = 0;
  for (Operation &op : region.front().without_terminator())
    count += !isa<arith::ConstantOp>(op);
  return count;
}

/// Operations of a norm on an element: two for the statistics, two to apply them.
static constexpr int64_t kNormOps = 4;

/// Elements of lora_b that may differ from zero.
static int64_t loraTerms(kernel::ContractOp op) {
  auto blocks = op.getLoraBlocks();
  return blocks ? blocks->back() * elements(op.getLoraScale()) / static_cast<int64_t>(blocks->size()) : elements(op.getLoraB());
}

/// Rows of the convolution that Winograd planes compute, or of the product itself.
static int64_t productRows(kernel::ContractOp op) {
  ArrayRef<int64_t> result = tensor(op.getResult()).getShape();
  // Planes count as the convolution they compute: a tile of m × n points has (m + 2)(n + 2) planes, 16 or 24 of them.
  if (op.getForm() == kernel::ContractForm::planes)
    return result[1] * (result[0] == 16 ? 4 : 8);
  return elements(op.getResult()) / std::max<int64_t>(result.back(), 1);
}

int64_t productFlops(Operation *op) {
  return llvm::TypeSwitch<Operation *, int64_t>(op)
      .Case([](kernel::ContractOp c) {
        if (c.getForm() == kernel::ContractForm::outer)
          return 2 * tensor(c.getA()).getDimSize(0) * elements(c.getResult());
        return 2 * productRows(c) * (elements(c.getWeight()) + (c.getLoraA() ? elements(c.getLoraA()) + loraTerms(c) : 0));
      })
      .Case([](kernel::AttentionOp a) {
        // Two products, q·kᵀ and p·v, each over all heads: the heads' widths add up to the last axes.
        int64_t keys = tensor(a.getK()).getDimSize(1);
        return 2 * keys * (elements(a.getQ()) + elements(a.getResult()));
      })
      .Case([](kernel::AttentionVjpOp a) {
        // Five products of the algorithm: q·kᵀ, dS·k and dSᵀ·q over the heads' widths, dy·vᵀ and Pᵀ·dy over the values'.
        int64_t keys = tensor(a.getK()).getDimSize(1);
        return 2 * keys * (3 * elements(a.getQ()) + 2 * elements(a.getDy()));
      })
      .Default([](Operation *) { return int64_t(0); });
}

/// What a contraction does beside its products.
static int64_t contractExtras(kernel::ContractOp op) {
  if (op.getForm() == kernel::ContractForm::outer)
    return 0;
  int64_t flops = elements(op.getResult()) * regionOps(op.getEpilogue());
  if (op.getLoraA())
    flops += productRows(op) * elements(op.getLoraScale());
  if (op.hasPrologue()) // each element once, however often a target prepares it
    flops += elements(op.getA()) * ((op.getNorm() ? kNormOps : 0) + (op.getPrologue().empty() ? 0 : regionOps(op.getPrologue())));
  return flops;
}

int64_t kernelFlops(Operation *op) {
  const int64_t products = productFlops(op);
  return products + llvm::TypeSwitch<Operation *, int64_t>(op)
      .Case([](kernel::ContractOp c) { return contractExtras(c); })
      .Case([](kernel::NormalizeOp n) { return elements(n.getX()) * (kNormOps + regionOps(n.getEpilogue())); })
      .Case([](kernel::GroupStatsOp s) { return 4 * elements(s.getX()); })
      .Case([](kernel::MapOp m) { return elements(m.getResult()) * regionOps(m.getBody()); })
      .Case([](kernel::ReduceOp r) {
        int64_t points = 1;
        for (int64_t extent : r.getExtents())
          points *= extent;
        return points * (1 + regionOps(r.getBody()));
      })
      .Case([](kernel::AdaptivePoolOp p) { return elements(p.getX()); })
      // The transforms are this method's own expense: only what the direct convolution has too is counted.
      .Case([](kernel::WinogradOutputOp w) {
        ArrayRef<int64_t> planes = tensor(w.getPlanes()).getShape(), m = w.getM();
        return planes[1] * m[0] * m[1] * planes[2] * regionOps(w.getEpilogue());
      })
      .Default([](Operation *) { return int64_t(0); });
}

int64_t tensorBytes(RankedTensorType type) {
  int64_t size = type.getElementTypeBitWidth() / 8;
  auto packed = dyn_cast_if_present<kernel::PackedAttr>(type.getEncoding());
  if (!packed)
    return type.getNumElements() * size;
  using kernel::WeightLayout;
  ArrayRef<int64_t> shape = type.getShape();
  auto padded = [](int64_t n) { return (n + 15) / 16 * 16; };
  auto trailing = [&](size_t from) {
    int64_t product = 1;
    for (int64_t extent : shape.drop_front(from))
      product *= extent;
    return product;
  };
  switch (packed.getLayout()) {
  case WeightLayout::dense:
    return type.getNumElements() * size;
  case WeightLayout::panel16:
  case WeightLayout::diagonal_panel16:
    return padded(shape[0]) * trailing(1) * size;
  case WeightLayout::gated_panel16:
    return 2 * padded(shape[0] / 2) * trailing(1) * size;
  case WeightLayout::winograd_f2:
    return 16 * padded(shape[0]) * shape[1] * size;
  case WeightLayout::winograd_f4x2:
    return 24 * padded(shape[0]) * shape[1] * size;
  }
  return 0;
}

/// The share of its pictures that a slab of a Winograd convolution touches; 1 for all other ops.
static double slabShare(Operation *op) {
  auto share = [](Value planes, Value picture, ArrayRef<int64_t> m, int64_t border) {
    ArrayRef<int64_t> p = tensor(picture).getShape();
    return static_cast<double>(tensor(planes).getDimSize(1) * m[0] * m[1]) / static_cast<double>(p[0] * (p[1] - border) * (p[2] - border));
  };
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([&](kernel::WinogradInputOp w) { return share(w.getResult(), w.getX(), w.getM(), 2); })
      .Case([&](kernel::WinogradOutputOp w) { return share(w.getPlanes(), w.getResult(), w.getM(), 0); })
      .Default([](Operation *) { return 1.0; });
}

int64_t kernelBytes(Operation *op) {
  llvm::SmallPtrSet<Value, 8> seen;
  int64_t bytes = 0;
  const double share = slabShare(op);
  if (auto output = dyn_cast<kernel::WinogradOutputOp>(op); output && output.getInto())
    seen.insert(output.getInto()); // the result's own place, not read
  auto add = [&](Value value) {
    if (!seen.insert(value).second)
      return;
    bool picture = tensor(value).getRank() == 4; // planes have three dimensions, biases one
    bytes += static_cast<int64_t>(static_cast<double>(tensorBytes(tensor(value))) * (picture ? share : 1.0));
  };
  for (Value operand : op->getOperands())
    add(operand);
  for (Value result : op->getResults())
    add(result);
  return bytes;
}

} // namespace hb
