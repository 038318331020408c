#include "lowering/emit/gpu/Pointwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::gpu {
namespace {

constexpr int vectorLanes = 4;

/// Whether a map result may lie outside [0, extent) for some result index: a constant or a bare dimension that fits cannot.
bool mayLeave(AffineExpr expr, int64_t extent, ArrayRef<int64_t> space) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() < 0 || constant.getValue() >= extent;
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return space[dim.getPosition()] > extent;
  return true;
}

} // namespace

Pointwise::Pointwise(KernelBuilder &kb, SmallVector<PointwiseAccess> accesses, const Operand &result) : kb_(kb), accesses_(std::move(accesses)), result_(result) {
  space_.assign(result.shape().begin(), result.shape().end());
  if (space_.empty())
    space_.push_back(1); // a scalar is one element of one dimension
  last_ = space_.size() - 1;
  identity_ = AffineMap::getMultiDimIdentityMap(result.rank(), kb.b.getContext());
  lanes_ = vectorizes() ? vectorLanes : 1;
  for (int64_t extent : space_)
    points_ *= extent;
  points_ /= lanes_;
  blocks_ = std::max<int64_t>(1, (points_ + pointwiseBlock - 1) / pointwiseBlock);
}

LogicalResult Pointwise::emit(Value block, const std::function<FailureOr<Value>(ArrayRef<Value>)> &body) {
  SmallVector<int64_t> extents(space_);
  extents[last_] /= lanes_;
  Value point = kb_.add(kb_.mul(block, pointwiseBlock), kb_.thread());
  LogicalResult status = success();
  auto one = [&] {
    SmallVector<Value> dims = kb_.delinearize(point, extents);
    dims[last_] = kb_.mul(dims[last_], lanes_);
    SmallVector<Value> elements;
    for (const PointwiseAccess &access : accesses_)
      elements.push_back(read(access, dims));
    FailureOr<Value> value = body(elements);
    if (failed(value)) {
      status = failure();
      return;
    }
    ArrayRef<Value> to = ArrayRef<Value>(dims).take_front(result_.rank());
    kb_.store(result_, kb_.affine(kb_.offsetExpr(result_, identity_), to), kb_.broadcast(*value, lanes_), alignmentOf(result_, identity_));
  };
  if (points_ % pointwiseBlock)
    kb_.ifThen(kb_.less(point, kb_.i(points_)), one);
  else
    one();
  return status;
}

/// Lanes along the last_ dimension: every operand must agree or lie side by side there, and no index may leave it midway.
bool Pointwise::vectorizes() {
  if (result_.rank() == 0 || space_[last_] % vectorLanes || kb_.laneAccess(result_, identity_, last_).kind != LaneAccess::Contiguous || result_.element().isInteger(64) || result_.element().isF64())
    return false;
  return llvm::all_of(accesses_, [&](const PointwiseAccess &access) {
    LaneAccess lane = kb_.laneAccess(*access.operand, access.map, last_);
    if (lane.kind != LaneAccess::Uniform && (lane.kind != LaneAccess::Contiguous || access.operand->element().isInteger(64) || access.operand->element().isF64()))
      return false;
    return !access.zeroOutside || llvm::all_of(llvm::zip_equal(access.map.getResults(), access.operand->shape()), [&](auto pair) {
      auto [expr, extent] = pair;
      return !expr.isFunctionOfDim(last_) || !mayLeave(expr, extent, space_);
    });
  });
}

/// Bytes that a vector is known to be aligned to: the tensors begin on a multiple of 64.
int64_t Pointwise::alignmentOf(const Operand &operand, AffineMap map) {
  const int64_t bytes = operand.element().getIntOrFloatBitWidth() / 8;
  if (lanes_ == 1)
    return bytes;
  AffineExpr dim = getAffineDimExpr(last_, kb_.b.getContext());
  AffineExpr expr = simplifyAffineExpr(kb_.offsetExpr(operand, map).replace(dim, dim * lanes_), map.getNumDims(), 0);
  return expr.isMultipleOf(lanes_) ? lanes_ * bytes : bytes;
}

Value Pointwise::read(const PointwiseAccess &access, ArrayRef<Value> dims) {
  const Operand &operand = *access.operand;
  LaneAccess lane = kb_.laneAccess(operand, access.map, last_);
  const int width = lanes_ > 1 && lane.kind == LaneAccess::Contiguous ? lanes_ : 1;
  ArrayRef<Value> used = dims.take_front(access.map.getNumDims());
  auto load = [&] { return kb_.loadRaw(operand.base, kb_.affine(lane.offset, used), operand.element(), width, width > 1 ? alignmentOf(operand, access.map) : 0); };
  Value inside;
  if (access.zeroOutside)
    for (auto [expr, extent] : llvm::zip_equal(access.map.getResults(), operand.shape()))
      if (mayLeave(expr, extent, space_)) {
        Value index = kb_.affine(expr, used);
        // One comparison for both ends: what is negative is large without a sign.
        Value in = arith::CmpIOp::create(kb_.b, kb_.loc, arith::CmpIPredicate::ult, index, kb_.i(extent));
        inside = inside ? arith::AndIOp::create(kb_.b, kb_.loc, inside, in).getResult() : in;
      }
  if (!inside)
    return load();
  Type type = width == 1 ? operand.element() : Type(kb_.vec(width, operand.element()));
  return kb_.select(
      inside, [&]() -> SmallVector<Value> { return {load()}; },
      [&]() -> SmallVector<Value> { return {arith::ConstantOp::create(kb_.b, kb_.loc, kb_.b.getZeroAttr(type))}; })[0];
}

} // namespace hb::gpu
