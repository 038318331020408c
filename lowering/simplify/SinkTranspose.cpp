// Transposes move down, from operands to results, until they meet their inverse.
//
// An op with several operands is crossed when every operand can do without a transpose afterwards: it has the same one, or
// is so small in rank that a reshape does. One exception gives the pass its direction: a picture that comes channels-first
// out of a channels-last op pulls a partner without transpose over to its side; the new transpose of the partner has the
// other direction, which is never pulled, so that this ends.
#include "lowering/simplify/Patterns.h"
#include "lowering/simplify/Permutation.h"

using namespace mlir;

namespace hb {

namespace {

/// Clones a one-result op with new operands and a new result shape.
Value cloneWith(PatternRewriter &rewriter, Operation *op, ValueRange operands, ArrayRef<int64_t> shape) {
  Operation *clone = rewriter.clone(*op);
  clone->setOperands(operands);
  clone->getResult(0).setType(withShape(op->getResult(0).getType(), shape));
  return clone->getResult(0);
}

/// Elementwise ops of one operand.
template <typename Op> struct SinkMap : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().template getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    Value mapped = cloneWith(rewriter, op, transpose.getX(), shapeOf(transpose.getX()));
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), mapped, transpose.getPermutation()));
    return success();
  }
};

/// What an operand of an op looks like before a transpose by `p` that stands behind the op: possible without a transpose?
bool isFreeBefore(Value operand, ArrayRef<int64_t> p, size_t rank) {
  if (operand.getDefiningOp<nn::ConstantOp>())
    return true;
  SmallVector<int64_t> shape(rank - shapeOf(operand).size(), 1);
  llvm::append_range(shape, shapeOf(operand));
  if (auto transpose = operand.getDefiningOp<nn::TransposeOp>(); transpose && shapeOf(operand).size() == rank)
    return movesOnlyUnits(shapeOf(transpose.getX()), composed(transpose.getPermutation(), inverse(p)));
  return movesOnlyUnits(shape, inverse(p));
}

/// The operand as the op before the transpose by `p` wants it: rank filled up with leading axes, then transposed back.
Value movedBefore(PatternRewriter &rewriter, Location where, Value operand, ArrayRef<int64_t> p) {
  ArrayRef<int64_t> own = shapeOf(operand);
  if (llvm::all_of(own, [](int64_t extent) { return extent == 1; }) && own.size() < p.size())
    return operand; // a scalar fits every layout
  if (own.size() < p.size()) {
    SmallVector<int64_t> shape(p.size() - own.size(), 1);
    llvm::append_range(shape, own);
    operand = nn::ReshapeOp::create(rewriter, where, withShape(operand.getType(), shape), operand);
  }
  return transposed(rewriter, where, operand, inverse(p));
}

/// The permutation that may cross an op with these operands; empty when none may.
Permutation crossing(ValueRange operands, size_t rank) {
  for (Value operand : operands) {
    auto transpose = operand.getDefiningOp<nn::TransposeOp>();
    if (!transpose || shapeOf(operand).size() != rank)
      continue;
    ArrayRef<int64_t> p = transpose.getPermutation();
    bool pulls = p == toFirst();
    if (llvm::all_of(operands, [&](Value other) { return isFreeBefore(other, p, rank) || (pulls && !other.getDefiningOp<nn::TransposeOp>()); }))
      return Permutation(p);
  }
  return {};
}

struct SinkBinary : OpRewritePattern<nn::BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BinaryOp op, PatternRewriter &rewriter) const override {
    Permutation p = crossing(op->getOperands(), shapeOf(op.getResult()).size());
    if (p.empty())
      return failure();
    Value lhs = movedBefore(rewriter, op.getLoc(), op.getLhs(), p), rhs = movedBefore(rewriter, op.getLoc(), op.getRhs(), p);
    Value mapped = cloneWith(rewriter, op, {lhs, rhs}, permuted(shapeOf(op.getResult()), inverse(p)));
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), mapped, p));
    return success();
  }
};

struct SinkConcat : OpRewritePattern<nn::ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ConcatOp op, PatternRewriter &rewriter) const override {
    Permutation p = crossing(op.getInputs(), shapeOf(op.getResult()).size());
    if (p.empty())
      return failure();
    SmallVector<Value> inputs;
    for (Value input : op.getInputs())
      inputs.push_back(transposed(rewriter, op.getLoc(), input, inverse(p)));
    RankedTensorType type = withShape(op.getType(), permuted(shapeOf(op.getResult()), inverse(p)));
    Value joined = nn::ConcatOp::create(rewriter, op.getLoc(), type, inputs, p[op.getAxis()]);
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), joined, p));
    return success();
  }
};

struct SinkSlice : OpRewritePattern<nn::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::SliceOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    ArrayRef<int64_t> p = transpose.getPermutation();
    RankedTensorType type = withShape(op.getType(), permuted(shapeOf(op.getResult()), inverse(p)));
    Value part = nn::SliceOp::create(rewriter, op.getLoc(), type, transpose.getX(), permuted(op.getOffsets(), inverse(p)));
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), part, p));
    return success();
  }
};

struct SinkBroadcast : OpRewritePattern<nn::BroadcastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::BroadcastOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<nn::TransposeOp>();
    if (!transpose || shapeOf(op.getX()).size() != shapeOf(op.getResult()).size())
      return failure();
    ArrayRef<int64_t> p = transpose.getPermutation();
    RankedTensorType type = withShape(op.getType(), permuted(shapeOf(op.getResult()), inverse(p)));
    Value wide = nn::BroadcastOp::create(rewriter, op.getLoc(), type, transpose.getX());
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), wide, p));
    return success();
  }
};

/// The kept axes of a reduction come out in the operand's order, so a smaller transpose may remain.
struct SinkReduce : OpRewritePattern<nn::ReduceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::ReduceOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    ArrayRef<int64_t> p = transpose.getPermutation();
    SmallVector<int64_t> axes, kept, order;
    for (auto [i, axis] : llvm::enumerate(p))
      (llvm::is_contained(op.getAxes(), static_cast<int64_t>(i)) ? axes : kept).push_back(axis);
    llvm::sort(axes);
    SmallVector<int64_t> sorted(kept);
    llvm::sort(sorted);
    for (int64_t axis : kept)
      order.push_back(llvm::find(sorted, axis) - sorted.begin());
    RankedTensorType type = withShape(op.getType(), permuted(shapeOf(op.getResult()), inverse(order)));
    Value folded = nn::ReduceOp::create(rewriter, op.getLoc(), type, op.getKind(), transpose.getX(), axes);
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), folded, order));
    return success();
  }
};

/// A reshape that splits or joins neighbouring axes commutes with a transpose that keeps those axes together.
struct SinkReshape : OpRewritePattern<nn::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  struct Group {
    size_t from, fromEnd, to, toEnd; ///< axes of the operand, axes of the result
  };

  /// The finest split of both shapes into runs of equal size; empty when a shape has no elements or no axes.
  static SmallVector<Group> groups(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
    SmallVector<Group> result;
    size_t i = 0, j = 0;
    if (llvm::is_contained(from, 0) || from.empty() || to.empty())
      return result;
    while (i < from.size() && j < to.size()) {
      Group group{i, i + 1, j, j + 1};
      int64_t a = from[i], b = to[j];
      while (a != b)
        a < b ? a *= from[group.fromEnd++] : b *= to[group.toEnd++];
      result.push_back(group);
      i = group.fromEnd, j = group.toEnd;
    }
    // Axes of extent 1 may be left over on either side; they belong to the last run.
    result.back().fromEnd = from.size();
    result.back().toEnd = to.size();
    return result;
  }

  LogicalResult matchAndRewrite(nn::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<nn::TransposeOp>();
    if (!transpose)
      return failure();
    ArrayRef<int64_t> p = transpose.getPermutation(), to = shapeOf(op.getResult());
    SmallVector<Group> runs = groups(shapeOf(op.getX()), to);
    if (runs.empty())
      return failure();
    for (const Group &run : runs)
      for (size_t i = run.from + 1; i < run.fromEnd; ++i)
        if (p[i] != p[i - 1] + 1)
          return failure();
    SmallVector<Group> sorted(runs);
    llvm::sort(sorted, [&](const Group &a, const Group &b) { return p[a.from] < p[b.from]; });
    SmallVector<int64_t> order, shape;
    for (const Group &run : sorted)
      for (size_t j = run.to; j < run.toEnd; ++j) {
        order.push_back(static_cast<int64_t>(j));
        shape.push_back(to[j]);
      }
    Value same = nn::ReshapeOp::create(rewriter, op.getLoc(), withShape(op.getType(), shape), transpose.getX());
    rewriter.replaceOp(op, transposed(rewriter, op.getLoc(), same, inverse(order)));
    return success();
  }
};

/// A loop that yields a channels-first view of a channels-last picture carries the picture instead.
struct SinkRepeat : OpRewritePattern<nn::RepeatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(nn::RepeatOp op, PatternRewriter &rewriter) const override {
    Block &body = op.getBody().front();
    Operation *yield = body.getTerminator();
    bool changed = false;
    for (unsigned i = 0; i < op.getNumResults(); ++i) {
      auto transpose = yield->getOperand(i).getDefiningOp<nn::TransposeOp>();
      if (!transpose || transpose.getPermutation() != toFirst())
        continue;
      changed = true;
      Type type = transpose.getX().getType();
      rewriter.setInsertionPoint(op);
      Value init = transposed(rewriter, op.getLoc(), op.getInits()[i], toLast());
      BlockArgument argument = body.getArgument(i + 1);
      rewriter.modifyOpInPlace(op, [&] {
        op.getInitsMutable().slice(i, 1).assign(init);
        argument.setType(type);
        op.getResult(i).setType(type);
      });
      rewriter.modifyOpInPlace(yield, [&] { yield->setOperand(i, transpose.getX()); });
      auto restore = [&](Value value) {
        auto view = nn::TransposeOp::create(rewriter, op.getLoc(), withShape(type, permuted(shapeOf(value), toFirst())), value, toFirst());
        rewriter.replaceAllUsesExcept(value, view, view);
      };
      rewriter.setInsertionPointToStart(&body);
      restore(argument);
      rewriter.setInsertionPointAfter(op);
      restore(op.getResult(i));
    }
    return success(changed);
  }
};

} // namespace

void populateSinkPatterns(RewritePatternSet &patterns) {
  patterns.add<SinkMap<nn::UnaryOp>, SinkMap<nn::ClampOp>, SinkMap<nn::CastOp>, SinkBinary, SinkConcat, SinkSlice, SinkBroadcast, SinkReduce, SinkReshape,
               SinkRepeat>(patterns.getContext());
}

} // namespace hb
