#include "lowering/emit/gpu/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace hb::gpu {

/// Elements of the buffer that a tensor reaches into.
static int64_t reach(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  auto strided = dyn_cast_or_null<kernel::StridedAttr>(tensor.getEncoding());
  if (!strided)
    return tensor.getNumElements();
  int64_t last = strided.getOffset();
  for (auto [extent, stride] : llvm::zip_equal(tensor.getShape(), strided.getStrides()))
    last += (extent - 1) * stride;
  return last + 1;
}

IntegerType indexTypeFor(kernel::DefOp def) {
  // Rounding up to tiles and panels goes beyond a tensor's end: half of the range leaves room for it.
  int64_t most = 0;
  Block &body = def.getBody().front();
  for (Type type : body.getArgumentTypes())
    most = std::max(most, reach(type));
  for (Value result : body.getTerminator()->getOperands())
    most = std::max(most, reach(result.getType()));
  return IntegerType::get(def.getContext(), most < (1ll << 30) ? 32 : 64);
}

KernelBuilder::KernelBuilder(kernel::DefOp def) : CodeBuilder(def.getContext(), indexTypeFor(def)), def(def) {}

void KernelBuilder::bindTensors(ValueRange pointers) {
  size_t slot = 0;
  Block &body = def.getBody().front();
  for (BlockArgument arg : body.getArguments())
    operands_[arg] = Operand::describe(pointers[slot++], cast<RankedTensorType>(arg.getType()));
  for (Value result : body.getTerminator()->getOperands())
    operands_[result] = Operand::describe(pointers[slot++], cast<RankedTensorType>(result.getType()));
}

const Operand &KernelBuilder::operand(Value value) const {
  auto it = operands_.find(value);
  assert(it != operands_.end() && "not an argument or result of the kernel");
  return it->second;
}

Value KernelBuilder::shared(int64_t bytes) {
  Value where = address(sharedBase(), i(sharedBytes_), b.getI8Type());
  sharedBytes_ += (bytes + 15) / 16 * 16;
  return where;
}

static int64_t elementBytes(Type element) { return (element.getIntOrFloatBitWidth() + 7) / 8; }

Value KernelBuilder::loadRaw(Value base, Value offset, Type element, int lanes, int64_t alignment) {
  Value where = address(base, offset, element);
  Type type = lanes == 1 ? element : Type(vec(lanes, element));
  return LLVM::LoadOp::create(b, loc, type, where, alignment ? alignment : elementBytes(element));
}

void KernelBuilder::storeRaw(Value value, Value base, Value offset, int64_t alignment) {
  Type element = getElementTypeOrSelf(value.getType());
  LLVM::StoreOp::create(b, loc, value, address(base, offset, element), alignment ? alignment : elementBytes(element));
}

Value KernelBuilder::load(const Operand &operand, Value offset, int lanes, int64_t alignment) {
  return widen(loadRaw(operand.base, offset, operand.element(), lanes, alignment));
}

void KernelBuilder::store(const Operand &operand, Value offset, Value value, int64_t alignment) {
  storeRaw(narrow(value, operand.element()), operand.base, offset, alignment);
}

Value KernelBuilder::loadIf(Value condition, const Operand &operand, Value offset) {
  return select(
      condition, [&]() -> SmallVector<Value> { return {load(operand, offset)}; },
      [&]() -> SmallVector<Value> { return {operand.element().isInteger() ? arith::ConstantOp::create(b, loc, b.getIntegerAttr(operand.element(), 0)).getResult() : f(0)}; })[0];
}

Value KernelBuilder::exchange(Value value, int mask) {
  Type type = value.getType();
  if (type.getIntOrFloatBitWidth() == 32)
    return shuffleXor(value, mask);
  // Two halves.
  Value bits = type.isInteger() ? value : arith::BitcastOp::create(b, loc, i64(), value).getResult(), half = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(32));
  Value low = shuffleXor(arith::TruncIOp::create(b, loc, b.getI32Type(), bits), mask);
  Value high = shuffleXor(arith::TruncIOp::create(b, loc, b.getI32Type(), arith::ShRUIOp::create(b, loc, bits, half)), mask);
  Value whole = arith::OrIOp::create(b, loc, arith::ShLIOp::create(b, loc, arith::ExtUIOp::create(b, loc, i64(), high), half), arith::ExtUIOp::create(b, loc, i64(), low));
  return type.isInteger() ? whole : arith::BitcastOp::create(b, loc, type, whole).getResult();
}

Value KernelBuilder::combineThreads(Value x, int64_t threads, Combine combine) {
  for (int mask = static_cast<int>(std::min<int64_t>(threads, warpLanes)) / 2; mask > 0; mask /= 2)
    x = combine(x, exchange(x, mask));
  if (threads <= warpLanes)
    return x;
  const int64_t warps = threads / warpLanes;
  if (!combineMemory_)
    combineMemory_ = shared(8 * 32);
  ifThen(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, rem(thread(), warpLanes), i(0)), [&] { storeRaw(x, combineMemory_, div(thread(), warpLanes)); });
  barrier();
  Value all = loadRaw(combineMemory_, i(0), x.getType());
  for (int64_t warp = 1; warp < warps; ++warp)
    all = combine(all, loadRaw(combineMemory_, i(warp), x.getType()));
  barrier(); // the next combination uses the same memory
  return all;
}

Value KernelBuilder::sumThreads(Value x, int64_t threads) {
  return combineThreads(x, threads, [&](Value a, Value c) { return fadd(a, c); });
}

Value KernelBuilder::maxThreads(Value x, int64_t threads) {
  return combineThreads(x, threads, [&](Value a, Value c) { return arith::MaximumFOp::create(b, loc, a, c).getResult(); });
}

} // namespace hb::gpu
