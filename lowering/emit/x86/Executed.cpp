#include "lowering/emit/x86/Executed.h"

#include "lowering/emit/x86/AttentionBlocks.h"
#include "lowering/emit/x86/Tiles.h"
#include "lowering/kernels/Cost.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;

namespace hb::x86 {
namespace {

int64_t roundUp(int64_t x, int64_t unit) { return (x + unit - 1) / unit * unit; }
ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents)
    result *= extent;
  return result;
}

/// Terms of the adapters' second product, summed over the columns: all of them in every panel, or of several blocks those that a tile's columns meet.
int64_t loraTerms(kernel::ContractOp op, int64_t rank, int64_t rows, int64_t columns, const X86Target &target) {
  auto blocks = op.getLoraBlocks();
  if (!blocks)
    return rank * columns;
  const int64_t each = rank / static_cast<int64_t>(blocks->size());
  const ContractTiles &tiles = target.avx512() ? tilesAvx512 : tilesAvx2;
  const int64_t tile = (rows <= 4 ? tiles.few[rows - 1] : tiles.plain).panels * 16;
  int64_t terms = 0;
  for (int64_t first = 0; first < columns; first += tile) {
    const int64_t last = std::min(first + tile, columns) - 1;
    int64_t begin = 0, met = 0;
    for (int64_t end : *blocks) {
      met += begin <= last && end > first;
      begin = end;
    }
    terms += met * each * (last - first + 1);
  }
  return terms;
}

int64_t contractProducts(kernel::ContractOp op, const X86Target &target) {
  ArrayRef<int64_t> result = shapeOf(op.getResult());
  if (op.getForm() == kernel::ContractForm::outer) { // the wide side lies on the lanes
    auto [narrow, wide] = std::minmax(result[0], result[1]);
    return 2 * shapeOf(op.getA())[0] * narrow * roundUp(wide, target.vectorLanes);
  }
  const int64_t rows = product(result.drop_back()), columns = roundUp(result.back(), 16) * (op.getGated() ? 2 : 1);
  const bool planes = op.getForm() == kernel::ContractForm::planes; // `rows` has their number in it, and they are what became of the taps
  const int64_t terms = planes ? op.weightShape()[1] : product(ArrayRef(op.weightShape()).drop_front());
  int64_t products = rows * columns * terms;
  if (op.getLoraA()) {
    const int64_t rank = shapeOf(op.getLoraA())[0];
    products += rows * (terms * roundUp(rank, 16) + loraTerms(op, rank, rows, columns, target));
  }
  return 2 * products;
}

/// Calls body(first, count) for the blocks of `size` that `total` is cut into.
template <typename Body> void forBlocks(int64_t total, int64_t size, Body body) {
  for (int64_t first = 0; first < total; first += size)
    body(first, std::min(size, total - first));
}

int64_t attentionProducts(kernel::AttentionOp op, const X86Target &target) {
  const AttentionExtents e = extentsOf(op);
  const AttentionBlocks blocks = attentionBlocks(e);
  int64_t pairs = 0; // of a query's lane and a key
  forBlocks(e.queries, blocks.queries, [&](int64_t query, int64_t count) {
    forBlocks(e.keys, blocks.keys, [&](int64_t key, int64_t keyCount) {
      if (!e.causal || key < query + count)
        pairs += roundUp(count, target.vectorLanes) * keyCount;
    });
  });
  return 2 * e.batch * e.heads * pairs * (e.width + e.valueWidth);
}

int64_t attentionVjpProducts(kernel::AttentionVjpOp op, const X86Target &target) {
  const AttentionExtents e = extentsOf(op);
  const AttentionVjpBlocks blocks = attentionVjpBlocks(e, target.avx512());
  const int64_t width = roundUp(e.width, target.vectorLanes), valueWidth = roundUp(e.valueWidth, target.vectorLanes);
  int64_t products = 0;
  // Scores and their gradients have keys on the lanes, dQ, dK and dV the head width.
  auto scores = [&](int64_t queries, int64_t keys) { return queries * roundUp(keys, target.vectorLanes) * (e.width + e.valueWidth); };
  forBlocks(e.keys, blocks.keys, [&](int64_t key, int64_t keys) {
    forBlocks(e.queries, blocks.queries, [&](int64_t query, int64_t queries) {
      if (e.causal && queries == blocks.queries && query + queries <= key) // the block that holds the first key's query is the first; a rest is always done
        return;
      products += scores(queries, keys) + queries * keys * (valueWidth + width * (blocks.byHeads ? 2 : 1));
    });
  });
  if (!blocks.byHeads)
    forBlocks(e.queries, blocks.taskQueries, [&](int64_t query, int64_t queries) {
      forBlocks(e.keys, blocks.keys, [&](int64_t key, int64_t keys) {
        if (!e.causal || key < query + queries)
          products += scores(queries, keys) + queries * keys * width;
      });
    });
  return 2 * e.batch * e.heads * products;
}

/// Operations of a transform of one row or column of a tile with m output points (lowering/emit/x86/Winograd.cpp): additions for 2, mostly
/// multiply-adds for 4.
struct TransformCost {
  int64_t input, output;
};
TransformCost transformOf(int64_t m) { return m == 2 ? TransformCost{4, 4} : TransformCost{24, 16}; }

int64_t inputTransform(kernel::WinogradInputOp op) {
  ArrayRef<int64_t> m = op.getM(), planes = shapeOf(op.getResult());
  return planes[1] * planes[2] * ((m[1] + 2) * transformOf(m[0]).input + (m[0] + 2) * transformOf(m[1]).input);
}

int64_t outputTransform(kernel::WinogradOutputOp op) {
  ArrayRef<int64_t> m = op.getM(), planes = shapeOf(op.getPlanes());
  return planes[1] * planes[2] * ((m[1] + 2) * transformOf(m[0]).output + m[0] * transformOf(m[1]).output);
}

} // namespace

int64_t executedFlops(Operation *op, const X86Target &target) {
  return kernelFlops(op) - productFlops(op) +
         llvm::TypeSwitch<Operation *, int64_t>(op)
             .Case([&](kernel::ContractOp c) { return contractProducts(c, target); })
             .Case([&](kernel::AttentionOp a) { return attentionProducts(a, target); })
             .Case([&](kernel::AttentionVjpOp a) { return attentionVjpProducts(a, target); })
             .Case([](kernel::WinogradInputOp w) { return inputTransform(w); })
             .Case([](kernel::WinogradOutputOp w) { return outputTransform(w); })
             .Default([](Operation *) { return int64_t(0); });
}

void countExecuted(ModuleOp module, ArrayRef<X86Target> targets) {
  if (targets.empty())
    return;
  const X86Target &widest = *std::max_element(targets.begin(), targets.end(), [](const X86Target &a, const X86Target &b) { return a.vectorLanes < b.vectorLanes; });
  Builder b(module.getContext());
  for (auto def : module.getOps<kernel::DefOp>())
    def->setAttr("flops_executed", b.getI64IntegerAttr(executedFlops(&def.getBody().front().front(), widest)));
}

} // namespace hb::x86
