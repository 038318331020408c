// hb-select-winograd: 3x3 convolutions by Winograd's minimal filtering (Winograd 1980; Lavin & Gray 2016, "Fast Algorithms
// for Convolutional Neural Networks").
#include "lowering/kernels/FastMath.h"
#include "lowering/kernels/MapBuilder.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/Passes.h"
#include "lowering/kernels/TargetTraits.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBSELECTWINOGRAD
#include "lowering/kernels/Passes.h.inc"

namespace {

/// One way to tile, the first row that fits is taken. The larger tile computes an output point and channel with 3 products, the
/// smaller with 4, where direct convolution takes 9; the larger one rounds 1.7 times as coarsely.
struct Tiling {
  int64_t rows, columns; ///< output points of a tile
  kernel::WeightLayout layout;
  bool large;
};
constexpr Tiling kTilings[] = {
    {4, 2, kernel::WeightLayout::winograd_f4x2, true},
    {2, 2, kernel::WeightLayout::winograd_f2, false},
};

struct SelectWinograd : impl::HbSelectWinogradBase<SelectWinograd> {
  using HbSelectWinogradBase::HbSelectWinogradBase;

  void runOnOperation() override {
    if (!targetTraits(getOperation()).winograd || getOperation()->getParentOfType<ModuleOp>()->hasAttr(kDirectConvolutionsAttribute))
      return;
    for (auto &known : planes_)
      known.clear();
    large_ = largeTiles || allowsFastMath(getOperation()->getParentOfType<ModuleOp>());
    SmallVector<kernel::ContractOp> convolutions;
    getOperation().walk([&](kernel::ContractOp op) {
      if (op.getForm() == kernel::ContractForm::conv2d)
        convolutions.push_back(op);
    });
    SmallVector<std::pair<kernel::ContractOp, const Tiling *>> chosen;
    for (kernel::ContractOp op : convolutions)
      if (const Tiling *tiling = choose(op); tiling && tilesPay(op, *tiling))
        chosen.push_back({op, tiling});
    for (auto [op, tiling] : chosen)
      rewrite(op, *tiling);
  }

  /// Planes are 64 bytes for nine weights, and every task reads them again: over few tiles that costs what the fewer products gain. A program
  /// that computes gradients is short of memory, and its adjoint products turn what they read, so there the weight stays as it is.
  bool tilesPay(kernel::ContractOp op, const Tiling &t) const {
    bool bothWays = false;
    int64_t most = 0;
    for (Operation *reader : op.getWeight().getUsers())
      if (auto contract = dyn_cast<kernel::ContractOp>(reader)) {
        bothWays |= contract.getAdjoint();
        ArrayRef<int64_t> out = shapeOf(contract.getResult());
        most = std::max(most, out[0] * out[1] * out[2] / (t.rows * t.columns));
      }
    return !bothWays || most >= leastSharedTiles;
  }

  const Tiling *choose(kernel::ContractOp op) {
    SmallVector<int64_t> weight = op.weightShape();
    ArrayRef<int64_t> out = shapeOf(op.getResult()), strides = op.getStrides();
    bool fits = weight[2] == 3 && weight[3] == 3 && strides[0] == 1 && strides[1] == 1 && !op.getGated() && !op.getLoraA() && isContiguous(op.getA()) &&
                op.getWeight().getDefiningOp<kernel::WeightOp>() && std::min(weight[0], weight[1]) >= leastChannels;
    if (!fits)
      return nullptr;
    for (const Tiling &t : kTilings) {
      if (out[1] % t.rows || out[2] % t.columns || (t.large && !large_))
        continue;
      if (mostPlaneMiB > 0)
        return &t;
    }
    return nullptr;
  }

  /// Rows of tiles in one slab: as many as keep its planes below the limit, in slabs of one size where the rows can be divided so.
  int64_t slabRows(const Tiling &t, int64_t rows, int64_t columns, int64_t channels) const {
    int64_t rowBytes = (t.rows + 2) * (t.columns + 2) * columns * channels * 4;
    int64_t most = std::max<int64_t>(1, (mostPlaneMiB << 20) / rowBytes);
    if (rows <= most)
      return rows;
    int64_t slabs = (rows + most - 1) / most;
    for (int64_t equal = slabs; equal <= 2 * slabs; ++equal)
      if (rows % equal == 0)
        return rows / equal;
    return (rows + slabs - 1) / slabs;
  }

  /// The planes of a weight; `exchanged`: of the adjoint product's, which it is not packed for.
  Value planesOf(kernel::WeightOp stored, const Tiling &t, bool exchanged) {
    SmallVector<int64_t> shape(shapeOf(stored.getResult()));
    if (exchanged)
      std::swap(shape[0], shape[1]);
    OpBuilder b(stored);
    auto type = RankedTensorType::get(shape, b.getF32Type(), kernel::PackedAttr::get(b.getContext(), t.layout));
    const bool transposed = stored.getTransposed() != exchanged;
    Value &planes = planes_[transposed][{stored.getSources(), type}];
    if (!planes)
      planes = kernel::WeightOp::create(b, stored.getLoc(), type, stored.getSources(), transposed);
    return planes;
  }

  void rewrite(kernel::ContractOp op, const Tiling &t) {
    auto stored = op.getWeight().getDefiningOp<kernel::WeightOp>();
    SmallVector<int64_t> weight = op.weightShape();
    ArrayRef<int64_t> out = shapeOf(op.getResult());
    int64_t planes = (t.rows + 2) * (t.columns + 2), tileColumns = out[2] / t.columns, rows = out[0] * (out[1] / t.rows);
    int64_t slab = slabRows(t, rows, tileColumns, std::max(weight[0], weight[1]));
    OpBuilder b(op);
    Type f32 = b.getF32Type();
    // Reversed taps exchange the planes of the smaller tile among themselves; the larger one's points are others then, so that its adjoint
    // needs planes of its own.
    const bool adjoint = op.getAdjoint() && !t.large;
    Value transformed = planesOf(stored, t, op.getAdjoint() && t.large);
    Location where = op.getLoc();
    int64_t m[] = {t.rows, t.columns};
    Value result;
    for (int64_t begin = 0; begin < rows; begin += slab) {
      int64_t tiles = std::min(slab, rows - begin) * tileColumns;
      Value first;
      if (slab < rows) // a number in memory, so that all slabs share their kernels
        first = kernel::ConstantOp::create(b, where, RankedTensorType::get({}, b.getI64Type()), DenseElementsAttr::get(RankedTensorType::get({}, b.getI64Type()), begin));
      Value input = kernel::WinogradInputOp::create(b, where, RankedTensorType::get({planes, tiles, weight[1]}, f32), op.getA(), first, m);
      auto productType = RankedTensorType::get({planes, tiles, weight[0]}, f32);
      auto product = kernel::ContractOp::create(b, where, productType, kernel::ContractForm::planes, input, transformed, Value(), Value(), Value(), ValueRange(),
                                                b.getArrayAttr({}));
      product.setAdjoint(adjoint);
      Block &block = product.getEpilogue().emplaceBlock();
      Value sum = block.addArgument(f32, where);
      OpBuilder inner = OpBuilder::atBlockBegin(&block);
      kernel::YieldOp::create(inner, where, sum);
      auto output = kernel::WinogradOutputOp::create(b, where, op.getType(), product.getResult(), first, result, op.getExtras(), op.getMaps(), m);
      IRMapping none;
      op.getEpilogue().cloneInto(&output.getEpilogue(), none);
      result = output.getResult();
    }
    op.replaceAllUsesWith(result);
    op.erase();
    if (stored->use_empty())
      stored->erase();
  }

  llvm::DenseMap<std::pair<Attribute, Type>, Value> planes_[2]; ///< as stored, and transposed
  bool large_ = false;
};

} // namespace
} // namespace hb
