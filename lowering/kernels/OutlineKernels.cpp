// hb-outline-kernels: one kernel.def per distinct kernel op, launches in its place.
#include "lowering/kernels/Cost.h"
#include "lowering/kernels/Inplace.h"
#include "lowering/kernels/MapBuilder.h"
#include "lowering/kernels/Passes.h"
#include "lowering/kernels/Source.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/OperationSupport.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBOUTLINEKERNELS
#include "lowering/kernels/Passes.h.inc"

namespace {

/// Structural equality of kernel ops: name, attributes, operand and result types, scalar region. Where the op is and which
/// values it reads do not count.
struct SameKernel : llvm::DenseMapInfo<Operation *> {
  static unsigned getHashValue(const Operation *constOp) {
    auto *op = const_cast<Operation *>(constOp);
    llvm::hash_code hash = llvm::hash_combine(op->getName().getAsOpaquePointer(), op->getAttrDictionary());
    for (Type type : op->getOperandTypes())
      hash = llvm::hash_combine(hash, type);
    for (Type type : op->getResultTypes())
      hash = llvm::hash_combine(hash, type);
    // The region's op names are enough to tell most epilogues apart; equality decides.
    for (Region &region : op->getRegions())
      for (Operation &inner : region.getOps())
        hash = llvm::hash_combine(hash, inner.getName().getAsOpaquePointer(), inner.getAttrDictionary());
    return hash;
  }
  static bool isEqual(const Operation *constLhs, const Operation *constRhs) {
    auto *lhs = const_cast<Operation *>(constLhs), *rhs = const_cast<Operation *>(constRhs);
    if (lhs == rhs)
      return true;
    if (lhs == getEmptyKey() || lhs == getTombstoneKey() || rhs == getEmptyKey() || rhs == getTombstoneKey())
      return false;
    if (lhs->getName() != rhs->getName() || lhs->getAttrDictionary() != rhs->getAttrDictionary() ||
        !llvm::equal(lhs->getOperandTypes(), rhs->getOperandTypes()) || !llvm::equal(lhs->getResultTypes(), rhs->getResultTypes()))
      return false;
    for (auto [a, b] : llvm::zip(lhs->getRegions(), rhs->getRegions()))
      if (!OperationEquivalence::isRegionEquivalentTo(&a, &b, OperationEquivalence::IgnoreLocations))
        return false;
    return true;
  }
};

struct OutlineKernels : impl::HbOutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    defs_ = OpBuilder::atBlockBegin(module.getBody());
    known_.clear();
    counts_.clear();
    for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      func.walk([&](Operation *op) {
        if (isa<kernel::ContractOp, kernel::AttentionOp, kernel::AttentionVjpOp, kernel::GroupStatsOp, kernel::NormalizeOp, kernel::MapOp, kernel::ConcatOp, kernel::GatherOp,
                kernel::DropoutOp, kernel::ReduceOp, kernel::AdaptivePoolOp, kernel::WinogradInputOp, kernel::WinogradOutputOp>(op))
          outline(op);
      });
  }

private:
  kernel::DefOp define(Operation *op) {
    std::string family = op->getName().stripDialect().str();
    std::string name = family + "_" + std::to_string(counts_[family]++);
    auto type = FunctionType::get(op->getContext(), op->getOperandTypes(), op->getResultTypes());
    auto def = kernel::DefOp::create(defs_, op->getLoc(), defs_.getStringAttr(name), TypeAttr::get(type));
    Block &block = def.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value operand : op->getOperands()) // by position: one value may be several operands
      block.addArgument(operand.getType(), op->getLoc());
    OpBuilder inner = OpBuilder::atBlockBegin(&block);
    Operation *copy = inner.clone(*op);
    copy->setOperands(block.getArguments());
    kernel::ReturnOp::create(inner, op->getLoc(), copy->getResults());
    def->setAttr("flops", defs_.getI64IntegerAttr(kernelFlops(op)));
    def->setAttr("bytes", defs_.getI64IntegerAttr(kernelBytes(op)));
    def->setAttr("source", defs_.getStringAttr(sourceText(op->getLoc())));
    SmallVector<Attribute> pairs;
    for (auto [operand, result] : inplacePairs(op))
      pairs.push_back(defs_.getI64ArrayAttr({operand, result}));
    if (!pairs.empty())
      def->setAttr("inplace", defs_.getArrayAttr(pairs));
    // What earlier slabs wrote must be where this one writes.
    if (auto output = dyn_cast<kernel::WinogradOutputOp>(op); output && output.getInto())
      def->setAttr("tied", defs_.getI64IntegerAttr(output.getIntoMutable().begin()->getOperandNumber()));
    return def;
  }

  void outline(Operation *op) {
    auto [entry, isNew] = known_.try_emplace(op, kernel::DefOp());
    kernel::DefOp def;
    if (isNew) {
      def = define(op);
      // The key must outlive the op it was looked up by: the copy in the def is equal to it.
      known_.erase(op);
      known_.try_emplace(&def.getBody().front().front(), def);
    } else {
      def = entry->second;
    }
    OpBuilder b(op);
    auto launch = kernel::LaunchOp::create(b, op->getLoc(), op->getResultTypes(), def.getSymName(), op->getOperands());
    op->replaceAllUsesWith(launch.getResults());
    op->erase();
  }

  llvm::DenseMap<Operation *, kernel::DefOp, SameKernel> known_;
  std::map<std::string, int> counts_;
  OpBuilder defs_{static_cast<MLIRContext *>(nullptr)};
};

} // namespace
} // namespace hb
