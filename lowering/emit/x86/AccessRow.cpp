#include "lowering/emit/x86/AccessRow.h"

#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {

/// Evaluates expr; `index` becomes it, clamped into [0, size) so that the address stays inside the buffer, and the result says whether it was inside.
Value AccessRow::inside(AffineExpr expr, ArrayRef<Value> dims, int64_t size, Value &index) const {
  Value raw = kb.affine(expr, dims);
  index = kb.max(kb.i(0), kb.min(raw, kb.i(size - 1)));
  return arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::eq, raw, index);
}

AccessRow::AccessRow(KernelBuilder &kb, const Operand &operand, const Access &access, ArrayRef<Value> dims, unsigned laneDim)
    : kb(kb), operand_(operand), dims_(dims.begin(), dims.end()), laneDim_(laneDim) {
  base_ = kb.i(access.offset);
  for (auto [dim, coef] : llvm::enumerate(access.coefs))
    if (dim == laneDim)
      coef_ = coef;
    else if (coef)
      base_ = kb.add(base_, kb.mul(dims[dim], coef));
  for (const IndexTerm &term : access.terms) {
    if (term.expr.isFunctionOfDim(laneDim)) {
      laneTerms_.push_back(term);
      continue;
    }
    Value index;
    if (term.size) {
      Value in = inside(term.expr, dims, term.size, index);
      valid_ = valid_ ? arith::AndIOp::create(kb.b, kb.loc, valid_, in).getResult() : in;
    } else {
      index = kb.affine(term.expr, dims);
    }
    base_ = kb.add(base_, kb.mul(index, term.stride));
  }
  if (laneTerms_.empty()) {
    if (coef_ == 0)
      uniform_ = zeroUnlessValid(kb.loadRaw(operand.base, base_, operand.element(), 1));
    return;
  }

  // Padding along the lane index: each term is lane + rest, and together they walk one element per lane.
  MLIRContext *context = kb.b.getContext();
  AffineExpr lane = getAffineDimExpr(laneDim, context);
  int64_t step = coef_;
  bool linear = true;
  for (const IndexTerm &term : laneTerms_) {
    AffineExpr difference = simplifyAffineExpr(term.expr.replace(lane, lane + 1) - term.expr, dims.size(), 0);
    auto constant = dyn_cast<AffineConstantExpr>(difference);
    linear &= term.size != 0 && constant && constant.getValue() == 1;
    step += term.stride;
  }
  if (!linear || step != 1)
    return;
  clipped_ = true;
  coef_ = 1;
  SmallVector<Value> start(dims_);
  start[laneDim] = kb.i(0);
  low_ = kb.i(0);
  high_ = kb.i(INT32_MAX);
  for (const IndexTerm &term : laneTerms_) {
    Value rest = kb.affine(term.expr, start);
    base_ = kb.add(base_, kb.mul(rest, term.stride));
    low_ = kb.max(low_, kb.sub(kb.i(0), rest));
    high_ = kb.min(high_, kb.sub(kb.i(term.size), rest));
  }
}

Value AccessRow::zeroUnlessValid(Value value) const {
  if (!valid_)
    return value;
  Value zero = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getZeroAttr(value.getType()));
  return arith::SelectOp::create(kb.b, kb.loc, valid_, value, zero);
}

/// One element where nothing simpler applies: every index evaluated, outside reads as zero.
Value AccessRow::loadElement(Value at) const {
  SmallVector<Value> dims(dims_);
  dims[laneDim_] = at;
  Value offset = kb.add(base_, kb.mul(at, coef_)), valid = valid_;
  for (const IndexTerm &term : laneTerms_) {
    Value index;
    if (term.size) {
      Value in = inside(term.expr, dims, term.size, index);
      valid = valid ? arith::AndIOp::create(kb.b, kb.loc, valid, in).getResult() : in;
    } else {
      index = kb.affine(term.expr, dims);
    }
    offset = kb.add(offset, kb.mul(index, term.stride));
  }
  Value value = kb.loadRaw(operand_.base, offset, operand_.element(), 1);
  if (!valid)
    return value;
  Value zero = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getZeroAttr(value.getType()));
  return arith::SelectOp::create(kb.b, kb.loc, valid, value, zero);
}

Value AccessRow::loadMasked(Value at, int lanes) const {
  Value offset = kb.add(base_, at);
  auto inRow = [&](Value in) { return valid_ ? arith::AndIOp::create(kb.b, kb.loc, in, valid_).getResult() : in; };
  if (lanes == 1) {
    Value in = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sge, at, low_);
    in = inRow(arith::AndIOp::create(kb.b, kb.loc, in, kb.less(at, high_)));
    return kb.select(in, [&]() -> SmallVector<Value> { return {kb.loadRaw(operand_.base, offset, operand_.element(), 1)}; },
                     [&]() -> SmallVector<Value> { return {arith::ConstantOp::create(kb.b, kb.loc, kb.b.getZeroAttr(operand_.element()))}; })[0];
  }
  auto limit = [&](Value bound) {
    Value relative = kb.max(kb.i(-1), kb.min(kb.sub(bound, at), kb.i(lanes)));
    return kb.broadcast(arith::TruncIOp::create(kb.b, kb.loc, kb.b.getI32Type(), relative), lanes);
  };
  Value numbers = kb.laneNumbers(lanes);
  Value mask = arith::AndIOp::create(kb.b, kb.loc, arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sge, numbers, limit(low_)),
                                     arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::slt, numbers, limit(high_)));
  if (valid_)
    mask = arith::AndIOp::create(kb.b, kb.loc, mask, kb.broadcast(valid_, lanes));
  return kb.loadRaw(operand_.base, offset, operand_.element(), lanes, mask);
}

Value AccessRow::load(Value at, int lanes) const {
  if (uniform_)
    return uniform_;
  if (clipped_)
    return loadMasked(at, lanes);
  if (laneTerms_.empty() && (lanes == 1 || coef_ == 1))
    return zeroUnlessValid(kb.loadRaw(operand_.base, kb.add(base_, kb.mul(at, coef_)), operand_.element(), lanes));
  if (lanes == 1)
    return loadElement(at);
  Value result = arith::ConstantOp::create(kb.b, kb.loc, kb.b.getZeroAttr(kb.vec(lanes, operand_.element())));
  Value first = kb.add(base_, kb.mul(at, coef_));
  for (int64_t lane = 0; lane < lanes; ++lane) {
    Value element = laneTerms_.empty() ? kb.loadRaw(operand_.base, kb.add(first, lane * coef_), operand_.element(), 1) : loadElement(kb.add(at, lane));
    result = vector::InsertOp::create(kb.b, kb.loc, element, result, ArrayRef<int64_t>{lane});
  }
  return laneTerms_.empty() ? zeroUnlessValid(result) : result;
}

void AccessRow::store(Value value, Value at, int lanes) const {
  Value offset = kb.add(base_, kb.mul(at, coef_));
  if (lanes == 1 || coef_ == 1) {
    kb.storeRaw(value, operand_.base, offset);
    return;
  }
  for (int64_t lane = 0; lane < lanes; ++lane)
    kb.storeRaw(vector::ExtractOp::create(kb.b, kb.loc, value, ArrayRef<int64_t>{lane}), operand_.base, kb.add(offset, lane * coef_));
}

} // namespace hb::x86
