#include "lowering/BudgetedPhases.h"

#include "dialects/plan/Plan.h"
#include "lowering/MemoryBudget.h"
#include "lowering/plan/Reports.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace hb {
namespace {

/// What the entries of a planned module need beyond the budget.
struct Excess {
  plan::ProgramOp program;
  int64_t bytes = 0; ///< negative: so much is left
};

std::vector<Excess> excesses(ModuleOp planned, int64_t budget) {
  std::vector<Excess> all;
  for (auto program : planned.getOps<plan::ProgramOp>())
    all.push_back({program, static_cast<int64_t>(program.getArenaBytes()) + weightBytes(program) - budget});
  return all;
}

void reportExcess(const Excess &excess, int64_t budget) {
  plan::ProgramOp program = excess.program;
  std::string largest;
  if (auto entries = program->getAttrOfType<ArrayAttr>("largest"))
    for (auto entry : entries.getAsRange<DictionaryAttr>())
      largest += llvm::formatv("{0}{1} bytes ({2})", largest.empty() ? "" : ", ", entry.getAs<IntegerAttr>("bytes").getInt(), entry.getAs<StringAttr>("source").getValue()).str();
  emitError(program.getLoc()) << "HB0831: " << program.getSymName() << ": expected a plan within the budget of " << budget << " bytes; found that it needs "
                              << budget + excess.bytes << ", " << excess.bytes << " more: " << weightBytes(program) << " of packed weights and "
                              << program.getArenaBytes() << " for values between kernels, of which the largest at the peak are " << largest
                              << "; raise --memory-budget, or compile a smaller size, batch or --grad-steps";
}

/// What is given up for memory when recomputation alone does not do, cheapest first.
constexpr llvm::StringLiteral kTrades[] = {kSharedWeightsAttribute, kDirectConvolutionsAttribute};

} // namespace

BudgetedPhases::BudgetedPhases(ModuleOp module, int64_t budget) : module_(module), budget_(budget), start_(cast<ModuleOp>(module->clone())) {}

bool BudgetedPhases::isHopeless() {
  return nextTrade() && llvm::any_of(module_.getOps<func::FuncOp>(), [](func::FuncOp func) { return func->hasAttr(kUnfitAttribute); });
}

LogicalResult BudgetedPhases::run(llvm::function_ref<LogicalResult()> phases) {
  constexpr int kMostRounds = 4; // for each set of trades
  for (int round = 1;; ++round) {
    if (failed(phases()))
      return failure();
    if (isHopeless()) {
      trade();
      round = 0;
      restart();
      continue;
    }
    bool fits = true, hopeless = round == kMostRounds;
    for (auto [program, bytes] : excesses(module_, budget_)) {
      fits &= bytes <= 0;
      hopeless |= bytes > 0 && program->hasAttr(kUnfitAttribute);
      if (bytes > 0)
        addReserve(program.getSymName(), bytes);
    }
    if (fits)
      return success();
    if (hopeless) {
      if (!trade())
        break;
      round = 0;
    }
    restart();
  }
  for (const Excess &excess : excesses(module_, budget_))
    if (excess.bytes > 0)
      reportExcess(excess, budget_);
  return failure();
}

void BudgetedPhases::addReserve(StringRef entry, int64_t bytes) {
  auto func = start_.get().lookupSymbol<func::FuncOp>(entry);
  auto before = func->getAttrOfType<IntegerAttr>(kReserveAttribute);
  func->setAttr(kReserveAttribute, IntegerAttr::get(IntegerType::get(module_.getContext(), 64), bytes + (before ? before.getInt() : 0)));
}

StringAttr BudgetedPhases::nextTrade() {
  for (StringRef attribute : kTrades)
    if (!start_.get()->hasAttr(attribute))
      return StringAttr::get(module_.getContext(), attribute);
  return {};
}

bool BudgetedPhases::trade() {
  StringAttr attribute = nextTrade();
  if (!attribute)
    return false;
  start_.get()->setAttr(attribute, UnitAttr::get(module_.getContext()));
  for (auto func : start_.get().getOps<func::FuncOp>())
    func->removeAttr(kReserveAttribute);
  return true;
}

void BudgetedPhases::restart() {
  OwningOpRef<ModuleOp> again(cast<ModuleOp>(start_.get()->clone()));
  module_->setAttrs(again.get()->getAttrDictionary());
  module_.getBodyRegion().takeBody(again.get().getBodyRegion());
}

} // namespace hb
