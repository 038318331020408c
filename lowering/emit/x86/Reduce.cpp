// kernel.reduce: sums, means, maxima, first-argmax over some axes of a scalar expression; small matrix products are sums too.
#include "lowering/emit/x86/AccessRow.h"
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/FloatMath.h"
#include "lowering/emit/ScalarRegion.h"

using namespace mlir;

namespace hb::x86 {
namespace {

constexpr int64_t chain = 64;          ///< float32 terms added up before a partial sum goes to the f64 total
constexpr int64_t pointsPerTask = 16384;
constexpr int64_t widest = 16;         ///< lanes of the widest variant: task shapes must not depend on the variant

class Reducer {
public:
  Reducer(KernelBuilder &kb, kernel::ReduceOp op) : kb(kb), op(op), combine(op.getCombine()) {
    auto resultType = cast<RankedTensorType>(op.getResult().getType());
    unsigned resultRank = resultType.getRank();
    SmallVector<AccessSource> sources;
    for (auto [input, map] : llvm::zip_equal(op.getInputs(), op.getMaps().getAsValueRange<AffineMapAttr>())) {
      sources.push_back({map, cast<RankedTensorType>(input.getType()), false});
      operands.push_back(&kb.operand(input));
    }
    SmallVector<AffineExpr> exprs;
    for (unsigned dim = 0; dim < resultRank; ++dim)
      exprs.push_back(getAffineDimExpr(dim, op.getContext()));
    sources.push_back({AffineMap::get(op.getExtents().size(), 0, exprs, op.getContext()), resultType, false});
    operands.push_back(&kb.operand(op.getResult()));
    SmallVector<unsigned> barriers = {resultRank};
    space = makeSpace(op.getExtents(), sources, barriers);
    kept = barriers[0];
    rank = space.extents.size();
    reduced = 1;
    for (unsigned dim = kept; dim < rank; ++dim)
      reduced *= space.extents[dim];
  }

  FailureOr<Launch> run() {
    dims.assign(rank, kb.i(0));
    const bool argmax = combine == kernel::Combine::argmax;
    // Lanes run along the innermost result dimension when that is how memory lies, else along the innermost reduced one.
    const bool onResult = kept > 0 && !argmax && score(kept - 1) > (kept < rank ? score(rank - 1) : -1);
    lanesOnResult = onResult;
    unsigned loops = onResult ? kept - 1 : kept;
    SmallVector<int64_t> taskExtents;
    int64_t rows = 1;
    for (unsigned dim = 0; dim < loops; ++dim) {
      taskExtents.push_back(space.extents[dim]);
      rows *= space.extents[dim];
    }
    int64_t laneExtent = onResult ? space.extents[kept - 1] : 1, perRow = reduced * laneExtent;
    // Long result rows of few outer points are cut along the lanes too.
    int64_t pieces = onResult ? std::clamp<int64_t>(perRow / pointsPerTask, 1, std::max<int64_t>(1, laneExtent / (4 * widest))) : 1;
    int64_t piece = (laneExtent + pieces - 1) / pieces;
    if (pieces > 1)
      piece = (piece + 4 * widest - 1) / (4 * widest) * (4 * widest);
    pieces = (laneExtent + piece - 1) / piece;
    taskExtents.push_back(pieces);
    int64_t total = rows * pieces, chunk = std::clamp<int64_t>(pointsPerTask * pieces / std::max<int64_t>(perRow, 1), 1, total), grid = (total + chunk - 1) / chunk;
    Value first = kb.mul(kb.task, chunk);
    auto point = [&](Value at) {
      SmallVector<Value> indices = kb.delinearize(at, taskExtents);
      for (unsigned dim = 0; dim < loops; ++dim)
        dims[dim] = indices[dim];
      if (onResult)
        resultLanes(pieces, piece, indices.back());
      else
        store(argmax ? argMaximum() : reducedLanes(), kb.i(0), 1);
    };
    if (chunk == 1)
      point(first);
    else
      kb.loop(first, kb.min(kb.add(first, chunk), kb.i(total)), 1, point);
    if (failed)
      return failure();
    return Launch{grid, 0};
  }

private:
  /// How well a dimension suits the lanes.
  int64_t score(unsigned dim) const {
    int64_t good = 0;
    for (const Access &access : ArrayRef(space.accesses).drop_back()) {
      if (access.dependsInTerms(dim) || (access.coefs[dim] != 0 && access.coefs[dim] != 1))
        good -= 4;
      else
        good += access.coefs[dim] == 1 ? 2 : 1;
    }
    if (dim < kept && space.accesses.back().coefs[dim] != 1)
      good -= 2;
    return space.extents[dim] >= 8 ? good : good - 8;
  }

  Value evaluate(ArrayRef<AccessRow> rows, Value at, int lanes) {
    SmallVector<Value> elements;
    for (const AccessRow &row : rows)
      elements.push_back(row.load(at, lanes));
    FailureOr<SmallVector<Value>> values = inlineRegion(kb, op.getBody(), elements);
    if (mlir::failed(values)) {
      failed = true;
      return kb.splat(0, lanes);
    }
    return kb.broadcast((*values)[0], lanes);
  }
  std::vector<AccessRow> rowsAlong(unsigned lane) {
    std::vector<AccessRow> rows;
    for (auto [operand, access] : llvm::zip_equal(ArrayRef(operands).drop_back(), ArrayRef(space.accesses).drop_back()))
      rows.emplace_back(kb, *operand, access, dims, lane);
    return rows;
  }

  bool isMax() const { return combine == kernel::Combine::max; }
  bool isInteger() { return !isa<FloatType>(op.getBody().front().getTerminator()->getOperand(0).getType()); }
  Value maximum(Value x, Value y) {
    return isInteger() ? arith::MaxSIOp::create(kb.b, kb.loc, x, y).getResult() : arith::MaximumFOp::create(kb.b, kb.loc, x, y).getResult();
  }
  /// Start of a chain: zero, or the lowest value.
  Value start(int lanes) {
    if (isInteger())
      return kb.broadcast(kb.i(isMax() ? INT64_MIN : 0), lanes);
    return kb.splat(isMax() ? -INFINITY : 0, lanes);
  }
  Value extend(Value running, Value value) {
    if (isMax())
      return maximum(running, value);
    return isInteger() ? arith::AddIOp::create(kb.b, kb.loc, running, value).getResult() : kb.fadd(running, value);
  }
  /// Totals over chains: f64 for float sums.
  bool wideTotal() { return !isMax() && !isInteger(); }
  Value total(int lanes) {
    if (!wideTotal())
      return start(lanes);
    return kb.broadcast(arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(0)), lanes);
  }
  Value addToTotal(Value running, Value part) { return wideTotal() ? kb.fadd(running, toF64(kb, part)) : extend(running, part); }
  Value finish(Value value) {
    if (!wideTotal())
      return value;
    if (combine == kernel::Combine::mean)
      value = kb.fdiv(value, kb.broadcast(arith::ConstantOp::create(kb.b, kb.loc, kb.b.getF64FloatAttr(double(reduced))), lanesOf(value)));
    return toF32(kb, value);
  }
  static int lanesOf(Value value) {
    auto vector = dyn_cast<VectorType>(value.getType());
    return vector ? vector.getNumElements() : 1;
  }

  void store(Value value, Value at, int lanes) {
    const Operand &result = *operands.back();
    unsigned lane = lanesOnResult ? kept - 1 : rank; // rank: no dimension is on the lanes
    value = isa<FloatType>(getElementTypeOrSelf(value.getType())) ? kb.narrow(value, result.element()) : value;
    AccessRow(kb, result, space.accesses.back(), dims, lane).store(value, at, lanes);
  }

  /// Loops over the reduced dimensions from `dim` on (up to `last`), then `inner`.
  SmallVector<Value> overReduced(unsigned dim, unsigned last, ValueRange init, const std::function<SmallVector<Value>(ValueRange)> &inner) {
    if (dim >= last)
      return inner(init);
    return kb.loop(kb.i(0), kb.i(space.extents[dim]), 1, init, [&](Value index, ValueRange carried) {
      dims[dim] = index;
      return overReduced(dim + 1, last, carried, inner);
    });
  }

  /// Runs `link` over [0, extent) in chains of `chain`, each starting fresh and then joining the totals.
  SmallVector<Value> inChains(int64_t extent, ValueRange totals, ArrayRef<int> widths, const std::function<SmallVector<Value>(Value, ValueRange)> &link) {
    SmallVector<Value> fresh;
    for (int width : widths)
      fresh.push_back(start(width));
    auto join = [&](ValueRange running, ArrayRef<Value> parts) {
      SmallVector<Value> next;
      for (auto [value, part] : llvm::zip(running, parts))
        next.push_back(addToTotal(value, part));
      return next;
    };
    if (extent <= chain)
      return join(totals, kb.loop(kb.i(0), kb.i(extent), 1, fresh, link));
    return kb.loop(kb.i(0), kb.i(extent), chain, totals, [&](Value from, ValueRange running) {
      return join(running, kb.loop(from, kb.min(kb.add(from, chain), kb.i(extent)), 1, fresh, link));
    });
  }

  /// Lanes along the innermost result dimension: lane-wise chains over everything reduced.
  void resultLanes(int64_t pieces, int64_t piece, Value block) {
    const unsigned lane = kept - 1;
    const int64_t extent = space.extents[lane];
    auto part = [&](Value base, ArrayRef<Piece> vectors) {
      SmallVector<Value> totals;
      SmallVector<int> widths;
      for (const Piece &vector : vectors) {
        totals.push_back(total(vector.lanes));
        widths.push_back(vector.lanes);
      }
      auto step = [&](ValueRange running) {
        std::vector<AccessRow> rows = rowsAlong(lane);
        SmallVector<Value> next;
        for (auto [vector, value] : llvm::zip(vectors, running))
          next.push_back(extend(value, evaluate(rows, kb.add(base, vector.offset), vector.lanes)));
        return next;
      };
      if (kept < rank)
        totals = overReduced(kept, rank - 1, totals, [&](ValueRange carried) {
          return inChains(space.extents[rank - 1], carried, widths, [&](Value index, ValueRange running) {
            dims[rank - 1] = index;
            return step(running);
          });
        });
      else { // nothing is reduced: one term each
        SmallVector<Value> fresh;
        for (int width : widths)
          fresh.push_back(start(width));
        SmallVector<Value> terms = step(fresh);
        for (auto [value, term] : llvm::zip(totals, terms))
          value = addToTotal(value, term);
      }
      for (auto [vector, value] : llvm::zip(vectors, totals))
        store(finish(value), kb.add(base, vector.offset), vector.lanes);
    };
    if (pieces == 1) {
      forPieces(kb, extent, 4, part);
      return;
    }
    // All pieces but the last are whole multiples of four of the widest vectors.
    auto whole = [&](int64_t count) {
      return [&, count] { forPieces(kb, count, 4, [&](Value base, ArrayRef<Piece> vectors) { part(kb.add(kb.mul(block, piece), base), vectors); }); };
    };
    int64_t last = extent - (pieces - 1) * piece;
    if (last == piece)
      whole(piece)();
    else
      kb.ifThen(kb.less(block, kb.i(pieces - 1)), whole(piece), whole(last));
  }

  /// Lanes along the innermost reduced dimension: partial results of the lanes are combined in the end.
  Value reducedLanes() {
    if (kept == rank) { // nothing is reduced
      std::vector<AccessRow> rows = rowsAlong(rank);
      return finish(addToTotal(total(1), extend(start(1), evaluate(rows, kb.i(0), 1))));
    }
    const unsigned lane = rank - 1;
    const int64_t extent = space.extents[lane];
    RowFold fold = isMax() ? maxFold(kb) : sumFold(kb);
    if (isInteger()) {
      // Integers are reduced element by element.
      return overReduced(kept, rank, ValueRange{start(1)}, [&](ValueRange carried) -> SmallVector<Value> {
        std::vector<AccessRow> rows = rowsAlong(rank);
        return {extend(carried[0], evaluate(rows, kb.i(0), 1))};
      })[0];
    }
    Value sum = overReduced(kept, rank - 1, ValueRange{total(1)}, [&](ValueRange carried) -> SmallVector<Value> {
      std::vector<AccessRow> rows = rowsAlong(lane);
      // Eight chains of vectors: at 16 lanes a chain of `chain` links covers 8192 elements; longer rows are cut.
      const int64_t piece = chain * 8 * 8;
      auto portion = [&](Value from, int64_t count) {
        return foldRow(kb, count, 1, fold, [&](ArrayRef<Value> running, Value at, int lanes) -> SmallVector<Value> {
          return {extend(running[0], evaluate(rows, kb.add(from, at), lanes))};
        })[0];
      };
      Value running = carried[0];
      int64_t whole = extent / piece * piece;
      if (whole)
        running = kb.loop(kb.i(0), kb.i(whole), piece, ValueRange{running}, [&](Value from, ValueRange inner) -> SmallVector<Value> {
          return {addToTotal(inner[0], portion(from, piece))};
        })[0];
      if (whole < extent)
        running = addToTotal(running, portion(kb.i(whole), extent - whole));
      return {running};
    })[0];
    return finish(sum);
  }

  /// Index of the first largest element along the one reduced dimension.
  Value argMaximum() {
    if (kept == rank) // an extent of one
      return kb.i(0);
    std::vector<AccessRow> rows = rowsAlong(rank - 1);
    Value best = evaluate(rows, kb.i(0), 1);
    return kb.loop(kb.i(1), kb.i(space.extents[rank - 1]), 1, ValueRange{best, kb.i(0)}, [&](Value index, ValueRange carried) -> SmallVector<Value> {
      Value value = evaluate(rows, index, 1), better;
      if (isInteger()) {
        better = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::sgt, value, carried[0]);
      } else {
        // A NaN counts as largest, the first one wins.
        Value greater = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::UGT, value, carried[0]);
        Value stays = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::UNO, carried[0], carried[0]);
        better = arith::SelectOp::create(kb.b, kb.loc, stays, arith::ConstantOp::create(kb.b, kb.loc, kb.b.getBoolAttr(false)), greater);
      }
      return {arith::SelectOp::create(kb.b, kb.loc, better, value, carried[0]), arith::SelectOp::create(kb.b, kb.loc, better, index, carried[1])};
    })[1];
  }

  KernelBuilder &kb;
  kernel::ReduceOp op;
  kernel::Combine combine;
  Space space;
  SmallVector<const Operand *> operands;
  unsigned kept, rank;
  int64_t reduced;
  SmallVector<Value> dims;
  bool lanesOnResult = false, failed = false;
};

} // namespace

FailureOr<Launch> emitReduce(KernelBuilder &kb, Operation *op) { return Reducer(kb, cast<kernel::ReduceOp>(op)).run(); }

} // namespace hb::x86
