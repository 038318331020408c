// Normalises affine accesses: range-aware simplification, dimension splitting and merging.
#include "lowering/emit/x86/Access.h"

using namespace mlir;

namespace hb::x86 {

Strides stridesOf(RankedTensorType type) {
  if (auto strided = dyn_cast_or_null<kernel::StridedAttr>(type.getEncoding()))
    return {strided.getOffset(), llvm::to_vector(strided.getStrides())};
  Strides result;
  result.strides.resize(type.getRank());
  int64_t stride = 1;
  for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
    result.strides[axis] = stride;
    stride *= type.getDimSize(axis);
  }
  return result;
}

namespace {

struct Range {
  int64_t low, high;
};

int64_t floorDiv(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/// An expression as Σ coefficient·atom + constant; an atom is a dimension, a floordiv, a mod or a ceildiv.
struct Sum {
  llvm::SmallVector<std::pair<AffineExpr, int64_t>> terms;
  int64_t constant = 0;

  void add(AffineExpr atom, int64_t coefficient) {
    for (auto &term : terms)
      if (term.first == atom) {
        term.second += coefficient;
        return;
      }
    terms.push_back({atom, coefficient});
  }
  void dropZeros() {
    llvm::erase_if(terms, [](const auto &term) { return term.second == 0; });
  }
};

void flatten(AffineExpr expr, int64_t factor, Sum &sum) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    sum.constant += factor * constant.getValue();
    return;
  }
  if (auto binary = dyn_cast<AffineBinaryOpExpr>(expr)) {
    if (binary.getKind() == AffineExprKind::Add) {
      flatten(binary.getLHS(), factor, sum);
      flatten(binary.getRHS(), factor, sum);
      return;
    }
    if (binary.getKind() == AffineExprKind::Mul) {
      // One side is a constant by construction of affine expressions.
      if (auto right = dyn_cast<AffineConstantExpr>(binary.getRHS()))
        return flatten(binary.getLHS(), factor * right.getValue(), sum);
      if (auto left = dyn_cast<AffineConstantExpr>(binary.getLHS()))
        return flatten(binary.getRHS(), factor * left.getValue(), sum);
    }
  }
  sum.add(expr, factor);
}

Sum flatten(AffineExpr expr) {
  Sum sum;
  flatten(expr, 1, sum);
  sum.dropZeros();
  return sum;
}

AffineExpr toExpr(const Sum &sum, MLIRContext *context) {
  AffineExpr result = getAffineConstantExpr(sum.constant, context);
  for (auto &[atom, coefficient] : sum.terms)
    result = result + atom * coefficient;
  return result;
}

/// Values an expression takes while each dimension stays inside its extent (an over-approximation).
Range rangeOf(AffineExpr expr, ArrayRef<int64_t> extents) {
  Sum sum = flatten(expr);
  Range range{sum.constant, sum.constant};
  for (auto &[atom, coefficient] : sum.terms) {
    Range part{0, 0};
    if (auto dim = dyn_cast<AffineDimExpr>(atom)) {
      part = {0, extents[dim.getPosition()] - 1};
    } else {
      auto binary = cast<AffineBinaryOpExpr>(atom);
      Range inner = rangeOf(binary.getLHS(), extents);
      int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
      if (binary.getKind() == AffineExprKind::FloorDiv)
        part = {floorDiv(inner.low, divisor), floorDiv(inner.high, divisor)};
      else if (binary.getKind() == AffineExprKind::CeilDiv)
        part = {-floorDiv(-inner.low, divisor), -floorDiv(-inner.high, divisor)};
      else
        part = {0, divisor - 1};
    }
    range.low += coefficient * (coefficient > 0 ? part.low : part.high);
    range.high += coefficient * (coefficient > 0 ? part.high : part.low);
  }
  return range;
}

AffineExpr simplify(AffineExpr expr, ArrayRef<int64_t> extents);

/// floordiv and mod: the part divisible by the divisor leaves, and the rest vanishes when its range fits.
AffineExpr simplifyDivision(AffineBinaryOpExpr expr, ArrayRef<int64_t> extents) {
  MLIRContext *context = expr.getContext();
  int64_t divisor = cast<AffineConstantExpr>(expr.getRHS()).getValue();
  Sum inner = flatten(simplify(expr.getLHS(), extents));
  Sum quotient, rest;
  for (auto &[atom, coefficient] : inner.terms)
    if (coefficient % divisor == 0)
      quotient.add(atom, coefficient / divisor);
    else
      rest.add(atom, coefficient);
  quotient.constant = floorDiv(inner.constant, divisor);
  rest.constant = inner.constant - divisor * quotient.constant;
  AffineExpr restExpr = toExpr(rest, context);
  Range range = rangeOf(restExpr, extents);
  bool fits = range.low >= 0 && range.high < divisor;
  if (expr.getKind() == AffineExprKind::Mod)
    return fits ? restExpr : restExpr % divisor;
  AffineExpr result = toExpr(quotient, context);
  return fits ? result : result + restExpr.floorDiv(divisor);
}

AffineExpr simplify(AffineExpr expr, ArrayRef<int64_t> extents) {
  Sum sum = flatten(expr), result;
  result.constant = sum.constant;
  for (auto &[atom, coefficient] : sum.terms) {
    AffineExpr simple = atom;
    if (auto dim = dyn_cast<AffineDimExpr>(atom)) {
      if (extents[dim.getPosition()] == 1)
        continue;
    } else {
      auto binary = cast<AffineBinaryOpExpr>(atom);
      if (binary.getKind() == AffineExprKind::CeilDiv) {
        // ceildiv(e, m) = floordiv(e + m − 1, m)
        int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
        binary = cast<AffineBinaryOpExpr>(getAffineBinaryOpExpr(AffineExprKind::FloorDiv, binary.getLHS() + (divisor - 1), binary.getRHS()));
      }
      simple = simplifyDivision(binary, extents);
    }
    flatten(simple, coefficient, result);
  }
  result.dropZeros();
  return toExpr(result, expr.getContext());
}

/// A dimension and the inner extent to split it by, so that a division in `expr` becomes linear.
std::optional<std::pair<unsigned, int64_t>> findSplit(AffineExpr expr, ArrayRef<int64_t> extents) {
  std::optional<std::pair<unsigned, int64_t>> found;
  expr.walk([&](AffineExpr part) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(part);
    if (found || !binary || (binary.getKind() != AffineExprKind::FloorDiv && binary.getKind() != AffineExprKind::Mod))
      return;
    int64_t divisor = cast<AffineConstantExpr>(binary.getRHS()).getValue();
    for (auto &[atom, coefficient] : flatten(binary.getLHS()).terms) {
      auto dim = dyn_cast<AffineDimExpr>(atom);
      if (!dim || coefficient <= 0 || divisor % coefficient != 0)
        continue;
      int64_t inner = divisor / coefficient, extent = extents[dim.getPosition()];
      if (inner > 1 && inner < extent && extent % inner == 0) {
        found = {dim.getPosition(), inner};
        return;
      }
    }
  });
  return found;
}

} // namespace

bool Access::dependsInTerms(unsigned dim) const {
  return llvm::any_of(terms, [&](const IndexTerm &term) { return term.expr.isFunctionOfDim(dim); });
}

int64_t Space::points() const {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

void Space::permute(ArrayRef<unsigned> order) {
  if (extents.empty())
    return;
  llvm::SmallVector<int64_t> oldExtents(extents);
  llvm::SmallVector<unsigned> newPosition(order.size());
  for (auto [position, old] : llvm::enumerate(order)) {
    extents[position] = oldExtents[old];
    newPosition[old] = position;
  }
  for (Access &access : accesses) {
    llvm::SmallVector<int64_t> coefs(access.coefs);
    for (auto [position, old] : llvm::enumerate(order))
      access.coefs[position] = coefs[old];
    for (IndexTerm &term : access.terms) {
      llvm::SmallVector<AffineExpr> replacements;
      for (unsigned position : newPosition)
        replacements.push_back(getAffineDimExpr(position, term.expr.getContext()));
      term.expr = term.expr.replaceDims(replacements);
    }
  }
}

Space makeSpace(ArrayRef<int64_t> givenExtents, ArrayRef<AccessSource> sources, SmallVectorImpl<unsigned> &barriers) {
  Space space;
  space.extents.assign(givenExtents.begin(), givenExtents.end());
  llvm::SmallVector<llvm::SmallVector<AffineExpr>> exprs;
  MLIRContext *context = nullptr;
  for (const AccessSource &source : sources) {
    context = source.map.getContext();
    exprs.emplace_back(source.map.getResults());
  }
  auto forAll = [&](auto &&change) {
    for (auto &list : exprs)
      for (AffineExpr &expr : list)
        expr = change(expr);
  };
  auto simplifyAll = [&] { forAll([&](AffineExpr expr) { return simplify(expr, space.extents); }); };
  simplifyAll();

  // Split until no division can become linear that way; the cap only guards against absurd maps (the slow path stays correct).
  for (int round = 0; round < 16; ++round) {
    std::optional<std::pair<unsigned, int64_t>> split;
    for (auto &list : exprs)
      for (AffineExpr expr : list)
        if (!split)
          split = findSplit(expr, space.extents);
    if (!split)
      break;
    auto [dim, inner] = *split;
    llvm::SmallVector<AffineExpr> replacements;
    for (unsigned position = 0; position < space.extents.size(); ++position) {
      AffineExpr moved = getAffineDimExpr(position > dim ? position + 1 : position, context);
      replacements.push_back(position == dim ? moved * inner + getAffineDimExpr(dim + 1, context) : moved);
    }
    space.extents.insert(space.extents.begin() + dim + 1, inner);
    space.extents[dim] /= inner;
    for (unsigned &barrier : barriers)
      barrier += barrier > dim ? 1 : 0;
    forAll([&](AffineExpr expr) { return expr.replaceDims(replacements); });
    simplifyAll();
  }

  unsigned rank = space.extents.size();
  for (auto [source, list] : llvm::zip(sources, exprs)) {
    Strides strides = stridesOf(source.type);
    Access access;
    access.offset = strides.offset;
    access.coefs.assign(rank, 0);
    for (auto [axis, expr] : llvm::enumerate(list)) {
      int64_t stride = strides.strides[axis], size = source.type.getDimSize(axis);
      Range range = rangeOf(expr, space.extents);
      if (source.zeroOutside && (range.low < 0 || range.high >= size)) {
        access.terms.push_back({expr, stride, size});
        continue;
      }
      Sum sum = flatten(expr), rest;
      access.offset += stride * sum.constant;
      for (auto &[atom, coefficient] : sum.terms)
        if (auto dim = dyn_cast<AffineDimExpr>(atom))
          access.coefs[dim.getPosition()] += stride * coefficient;
        else
          rest.add(atom, coefficient);
      if (!rest.terms.empty())
        access.terms.push_back({toExpr(rest, context), stride, 0});
    }
    space.accesses.push_back(std::move(access));
  }

  // Merge neighbours that every access walks as one, inner pairs first; drop dimensions of one element.
  auto remove = [&](unsigned dim) {
    llvm::SmallVector<AffineExpr> replacements;
    for (unsigned position = 0; position < space.extents.size(); ++position)
      replacements.push_back(position == dim ? getAffineConstantExpr(0, context) : getAffineDimExpr(position > dim ? position - 1 : position, context));
    for (Access &access : space.accesses) {
      access.coefs.erase(access.coefs.begin() + dim);
      for (IndexTerm &term : access.terms)
        term.expr = term.expr.replaceDims(replacements);
    }
    space.extents.erase(space.extents.begin() + dim);
    for (unsigned &barrier : barriers)
      barrier -= barrier > dim ? 1 : 0;
  };
  for (unsigned dim = rank; dim-- > 0;)
    if (space.extents[dim] == 1)
      remove(dim);
  for (unsigned dim = space.extents.size(); dim-- > 1;) {
    bool one = !llvm::is_contained(barriers, dim) && llvm::all_of(space.accesses, [&](const Access &access) {
      return access.coefs[dim - 1] == access.coefs[dim] * space.extents[dim] && !access.dependsInTerms(dim - 1) && !access.dependsInTerms(dim);
    });
    if (!one)
      continue;
    space.extents[dim] *= space.extents[dim - 1];
    // The merged dimension keeps the inner one's coefficient: remove the outer.
    remove(dim - 1);
  }
  return space;
}

} // namespace hb::x86
