#include "lowering/emit/nvvm/NvvmBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace hb::nvvm {

NvvmBuilder::NvvmBuilder(ModuleOp module, kernel::DefOp def, const CudaTarget &target) : KernelBuilder(def), target(target), module_(module) {
  b.setInsertionPointToEnd(module.getBody());
  Block &body = def.getBody().front();
  const size_t tensors = body.getNumArguments() + body.getTerminator()->getNumOperands();
  SmallVector<Type> pointers(tensors, LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace));
  function_ = LLVM::LLVMFuncOp::create(b, loc, def.getSymName(), LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), pointers));
  function_->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  Block *entry = function_.addEntryBlock(b);
  b.setInsertionPointToEnd(entry);
  block_ = asIndex(NVVM::BlockIdXOp::create(b, loc, b.getI32Type()));
  thread_ = asIndex(NVVM::ThreadIdXOp::create(b, loc, b.getI32Type()));
  bindTensors(entry->getArguments());
}

void NvvmBuilder::finish(const gpu::Launch &launch) {
  LLVM::ReturnOp::create(b, loc, ValueRange{});
  function_->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(launch.block)}));
}

Value NvvmBuilder::asIndex(Value i32) { return indexType().isInteger(32) ? i32 : arith::ExtUIOp::create(b, loc, indexType(), i32).getResult(); }

Value NvvmBuilder::block() { return block_; }
Value NvvmBuilder::thread() { return thread_; }
void NvvmBuilder::barrier() { NVVM::Barrier0Op::create(b, loc); }

Value NvvmBuilder::shuffleXor(Value value, int mask) {
  auto i32 = [&](int32_t x) { return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(x)); };
  // The last operand packs the width: 0x1f lets every lane of the warp take part.
  return NVVM::ShflOp::create(b, loc, value.getType(), i32(-1), value, i32(mask), i32(0x1f), NVVM::ShflKind::bfly, UnitAttr());
}

Value NvvmBuilder::sharedBase() {
  // One external array of unknown length: the launch says how long it is. Internal linkage would make it a static byte that others overlap.
  constexpr llvm::StringLiteral name = "shared_memory";
  auto global = module_.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module_.getBody());
    global = LLVM::GlobalOp::create(b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), 0), /*isConstant=*/false, LLVM::Linkage::External, name, Attribute(), /*alignment=*/128, kSharedSpace);
  }
  return LLVM::AddressOfOp::create(b, loc, global);
}

} // namespace hb::nvvm
