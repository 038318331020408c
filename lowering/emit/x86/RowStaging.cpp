#include "lowering/emit/x86/RowStaging.h"

#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/Tiles.h"
#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {

RowStaging::RowStaging(KernelBuilder &kb, kernel::ContractOp op, int64_t rows, int64_t block, std::function<Value(Value)> rowOffset)
    : kb_(kb), op_(op), a_(kb.operand(op.getA())), total_(rows), block_(block), width_(a_.shape().back()), rowOffset_(std::move(rowOffset)) {
  stride_ = (width_ + 15) / 16 * 16;
  if (stride_ * 4 % pageBytes == 0) // all rows of a tile would start in one set of the first-level cache
    stride_ += 16;
  norm_ = {op.getStats(), op.getNormWeight(), op.getNormBias(), op.getEps() ? op.getEps()->convertToDouble() : 0};
  if (!op.getPrologue().empty() && regionCost(op.getPrologue()) > inlineEpilogueCost)
    unroll_ = 1;
}

int64_t RowStaging::scratchBytes() {
  int64_t factors = op_.getNorm() == kernel::NormKind::group ? GroupFactors::scratchBytes(width_, kb_.operand(norm_.stats).shape()[2]) : 0;
  return factors + block_ * stride_ * 4;
}

void RowStaging::reserve(Scratch scratch) {
  if (op_.getNorm() == kernel::NormKind::group)
    factors_.emplace(kb_, norm_, total_ / kb_.operand(norm_.stats).shape()[0], width_, scratch);
  staged_ = scratch.piece(block_ * stride_ * 4);
}

Value RowStaging::load(Value from, Value at, int lanes) { return kb_.load(a_, kb_.add(from, at), lanes); }

void RowStaging::finish(Value value, Value to, Value at, int lanes) {
  if (!op_.getPrologue().empty()) {
    FailureOr<SmallVector<Value>> values = inlineRegion(kb_, op_.getPrologue(), {value});
    if (mlir::failed(values)) {
      failed_ = true;
      return;
    }
    value = kb_.broadcast(values->front(), lanes);
  }
  kb_.storeRaw(value, staged_, kb_.add(to, at));
}

LogicalResult RowStaging::stage(Value first, Value last) {
  auto eachRow = [&](Value from, Value end, const std::function<void(Value, Value)> &body) {
    kb_.loop(from, end, 1, [&](Value row) { body(rowOffset_(row), kb_.mul(kb_.sub(row, first), stride_)); });
  };
  auto plain = [&](Value from, Value to) {
    forLanes(
        kb_, width_,
        [&](Value at, int lanes) {
          Value x = load(from, at, lanes);
          finish(factors_ ? factors_->apply(x, at, lanes) : x, to, at, lanes);
        },
        unroll_);
  };
  if (op_.getNorm() == kernel::NormKind::layer) {
    eachRow(first, last, [&](Value from, Value to) {
      emitLayerRow(
          kb_, norm_, width_, unroll_, [&](Value at, int lanes) { return load(from, at, lanes); },
          [&](Value value, Value at, int lanes) { finish(value, to, at, lanes); });
    });
  } else if (factors_) {
    // The block may reach over the border of images, whose factors differ.
    const int64_t pixels = total_ / kb_.operand(norm_.stats).shape()[0];
    kb_.loop(kb_.div(first, pixels), kb_.add(kb_.div(kb_.sub(last, kb_.i(1)), pixels), 1), 1, [&](Value image) {
      factors_->combine(image);
      Value start = kb_.mul(image, pixels);
      eachRow(kb_.max(first, start), kb_.min(last, kb_.add(start, pixels)), plain);
    });
  } else {
    eachRow(first, last, plain);
  }
  return failed_ ? failure() : success();
}

} // namespace hb::x86
