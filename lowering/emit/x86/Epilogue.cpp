#include "lowering/emit/x86/Epilogue.h"

#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {

Epilogue::Epilogue(KernelBuilder &kb, Region &region, ValueRange extras, ArrayAttr maps, Value result) : kb_(kb), region_(region), cost_(regionCost(region)) {
  const Operand &out = kb.operand(result);
  shape_.assign(out.shape().begin(), out.shape().end());
  for (auto [extra, map] : llvm::zip_equal(extras, maps.getAsRange<AffineMapAttr>()))
    extras_.push_back(describe(kb.operand(extra), map.getValue()));
  result_ = describe(out, AffineMap::getMultiDimIdentityMap(out.rank(), kb.b.getContext()));
}

Epilogue::Access Epilogue::describe(const Operand &operand, AffineMap map) {
  unsigned rank = shape_.size(), last = rank - 1;
  Access access{operand, kb_.laneAccess(operand, map, last)};
  AffineExpr expr = access.lanes.offset;
  for (unsigned d = 0; d < last; ++d)
    access.usesRow |= expr.isFunctionOfDim(d);
  access.usesColumn = expr.isFunctionOfDim(last);
  // Linear in every leading dimension with strides that nest: then the flat row number is enough and no division is needed.
  SmallVector<AffineExpr> zeros(rank, getAffineConstantExpr(0, kb_.b.getContext()));
  auto atZero = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceDims(zeros), rank, 0));
  if (access.lanes.kind == LaneAccess::Irregular || !atZero)
    return access;
  std::optional<int64_t> inner;
  int64_t innerExtent = 1;
  bool nested = true;
  for (int64_t d = static_cast<int64_t>(last) - 1; d >= 0 && nested; --d) {
    if (shape_[d] == 1)
      continue;
    AffineExpr dim = getAffineDimExpr(d, kb_.b.getContext());
    auto step = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(expr.replace(dim, dim + 1) - expr, rank, 0));
    nested = step && (!inner || step.getValue() == *inner * innerExtent);
    if (!nested)
      break;
    if (!inner)
      access.flatStride = step.getValue();
    inner = step.getValue();
    innerExtent = shape_[d];
  }
  if (!nested)
    access.flatStride.reset();
  else if (!inner)
    access.flatStride = 0;
  access.constant = atZero.getValue();
  return access;
}

SmallVector<Value> Epilogue::dims(ResultRow &row, Value column) {
  if (row.indices.empty() && shape_.size() > 1)
    row.indices = kb_.delinearize(row.flat, ArrayRef(shape_).drop_back());
  SmallVector<Value> dims(row.indices);
  dims.push_back(column);
  return dims;
}

std::optional<Value> Epilogue::linearOffset(const Access &access, ResultRow &row, Value column) {
  if (!access.flatStride || !row.flat)
    return std::nullopt;
  Value offset = kb_.add(kb_.mul(row.flat, *access.flatStride), access.constant);
  return access.usesColumn ? kb_.add(offset, kb_.mul(column, access.lanes.stride)) : offset;
}

Value Epilogue::read(const Access &access, ResultRow &row, Value column, int lanes, Value mask) {
  if (access.lanes.kind == LaneAccess::Uniform || access.lanes.kind == LaneAccess::Contiguous)
    if (auto offset = linearOffset(access, row, column))
      return kb_.load(access.operand, *offset, access.lanes.kind == LaneAccess::Uniform ? 1 : lanes, access.lanes.kind == LaneAccess::Uniform ? Value() : mask);
  return kb_.loadLanes(access.operand, access.lanes, dims(row, column), shape_.size() - 1, lanes, mask);
}

ColumnValues Epilogue::columns(Value column, int lanes, Value mask) {
  ColumnValues values(extras_.size());
  ResultRow first{kb_.i(0), {}, {}};
  for (auto [value, access] : llvm::zip_equal(values, extras_))
    if (!access.usesRow)
      value = read(access, first, column, lanes, mask);
  return values;
}

LogicalResult Epilogue::apply(ResultRow &row, Value column, int lanes, Value mask, const ColumnValues &columns, ArrayRef<Value> accumulators) {
  SmallVector<Value> args(accumulators);
  row.scalars.resize(extras_.size());
  for (auto [index, access] : llvm::enumerate(extras_)) {
    if (columns[index]) {
      args.push_back(columns[index]);
    } else if (!access.usesColumn) {
      if (!row.scalars[index])
        row.scalars[index] = read(access, row, column, lanes, mask);
      args.push_back(row.scalars[index]);
    } else {
      args.push_back(read(access, row, column, lanes, mask));
    }
  }
  FailureOr<SmallVector<Value>> values = inlineRegion(kb_, region_, args);
  if (failed(values))
    return failure();
  Value value = kb_.broadcast(values->front(), lanes);
  std::optional<Value> offset = linearOffset(result_, row, column);
  kb_.store(result_.operand, offset ? *offset : kb_.affine(result_.lanes.offset, dims(row, column)), value, mask);
  return success();
}

} // namespace hb::x86
