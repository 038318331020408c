#include "lowering/emit/x86/KernelBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace hb::x86 {

KernelBuilder::KernelBuilder(ModuleOp module, kernel::DefOp def, const X86Target &target)
    : CodeBuilder(module.getContext(), IntegerType::get(module.getContext(), 64)), target(target), def(def) {
  b.setInsertionPointToEnd(module.getBody());
  function_ = func::FuncOp::create(b, loc, def.getSymName(), b.getFunctionType({ptr(), ptr(), i64()}, {}));
  Block *entry = function_.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  scratch = entry->getArgument(1);
  task = entry->getArgument(2);
  bindTensors();
}

void KernelBuilder::bindTensors() {
  Value buffers = function_.getArgument(0);
  int64_t slot = 0;
  auto next = [&] {
    Value where = LLVM::GEPOp::create(b, loc, ptr(), ptr(), buffers, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(slot++)});
    return LLVM::LoadOp::create(b, loc, ptr(), where, /*alignment=*/8).getResult();
  };
  Block &body = def.getBody().front();
  for (BlockArgument arg : body.getArguments())
    operands_[arg] = Operand::describe(next(), cast<RankedTensorType>(arg.getType()));
  for (Value result : body.getTerminator()->getOperands())
    operands_[result] = Operand::describe(next(), cast<RankedTensorType>(result.getType()));
}

void KernelBuilder::finish() { func::ReturnOp::create(b, loc); }

const Operand &KernelBuilder::operand(Value value) const {
  auto it = operands_.find(value);
  assert(it != operands_.end() && "not an argument or result of the kernel");
  return it->second;
}

// ---------------------------------------------------------------- memory

Value KernelBuilder::loadRaw(Value base, Value offset, Type element, int lanes, Value mask) {
  Value where = address(base, offset, element);
  if (lanes == 1)
    return LLVM::LoadOp::create(b, loc, element, where, /*alignment=*/1);
  VectorType type = vec(lanes, element);
  if (!mask)
    return LLVM::LoadOp::create(b, loc, type, where, /*alignment=*/1);
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return LLVM::MaskedLoadOp::create(b, loc, type, where, mask, zero, /*alignment=*/1, /*nontemporal=*/false);
}

void KernelBuilder::storeRaw(Value value, Value base, Value offset, Value mask) {
  Value where = address(base, offset, getElementTypeOrSelf(value.getType()));
  if (mask)
    LLVM::MaskedStoreOp::create(b, loc, value, where, mask, /*alignment=*/1);
  else
    LLVM::StoreOp::create(b, loc, value, where, /*alignment=*/1);
}

Value KernelBuilder::load(const Operand &operand, Value offset, int lanes, Value mask) {
  return widen(loadRaw(operand.base, offset, operand.element(), lanes, mask));
}

void KernelBuilder::store(const Operand &operand, Value offset, Value value, Value mask) {
  storeRaw(narrow(value, operand.element()), operand.base, offset, mask);
}

Value KernelBuilder::scaleByPower(Value p, Value n) {
  auto type = dyn_cast<VectorType>(p.getType());
  if (!target.avx512() || !type || type.getNumElements() != 16)
    return {};
  // vscalefps does all of it in one instruction.
  Value all = arith::ConstantOp::create(b, loc, b.getIntegerAttr(b.getI16Type(), -1));
  Value rounding = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(4)); // the current rounding mode
  return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"), ValueRange{p, n, p, all, rounding}).getResult(0);
}

Value KernelBuilder::stack(int64_t bytes) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function_.getBody().front());
  return LLVM::AllocaOp::create(b, loc, ptr(), b.getI8Type(), i(bytes), /*alignment=*/64);
}

void KernelBuilder::prefetch(Value base, Value offset, Type element, int nearness, bool write) {
  LLVM::Prefetch::create(b, loc, address(base, offset, element), /*rw=*/write, /*hint=*/nearness, /*cache=*/1);
}

// ---------------------------------------------------------------- elements addressed by affine maps

Value KernelBuilder::loadLanes(const Operand &operand, const LaneAccess &access, ArrayRef<Value> dims, unsigned laneDim, int lanes, Value mask) {
  if (access.kind == LaneAccess::Uniform || lanes == 1)
    return load(operand, affine(access.offset, dims), 1);
  if (access.kind == LaneAccess::Contiguous)
    return load(operand, affine(access.offset, dims), lanes, mask);
  Value result = arith::ConstantOp::create(b, loc, b.getZeroAttr(vec(lanes, operand.element())));
  DenseElementsAttr constantMask;
  if (mask)
    (void)matchPattern(mask, m_Constant(&constantMask));
  Value first = affine(access.offset, dims);
  for (int lane = 0; lane < lanes; ++lane) {
    if (constantMask && !constantMask.getValues<bool>()[lane])
      break;
    auto read = [&] {
      Value offset = first;
      if (access.kind == LaneAccess::Strided) {
        offset = add(first, lane * access.stride);
      } else if (lane) {
        SmallVector<Value> moved(dims);
        moved[laneDim] = add(dims[laneDim], lane);
        offset = affine(access.offset, moved);
      }
      return loadRaw(operand.base, offset, operand.element(), 1);
    };
    if (mask && !constantMask) { // the lane may lie outside the buffer: read only when it is wanted
      Value wanted = vector::ExtractOp::create(b, loc, mask, ArrayRef<int64_t>{lane});
      Value old = result;
      result = select(
          wanted, [&]() -> SmallVector<Value> { return {vector::InsertOp::create(b, loc, read(), old, ArrayRef<int64_t>{lane})}; },
          [&]() -> SmallVector<Value> { return {old}; })[0];
    } else {
      result = vector::InsertOp::create(b, loc, read(), result, ArrayRef<int64_t>{lane});
    }
  }
  return widen(result);
}

} // namespace hb::x86
