#include "lowering/emit/x86/AdjointPanels.h"

#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {

Value termBlock(KernelBuilder &kb, const AdjointWeight &weight, Value term) {
  if (weight.taps == 1)
    return kb.add(weight.offset, kb.mul(kb.div(term, 16), weight.rowPanelStride()));
  Value tap = kb.div(term, weight.rows), rowPanel = kb.div(kb.rem(term, weight.rows), 16);
  return kb.add(weight.offset, kb.add(kb.mul(rowPanel, weight.rowPanelStride()), kb.mul(kb.sub(kb.i(weight.taps - 1), tap), weight.columns * 16)));
}

void turnPanels(KernelBuilder &kb, const AdjointWeight &weight, Value firstPanel, int panels, Value firstTerm, Value endTerm, Value target, int64_t held) {
  const int lanes = kb.lanes();
  const int64_t rowPanels = weight.rowPanels();
  // Blocks of up to 16 terms: the rows of a panel under one tap.
  auto blockOf = [&](Value term) { return kb.add(kb.mul(kb.div(term, weight.rows), rowPanels), kb.div(kb.rem(term, weight.rows), 16)); };
  kb.loop(blockOf(firstTerm), kb.add(blockOf(kb.sub(endTerm, kb.i(1))), 1), 1, [&](Value block) {
    Value tap = kb.div(block, rowPanels), rowPanel = kb.rem(block, rowPanels);
    Value start = kb.add(kb.mul(tap, weight.rows), kb.mul(rowPanel, 16)), term = kb.sub(start, firstTerm), from = termBlock(kb, weight, start);
    kb.loop(0, panels, 1, [&](Value panel) {
      Value column = kb.mul(kb.add(firstPanel, panel), 16), to = kb.mul(kb.add(kb.mul(panel, held), term), 16);
      for (int64_t columns = 0; columns < 16; columns += lanes)
        for (int64_t rows = 0; rows < 16; rows += lanes) {
          SmallVector<Value> square;
          for (int64_t c = columns; c < columns + lanes; ++c) {
            Value at = kb.add(column, c);
            if (weight.columns % 16) // columns that do not exist repeat the last: nothing behind the weight is read
              at = kb.min(at, kb.i(weight.columns - 1));
            square.push_back(kb.loadRaw(weight.base, kb.add(kb.add(from, kb.mul(at, 16)), rows), weight.element, lanes));
          }
          if (lanes == 16 && !weight.element.isF32()) {
            square = transposeHalves(kb, square);
            for (Value &values : square)
              values = kb.widen(values);
          } else {
            for (Value &values : square)
              values = kb.widen(values);
            square = transposeLanes(kb, square);
          }
          for (auto [row, values] : llvm::enumerate(square))
            kb.storeRaw(weight.factor ? kb.fmul(values, kb.broadcast(weight.factor, lanes)) : values, target, kb.add(to, (rows + static_cast<int64_t>(row)) * 16 + columns));
        }
    });
  });
}

} // namespace hb::x86
