#include "lowering/plan/Remarks.h"

#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lowering/kernels/FastMath.h"
#include "lowering/MemoryBudget.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace hb {
namespace {

std::string shapeText(Type type) {
  std::string text;
  for (int64_t extent : cast<RankedTensorType>(type).getShape())
    text += (text.empty() ? "" : "×") + std::to_string(extent);
  return text.empty() ? "scalar" : text;
}

std::string elementText(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << cast<RankedTensorType>(type).getElementType();
  return text;
}

/// "; in its epilogue: 3 operations, 2 further operands" for regions that do more than pass the value on.
std::string epilogueText(Region &region, size_t extras) {
  size_t operations = llvm::count_if(region.front(), [](Operation &op) { return !isa<arith::ConstantOp, kernel::YieldOp>(op); });
  if (!operations && !extras)
    return "";
  return llvm::formatv("; its epilogue does {0} operations on {1} further operands while the result is in registers", operations, extras).str();
}

/// "; its rows are layer-normalised as they are read".
std::string prologueText(kernel::ContractOp op) {
  if (!op.hasPrologue())
    return "";
  std::string text = "; ";
  if (op.getNorm())
    text += (kernel::stringifyNormKind(*op.getNorm()) + " normalisation of its rows").str();
  if (!op.getPrologue().empty()) {
    size_t operations = llvm::count_if(op.getPrologue().front(), [](Operation &o) { return !isa<arith::ConstantOp, kernel::YieldOp>(o); });
    text += llvm::formatv("{0}{1} operations on each of their elements", op.getNorm() ? " and " : "", operations).str();
  }
  return text + " where they are read, never stored";
}

std::string contractText(kernel::ContractOp op) {
  auto weight = cast<RankedTensorType>(op.getWeight().getType());
  if (op.getForm() == kernel::ContractForm::outer)
    return "sum of outer products of rows, " + shapeText(op.getA().getType()) + " and " + shapeText(weight);
  std::string kind = op.getForm() == kernel::ContractForm::conv2d   ? "convolution as an implicit matrix product"
                     : op.getForm() == kernel::ContractForm::planes ? "matrix products of the Winograd planes"
                                                                    : "matrix product";
  std::string text = kind + " " + shapeText(op.getA().getType()) + " by weight " + shapeText(weight) + " kept in " + elementText(weight);
  text += prologueText(op);
  if (op.getGated())
    text += "; value and gate halves are computed side by side, the wide intermediate is never stored";
  if (op.getLoraA()) {
    const int64_t rank = cast<RankedTensorType>(op.getLoraA().getType()).getDimSize(0), merged = op.getLoraBlocks() ? static_cast<int64_t>(op.getLoraBlocks()->size()) : 1;
    text += llvm::formatv("; adapters of rank up to {0}{1} are one more segment of the same sum", rank / merged, merged > 1 ? llvm::formatv(" on each of {0} merged linears", merged).str() : "").str();
  }
  if (!op.getDrop().empty())
    text += op.getDropResult() ? "; dropout masks the adapter's term" : "; dropout masks the rows as the adapter sees them, never stored";
  return text + epilogueText(op.getEpilogue(), op.getExtras().size());
}

std::string normalizeText(kernel::NormalizeOp op) {
  std::string text = (kernel::stringifyNormKind(op.getKind()) + " normalisation of " + shapeText(op.getX().getType())).str();
  if (llvm::any_of(op.getPad(), [](int64_t p) { return p != 0; }))
    text += "; it writes the zero border of the next convolution";
  return text + epilogueText(op.getEpilogue(), 0);
}

std::string familyText(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case([](kernel::ContractOp c) { return contractText(c); })
      .Case([](kernel::NormalizeOp n) { return normalizeText(n); })
      .Case([](kernel::AttentionVjpOp a) {
        return llvm::formatv("gradient of attention of {0} queries to {1} keys, {2} heads{3}; probabilities are computed again, no score matrix in memory",
                             cast<RankedTensorType>(a.getQ().getType()).getDimSize(1), cast<RankedTensorType>(a.getK().getType()).getDimSize(1), a.getHeads(),
                             a.getCausal() ? ", causal" : "")
            .str();
      })
      .Case([](kernel::AttentionOp a) {
        return llvm::formatv("attention of {0} queries to {1} keys, {2} heads{3}; no score matrix in memory", cast<RankedTensorType>(a.getQ().getType()).getDimSize(1),
                             cast<RankedTensorType>(a.getK().getType()).getDimSize(1), a.getHeads(), a.getCausal() ? ", causal" : "")
            .str();
      })
      .Case([](kernel::MapOp m) {
        size_t operations = llvm::count_if(m.getBody().front(), [](Operation &o) { return !isa<arith::ConstantOp, kernel::YieldOp>(o); });
        return llvm::formatv("element-wise pass over {0}: {1} operations on {2} operands", shapeText(m.getType()), operations, m.getInputs().size()).str();
      })
      .Case([](kernel::WinogradInputOp w) { return "input transform of a Winograd convolution, " + shapeText(w.getType()); })
      .Case([](kernel::WinogradOutputOp w) { return "output transform of a Winograd convolution, " + shapeText(w.getType()) + epilogueText(w.getEpilogue(), w.getExtras().size()); })
      .Default([](Operation *other) { return (other->getName().stripDialect() + " giving " + shapeText(other->getResult(0).getType())).str(); });
}

} // namespace

std::string describeKernel(kernel::DefOp def) {
  Operation *op = &def.getBody().front().front();
  std::string text = familyText(op);
  if (StringRef use = fastMathUse(op); !use.empty())
    text += ("; --math fast: " + use).str();
  return text;
}

std::vector<Remark> describeKernels(ModuleOp module) {
  llvm::StringMap<int64_t> launches;
  module.walk([&](plan::LaunchOp launch) { ++launches[launch.getKernel()]; });
  std::vector<Remark> remarks;
  for (auto def : module.getOps<kernel::DefOp>()) {
    auto source = def->getAttrOfType<StringAttr>("source");
    std::string text = describeKernel(def);
    int64_t count = launches.lookup(def.getSymName());
    remarks.push_back({source ? source.str() : "", llvm::formatv("{0}: {1}{2}", def.getSymName(), text, count == 1 ? "" : llvm::formatv("; used {0} times", count).str()).str()});
  }
  for (auto program : module.getOps<plan::ProgramOp>())
    if (auto regions = program->getAttrOfType<ArrayAttr>(kRecomputedAttribute))
      for (auto region : regions.getAsRange<DictionaryAttr>()) {
        auto text = [&](StringRef name) { return region.getAs<StringAttr>(name).getValue(); };
        auto number = [&](StringRef name) { return region.getAs<IntegerAttr>(name).getInt(); };
        remarks.push_back({text("source").str(), llvm::formatv("{0}: from {1} to {2}, {3} kernels run again in front of their gradients ({4} floating point operations), so that {5} bytes need not be kept",
                                                               program.getSymName(), text("from"), text("to"), number("launches"), number("flops"), number("bytes")).str()});
      }
  for (auto program : module.getOps<plan::ProgramOp>())
    remarks.push_back({program.getSymName().str(), llvm::formatv("needs {0} bytes of working memory; the largest sum of values alive at one time is {1} bytes", program.getArenaBytes(), program.getLowerBound()).str()});
  return remarks;
}

} // namespace hb
