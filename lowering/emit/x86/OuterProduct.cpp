// kernel.contract outer: sums of outer products of rows, the shape of the gradients of LoRA factors: one side has as many columns as the
// factors' rank, the other is wide. The wide side lies on the lanes, the narrow one gives the scalars.
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/Reduction.h"

using namespace mlir;

namespace hb::x86 {
namespace {

class OuterProduct {
public:
  OuterProduct(KernelBuilder &kb, kernel::ContractOp op) : kb_(kb), op_(op), y_(kb.operand(op.getResult())) {
    const Operand &a = kb.operand(op.getA()), &b = kb.operand(op.getWeight());
    wideFirst_ = a.shape()[1] > b.shape()[1];
    wide_ = wideFirst_ ? &a : &b;
    narrow_ = wideFirst_ ? &b : &a;
  }

  FailureOr<Launch> emit() {
    for (const Operand *side : {wide_, narrow_})
      if (side->strides[1] != 1)
        return op_.emitOpError("needs a contiguous last axis of both factors");
    terms_ = wide_->shape()[0];
    columns_ = wide_->shape()[1];
    rows_ = narrow_->shape()[1];
    if (terms_ == 0 || columns_ == 0 || rows_ == 0)
      return op_.emitOpError("has an empty dimension");
    shape_ = kb_.target.avx512() ? outerAvx512 : outerAvx2;
    chunk_ = chunkLength(terms_, chunkTerms, chunkMaxTerms);
    // A block of columns is a whole number of every variant's tiles, so that only the last one has a rest.
    const int64_t tile = shape_.panels * kb_.lanes(), whole = columns_ / tile * tile;
    Value first = kb_.mul(kb_.task, outerColumnBlock), last = kb_.add(first, outerColumnBlock);
    kb_.loop(first, kb_.min(last, kb_.i(whole)), tile, [&](Value column) { rowTiles(column, tile); });
    if (whole < columns_)
      kb_.ifThen(kb_.less(kb_.i(columns_ - 1), last), [&] { rowTiles(kb_.i(whole), columns_ - whole); });
    // Scratch is for totals of more chunks than one, and large enough for every variant's tile.
    return Launch{(columns_ + outerColumnBlock - 1) / outerColumnBlock, chunk_ < terms_ ? outerTotalsBytes : 0};
  }

private:
  void rowTiles(Value column, int64_t columns) {
    const int64_t whole = rows_ / shape_.rows * shape_.rows;
    kb_.loop(0, whole, shape_.rows, [&](Value row) { tile(row, shape_.rows, column, columns); });
    if (whole < rows_)
      tile(kb_.i(whole), static_cast<int>(rows_ - whole), column, columns);
  }

  /// `rows` rows from `row` on by `columns` columns (at most a tile's) from `column` on.
  void tile(Value row, int rows, Value column, int64_t columns) {
    const int lanes = kb_.lanes();
    const int64_t panels = (columns + lanes - 1) / lanes;
    Value tail = columns % lanes ? kb_.mask(columns % lanes, lanes) : Value();
    auto maskOf = [&](int64_t panel) { return panel == panels - 1 ? tail : Value(); };
    auto chain = [&](Value from, Value to) {
      SmallVector<Value> zeros(rows * panels, kb_.splat(0.0, lanes));
      return kb_.loop(from, to, 1, zeros, [&](Value term, ValueRange running) {
        SmallVector<Value> acc(running), wide;
        Value start = kb_.add(kb_.add(kb_.mul(term, wide_->strides[0]), column), wide_->offset);
        // Rows lie far apart: nothing but this fetches them in time.
        for (int64_t byte = 0; byte < columns * wide_->element().getIntOrFloatBitWidth() / 8; byte += 64)
          kb_.prefetch(wide_->base, kb_.add(start, outerPrefetchRows * wide_->strides[0] + byte * 8 / wide_->element().getIntOrFloatBitWidth()), wide_->element());
        for (int64_t panel = 0; panel < panels; ++panel)
          wide.push_back(kb_.load(*wide_, kb_.add(start, panel * lanes), lanes, maskOf(panel)));
        Value scalars = kb_.add(kb_.add(kb_.mul(term, narrow_->strides[0]), row), narrow_->offset);
        for (int r = 0; r < rows; ++r) {
          Value factor = kb_.broadcast(kb_.load(*narrow_, kb_.add(scalars, r), 1), lanes);
          for (int64_t panel = 0; panel < panels; ++panel)
            acc[r * panels + panel] = kb_.fma(factor, wide[panel], acc[r * panels + panel]);
        }
        return acc;
      });
    };
    SmallVector<Value> sums;
    if (chunk_ >= terms_) {
      sums = chain(kb_.i(0), kb_.i(terms_));
    } else {
      auto total = [&](size_t v) { return kb_.loadRaw(kb_.scratch, kb_.i(static_cast<int64_t>(v) * lanes), kb_.f32(), lanes); };
      auto keep = [&](ArrayRef<Value> values) {
        for (auto [v, value] : llvm::enumerate(values))
          kb_.storeRaw(value, kb_.scratch, kb_.i(static_cast<int64_t>(v) * lanes));
      };
      keep(chain(kb_.i(0), kb_.i(chunk_)));
      kb_.loop(chunk_, terms_, chunk_, [&](Value from) {
        SmallVector<Value> part = chain(from, kb_.min(kb_.add(from, chunk_), kb_.i(terms_)));
        for (auto [v, value] : llvm::enumerate(part))
          value = kb_.fadd(total(v), value);
        keep(part);
      });
      for (int64_t v = 0; v < rows * panels; ++v)
        sums.push_back(total(v));
    }
    store(sums, row, rows, column, columns, maskOf);
  }

  void store(ArrayRef<Value> sums, Value row, int rows, Value column, int64_t columns, const std::function<Value(int64_t)> &maskOf) {
    const int lanes = kb_.lanes();
    const int64_t panels = (columns + lanes - 1) / lanes;
    if (!wideFirst_) {
      for (int r = 0; r < rows; ++r)
        for (int64_t panel = 0; panel < panels; ++panel) {
          Value at = kb_.add(kb_.mul(kb_.add(row, r), y_.strides[0]), kb_.mul(kb_.add(column, panel * lanes), y_.strides[1]));
          kb_.store(y_, kb_.add(at, y_.offset), sums[r * panels + panel], maskOf(panel));
        }
      return;
    }
    Value mask = rows < lanes ? kb_.mask(rows, lanes) : Value();
    for (int64_t panel = 0; panel < panels; ++panel) {
      SmallVector<Value> square;
      for (int r = 0; r < lanes; ++r)
        square.push_back(r < rows ? sums[r * panels + panel] : kb_.splat(0.0, lanes));
      SmallVector<Value> turned = transposeLanes(kb_, square);
      for (int64_t c = 0; c < std::min<int64_t>(lanes, columns - panel * lanes); ++c) {
        Value at = kb_.add(kb_.mul(kb_.add(column, panel * lanes + c), y_.strides[0]), row);
        kb_.store(y_, kb_.add(at, y_.offset), turned[c], mask);
      }
    }
  }

  KernelBuilder &kb_;
  kernel::ContractOp op_;
  const Operand &y_, *wide_, *narrow_;
  bool wideFirst_;
  int64_t terms_ = 0, columns_ = 0, rows_ = 0, chunk_ = 0;
  TileShape shape_;
};

} // namespace

FailureOr<Launch> emitOuterProduct(KernelBuilder &kb, Operation *op) { return OuterProduct(kb, cast<kernel::ContractOp>(op)).emit(); }

} // namespace hb::x86
