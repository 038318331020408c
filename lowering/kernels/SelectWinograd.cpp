// hb-select-winograd: 3x3 convolutions by Winograd's minimal filtering (Winograd 1980; Lavin & Gray 2016, "Fast Algorithms
// for Convolutional Neural Networks").
#include "lowering/kernels/FastMath.h"
#include "lowering/kernels/MapBuilder.h"
#include "lowering/kernels/Passes.h"

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
    large_ = largeTiles || allowsFastMath(getOperation()->getParentOfType<ModuleOp>());
    SmallVector<kernel::ContractOp> convolutions;
    getOperation().walk([&](kernel::ContractOp op) {
      if (op.getForm() == kernel::ContractForm::conv2d)
        convolutions.push_back(op);
    });
    for (kernel::ContractOp op : convolutions)
      if (const Tiling *tiling = choose(op))
        rewrite(op, *tiling);
  }

  const Tiling *choose(kernel::ContractOp op) {
    ArrayRef<int64_t> weight = shapeOf(op.getWeight()), out = shapeOf(op.getResult()), strides = op.getStrides();
    bool fits = weight[2] == 3 && weight[3] == 3 && strides[0] == 1 && strides[1] == 1 && !op.getGated() && !op.getLoraA() && isContiguous(op.getA()) &&
                op.getWeight().getDefiningOp<kernel::WeightOp>() && std::min(weight[0], weight[1]) >= leastChannels;
    if (!fits)
      return nullptr;
    for (const Tiling &t : kTilings) {
      if (out[1] % t.rows || out[2] % t.columns || (t.large && !large_))
        continue;
      int64_t tiles = out[0] * (out[1] / t.rows) * (out[2] / t.columns), points = (t.rows + 2) * (t.columns + 2);
      if (points * tiles * std::max(weight[0], weight[1]) * 4 <= mostPlaneMiB << 20)
        return &t;
    }
    return nullptr;
  }

  static void rewrite(kernel::ContractOp op, const Tiling &t) {
    auto stored = op.getWeight().getDefiningOp<kernel::WeightOp>();
    ArrayRef<int64_t> weight = shapeOf(op.getWeight()), out = shapeOf(op.getResult());
    int64_t planes = (t.rows + 2) * (t.columns + 2), tiles = out[0] * (out[1] / t.rows) * (out[2] / t.columns);
    OpBuilder b(stored);
    Type f32 = b.getF32Type();
    auto packed = kernel::PackedAttr::get(b.getContext(), t.layout);
    auto transformedType = RankedTensorType::get(weight, f32, packed);
    Value transformed = kernel::WeightOp::create(b, stored.getLoc(), transformedType, stored.getSources(), stored.getTransposed());
    b.setInsertionPoint(op);
    Location where = op.getLoc();
    int64_t m[] = {t.rows, t.columns};
    Value input = kernel::WinogradInputOp::create(b, where, RankedTensorType::get({planes, tiles, weight[1]}, f32), op.getA(), m);
    auto productType = RankedTensorType::get({planes, tiles, weight[0]}, f32);
    auto product = kernel::ContractOp::create(b, where, productType, kernel::ContractForm::planes, input, transformed, Value(), Value(), Value(), ValueRange(),
                                              b.getArrayAttr({}));
    Block &block = product.getEpilogue().emplaceBlock();
    Value sum = block.addArgument(f32, where);
    OpBuilder inner = OpBuilder::atBlockBegin(&block);
    kernel::YieldOp::create(inner, where, sum);
    auto output = kernel::WinogradOutputOp::create(b, where, op.getType(), product.getResult(), op.getExtras(), op.getMaps(), m);
    output.getEpilogue().takeBody(op.getEpilogue());
    op.replaceAllUsesWith(output.getResult());
    op.erase();
    if (stored->use_empty())
      stored->erase();
  }

  bool large_ = false;
};

} // namespace
} // namespace hb
