#include "tools/hb-reduce/Reductions.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace hb::reduce {
namespace {

bool isTerminator(Operation *op) { return op->hasTrait<OpTrait::IsTerminator>(); }

/// Ops below the functions of a module that can be changed one by one.
std::vector<Operation *> innerOps(ModuleOp module) {
  std::vector<Operation *> ops;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (op != module && !isa<SymbolOpInterface>(op) && !isTerminator(op))
      ops.push_back(op);
  });
  return ops;
}

std::vector<Operation *> opsWithUses(ModuleOp module) {
  std::vector<Operation *> ops = innerOps(module);
  llvm::erase_if(ops, [](Operation *op) { return op->use_empty(); });
  return ops;
}

std::vector<Operation *> opsWithoutUses(ModuleOp module) {
  std::vector<Operation *> ops = innerOps(module);
  llvm::erase_if(ops, [](Operation *op) { return !op->use_empty(); });
  return ops;
}

std::vector<Operation *> symbols(ModuleOp module) {
  std::vector<Operation *> ops;
  for (Operation &op : module.getOps())
    if (isa<SymbolOpInterface>(op))
      ops.push_back(&op);
  return ops;
}

std::vector<FunctionOpInterface> functions(ModuleOp module) {
  std::vector<FunctionOpInterface> out;
  for (auto function : module.getOps<FunctionOpInterface>())
    if (!function.isExternal())
      out.push_back(function);
  return out;
}

/// Ops that lie in a function itself, whose results can become arguments of it.
std::vector<Operation *> opsToCut(ModuleOp module) {
  std::vector<Operation *> ops = opsWithUses(module);
  llvm::erase_if(ops, [](Operation *op) { return !isa<FunctionOpInterface>(op->getParentOp()) || op->getBlock() != &op->getParentRegion()->front(); });
  return ops;
}

/// One place for each operand of a function's terminator.
std::vector<std::pair<FunctionOpInterface, unsigned>> functionResults(ModuleOp module) {
  std::vector<std::pair<FunctionOpInterface, unsigned>> out;
  for (FunctionOpInterface function : functions(module))
    if (llvm::hasSingleElement(function.getFunctionBody()) && function.getFunctionBody().front().getTerminator()->getNumOperands() == function.getNumResults())
      for (unsigned i = 0; i < function.getNumResults(); ++i)
        out.push_back({function, i});
  return out;
}

std::vector<std::pair<FunctionOpInterface, unsigned>> unusedArguments(ModuleOp module) {
  std::vector<std::pair<FunctionOpInterface, unsigned>> out;
  for (FunctionOpInterface function : functions(module))
    for (BlockArgument argument : function.getArguments())
      if (argument.use_empty())
        out.push_back({function, argument.getArgNumber()});
  return out;
}

/// A value's stand-in among the operands of the op that makes it.
Value sameTypedOperand(Operation *op, Value result) {
  for (Value operand : op->getOperands())
    if (operand.getType() == result.getType())
      return operand;
  return {};
}

std::vector<Operation *> opsToForward(ModuleOp module) {
  std::vector<Operation *> ops = opsWithUses(module);
  llvm::erase_if(ops, [](Operation *op) { return !llvm::any_of(op->getResults(), [&](Value r) { return sameTypedOperand(op, r); }); });
  return ops;
}

/// Zero of a type, made by the dialect that the op belongs to; null when it has no such constant.
Operation *zeroBefore(Operation *op, Type type) {
  OpBuilder builder(op);
  TypedAttr zero;
  if (auto shaped = dyn_cast<RankedTensorType>(type)) {
    if (shaped.hasStaticShape() && shaped.getElementType().isIntOrIndexOrFloat())
      zero = DenseElementsAttr::get(shaped, cast<Attribute>(builder.getZeroAttr(shaped.getElementType())));
  } else if (type.isIntOrIndexOrFloat()) {
    zero = builder.getZeroAttr(type);
  }
  return zero && op->getDialect() ? op->getDialect()->materializeConstant(builder, zero, type, op->getLoc()) : nullptr;
}

std::vector<Operation *> opsToReplace(ModuleOp module) {
  std::vector<Operation *> ops = opsWithUses(module);
  llvm::erase_if(ops, [](Operation *op) { return op->hasTrait<OpTrait::ConstantLike>() || op->getNumOperands() == 0; });
  return ops;
}

std::vector<NamedAttribute> moduleAttributes(ModuleOp module) {
  auto attributes = module->getDiscardableAttrs();
  return {attributes.begin(), attributes.end()};
}

template <auto List> size_t countOf(ModuleOp module) { return List(module).size(); }

/// The members [begin, end) of a list, last first: later ops use earlier ones.
template <typename T> std::vector<T> chosen(std::vector<T> all, size_t begin, size_t end) {
  std::vector<T> some(all.begin() + begin, all.begin() + std::min(end, all.size()));
  std::reverse(some.begin(), some.end());
  return some;
}

void dropSymbols(ModuleOp module, size_t begin, size_t end) {
  for (Operation *op : chosen(symbols(module), begin, end))
    op->erase();
}

void dropResults(ModuleOp module, size_t begin, size_t end) {
  for (auto [function, index] : chosen(functionResults(module), begin, end)) {
    llvm::BitVector gone(function.getNumResults());
    gone.set(index);
    function.getFunctionBody().front().getTerminator()->eraseOperand(index);
    if (failed(function.eraseResults(gone)))
      return;
  }
}

void cutToArguments(ModuleOp module, size_t begin, size_t end) {
  MLIRContext *context = module.getContext();
  for (Operation *op : chosen(opsToCut(module), begin, end)) {
    auto function = cast<FunctionOpInterface>(op->getParentOp());
    for (Value result : op->getResults()) {
      if (result.use_empty())
        continue;
      unsigned index = function.getNumArguments();
      // Entries name their inputs; a name that nothing else has is never wrong.
      auto name = NamedAttribute(StringAttr::get(context, "nn.name"), StringAttr::get(context, "cut" + std::to_string(index)));
      DictionaryAttr attributes = context->getLoadedDialect("nn") ? DictionaryAttr::get(context, {name}) : DictionaryAttr();
      if (failed(function.insertArgument(index, result.getType(), attributes, op->getLoc())))
        return;
      result.replaceAllUsesWith(function.getArgument(index));
    }
    op->erase();
  }
}

void forwardOperands(ModuleOp module, size_t begin, size_t end) {
  for (Operation *op : chosen(opsToForward(module), begin, end)) {
    for (Value result : op->getResults())
      if (Value operand = sameTypedOperand(op, result))
        result.replaceAllUsesWith(operand);
    if (op->use_empty())
      op->erase();
  }
}

void replaceByZero(ModuleOp module, size_t begin, size_t end) {
  for (Operation *op : chosen(opsToReplace(module), begin, end)) {
    for (Value result : op->getResults())
      if (Operation *zero = result.use_empty() ? nullptr : zeroBefore(op, result.getType()))
        result.replaceAllUsesWith(zero->getResult(0));
    if (op->use_empty())
      op->erase();
  }
}

void dropOps(ModuleOp module, size_t begin, size_t end) {
  for (Operation *op : chosen(opsWithoutUses(module), begin, end))
    op->erase(); // an op nested in another one of the list comes after it in the walk, so it is erased before it
}

void dropArguments(ModuleOp module, size_t begin, size_t end) {
  for (auto [function, index] : chosen(unusedArguments(module), begin, end))
    if (failed(function.eraseArgument(index)))
      return;
}

void dropModuleAttributes(ModuleOp module, size_t begin, size_t end) {
  for (NamedAttribute attribute : chosen(moduleAttributes(module), begin, end))
    module->removeDiscardableAttr(attribute.getName());
}

} // namespace

llvm::ArrayRef<Reduction> reductions() {
  static const Reduction kReductions[] = {{"drop functions", countOf<symbols>, dropSymbols},
                                          {"drop results of functions", countOf<functionResults>, dropResults},
                                          {"drop unused ops", countOf<opsWithoutUses>, dropOps},
                                          {"turn values into arguments", countOf<opsToCut>, cutToArguments},
                                          {"replace values by operands", countOf<opsToForward>, forwardOperands},
                                          {"replace values by zeros", countOf<opsToReplace>, replaceByZero},
                                          {"drop unused arguments", countOf<unusedArguments>, dropArguments},
                                          {"drop attributes of the module", countOf<moduleAttributes>, dropModuleAttributes}};
  return kReductions;
}

} // namespace hb::reduce
