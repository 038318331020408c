// Local identities: casts, arithmetic with 0 and 1, slices, concats, broadcasts, reductions over nothing.
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

#include "dialects/nn/Verify.h"

using namespace mlir;

namespace hb {

using nn::broadcastShapes;

namespace {

/// The one value of a splat constant.
std::optional<double> splatOf(Value value) {
  auto constant = value.getDefiningOp<nn::ConstantOp>();
  auto elements = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
  if (!elements)
    return std::nullopt;
  if (isa<IntegerType>(elements.getElementType()))
    return static_cast<double>(elements.getSplatValue<llvm::APInt>().getSExtValue());
  llvm::APFloat number = elements.getSplatValue<llvm::APFloat>();
  bool inexact;
  number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

/// A cast that loses nothing does not matter to the next cast.
struct ComposeCast : OpRewritePattern<nn::CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<nn::CastOp>();
    if (!inner)
      return failure();
    auto from = dyn_cast<FloatType>(cast<RankedTensorType>(inner.getX().getType()).getElementType());
    auto to = cast<FloatType>(cast<RankedTensorType>(inner.getType()).getElementType());
    if (!from || !llvm::APFloat::isRepresentableBy(from.getFloatSemantics(), to.getFloatSemantics()))
      return failure();
    if (inner.getX().getType() == op.getType())
      rewriter.replaceOp(op, inner.getX());
    else
      rewriter.replaceOpWithNewOp<nn::CastOp>(op, op.getType(), inner.getX());
    return success();
  }
};

/// x + 0, 0 + x, x − 0, x · 1, 1 · x, x / 1 where neither shape nor type changes. (−0 + 0 is +0: no network can tell.)
struct NeutralElement : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &rewriter) const override {
    struct Row {
      nn::BinaryKind kind;
      double neutral;
      bool left;
    };
    static const Row rows[] = {{nn::BinaryKind::add, 0, true}, {nn::BinaryKind::sub, 0, false}, {nn::BinaryKind::mul, 1, true}, {nn::BinaryKind::div, 1, false}};
    for (const Row &row : rows) {
      if (row.kind != op.getKind())
        continue;
      if (op.getLhs().getType() == op.getType() && splatOf(op.getRhs()) == row.neutral) {
        rewriter.replaceOp(op, op.getLhs());
        return success();
      }
      if (row.left && op.getRhs().getType() == op.getType() && splatOf(op.getLhs()) == row.neutral) {
        rewriter.replaceOp(op, op.getRhs());
        return success();
      }
    }
    return failure();
  }
};

/// nn.binary broadcasts by itself.
struct BroadcastIntoBinary : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &rewriter) const override {
    for (unsigned i = 0; i < 2; ++i) {
      auto broadcast = op->getOperand(i).getDefiningOp<nn::BroadcastOp>();
      if (!broadcast)
        continue;
      auto shape = broadcastShapes(shapeOf(broadcast.getX()), shapeOf(op->getOperand(1 - i)));
      if (!shape || ArrayRef<int64_t>(*shape) != shapeOf(op.getResult()))
        continue;
      rewriter.modifyOpInPlace(op, [&] { op->setOperand(i, broadcast.getX()); });
      return success();
    }
    return failure();
  }
};

struct ComposeBroadcast : OpRewritePattern<nn::BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BroadcastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<nn::BroadcastOp>();
    if (!inner)
      return failure();
    rewriter.replaceOpWithNewOp<nn::BroadcastOp>(op, op.getType(), inner.getX());
    return success();
  }
};

/// A broadcast that only adds axes of extent 1 is a reshape.
struct BroadcastToReshape : OpRewritePattern<nn::BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BroadcastOp op, PatternRewriter &rewriter) const override {
    if (cast<RankedTensorType>(op.getX().getType()).getNumElements() != cast<RankedTensorType>(op.getType()).getNumElements())
      return failure();
    rewriter.replaceOpWithNewOp<nn::ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

/// A slice of a slice, and a slice of a concat that lies within one input.
struct ComposeSlice : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &rewriter) const override {
    SmallVector<int64_t> offsets(op.getOffsets());
    if (auto inner = op.getX().getDefiningOp<nn::SliceOp>()) {
      for (auto [offset, more] : llvm::zip_equal(offsets, inner.getOffsets()))
        offset += more;
      rewriter.replaceOpWithNewOp<nn::SliceOp>(op, op.getType(), inner.getX(), offsets);
      return success();
    }
    auto concat = op.getX().getDefiningOp<nn::ConcatOp>();
    if (!concat)
      return failure();
    int64_t axis = concat.getAxis(), size = shapeOf(op.getResult())[axis];
    for (Value input : concat.getInputs()) {
      int64_t extent = shapeOf(input)[axis];
      if (offsets[axis] >= 0 && offsets[axis] + size <= extent) {
        if (input.getType() == op.getType())
          rewriter.replaceOp(op, input);
        else
          rewriter.replaceOpWithNewOp<nn::SliceOp>(op, op.getType(), input, offsets);
        return success();
      }
      offsets[axis] -= extent;
    }
    return failure();
  }
};

/// Concats of concats along one axis, of one input, and of neighbouring slices of one tensor.
struct ComposeConcat : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;

  /// The slice that covers two slices which are neighbours along `axis`; null when they are not.
  static Value joined(PatternRewriter &rewriter, Value first, Value second, int64_t axis) {
    auto a = first.getDefiningOp<nn::SliceOp>(), b = second.getDefiningOp<nn::SliceOp>();
    if (!a || !b || a.getX() != b.getX())
      return {};
    SmallVector<int64_t> expected(a.getOffsets()), shape(shapeOf(first));
    expected[axis] += shape[axis];
    if (b.getOffsets() != ArrayRef<int64_t>(expected))
      return {};
    shape[axis] += shapeOf(second)[axis];
    return nn::SliceOp::create(rewriter, a.getLoc(), withShape(first.getType(), shape), a.getX(), a.getOffsets());
  }

  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &rewriter) const override {
    int64_t axis = op.getAxis();
    bool changed = false;
    SmallVector<Value> inputs;
    auto add = [&](Value input) {
      if (Value both = inputs.empty() ? Value() : joined(rewriter, inputs.back(), input, axis)) {
        inputs.back() = both;
        changed = true;
      } else {
        inputs.push_back(input);
      }
    };
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<nn::ConcatOp>();
      if (inner && static_cast<int64_t>(inner.getAxis()) == axis) {
        changed = true;
        llvm::for_each(inner.getInputs(), add);
      } else {
        add(input);
      }
    }
    if (inputs.size() == 1) {
      rewriter.replaceOp(op, inputs.front());
      return success();
    }
    if (!changed)
      return failure();
    rewriter.replaceOpWithNewOp<nn::ConcatOp>(op, op.getType(), inputs, axis);
    return success();
  }
};

/// Sum, mean and maximum of one element are that element.
struct ReduceOfUnits : OpRewritePattern<nn::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReduceOp op, PatternRewriter &rewriter) const override {
    bool units = llvm::all_of(op.getAxes(), [&](int64_t axis) { return shapeOf(op.getX())[axis] == 1; });
    if (!units || cast<RankedTensorType>(op.getX().getType()).getElementType() != cast<RankedTensorType>(op.getType()).getElementType())
      return failure();
    rewriter.replaceOpWithNewOp<nn::ReshapeOp>(op, op.getType(), op.getX());
    return success();
  }
};

} // namespace

void populateScalarPatterns(RewritePatternSet &patterns) {
  patterns.add<ComposeCast, NeutralElement, BroadcastIntoBinary, ComposeBroadcast, BroadcastToReshape, ComposeSlice, ComposeConcat, ReduceOfUnits>(
      patterns.getContext());
}

} // namespace hb
