// kernel.contract in float32 with plain fused multiply-adds: tiles of rows and columns through shared memory, 256 threads with a register tile each.
//
// Sums are chained over 128 terms at most, then added up: the error of a long chain would grow with its length.
#include "lowering/emit/DropMask.h"
#include "lowering/emit/ScalarRegion.h"
#include "lowering/emit/gpu/ContractOperands.h"
#include "lowering/emit/gpu/Families.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace hb::gpu {
namespace {

constexpr int64_t threads = 256, side = 16; ///< threads of a block, and of each side of it
constexpr int64_t depth = 16;               ///< terms of a step
constexpr int64_t chain = 128;              ///< terms of a chain of sums
constexpr int64_t pad = 4;                  ///< floats between the lines of a tile, against bank conflicts
constexpr int64_t enoughBlocks = 216;       ///< two for each of an A100's processors

/// Rows and columns that a thread computes; a block computes 16 times as many of each.
struct Tile {
  int64_t rows, columns;
};
// From the largest: the first whose blocks are enough, or that is no larger than the problem, is taken.
constexpr Tile kTiles[] = {{8, 8}, {4, 4}, {1, 4}};
constexpr Tile kGatedTiles[] = {{4, 4}, {1, 4}};

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

class Contraction {
public:
  Contraction(KernelBuilder &kb, kernel::ContractOp op) : kb(kb), op(op), a(kb, op), w(kb, op, a.terms), y(kb.operand(op.getResult())) {}

  FailureOr<Launch> emit() {
    if (op.getForm() == kernel::ContractForm::planes || op.hasPrologue())
      return op.emitOpError("has no form on devices with blocks of threads: the kernels phase should not make it for them");
    chooseTile();
    layOut();
    Value rowBlock = kb.div(kb.block(), ceilDiv(w.columns, blockColumns)), columnBlock = kb.rem(kb.block(), ceilDiv(w.columns, blockColumns));
    firstRow = kb.mul(rowBlock, blockRows);
    firstColumn = kb.mul(columnBlock, blockColumns);
    threadRow = kb.div(kb.thread(), side);
    threadColumn = kb.rem(kb.thread(), side);
    if (op.getDrop().size()) {
      SmallVector<Value> scalars;
      for (Value scalar : op.getDrop())
        scalars.push_back(kb.load(kb.operand(scalar), kb.i(kb.operand(scalar).offset)));
      drop.emplace(kb, scalars);
    }
    SmallVector<Value> sums = multiply();
    if (rank)
      addAdapter(sums);
    if (failed(finish(sums)))
      return failure();
    return Launch{ceilDiv(a.rows, blockRows) * ceilDiv(w.columns, blockColumns), threads, 0};
  }

private:
  void chooseTile() {
    ArrayRef<Tile> tiles = op.getGated() ? ArrayRef<Tile>(kGatedTiles) : ArrayRef<Tile>(kTiles);
    for (const Tile &candidate : tiles) {
      tile = candidate;
      if (ceilDiv(a.rows, side * tile.rows) * ceilDiv(w.columns, side * tile.columns) >= enoughBlocks && a.rows >= side * tile.rows / 2)
        break;
    }
    if (tile.rows == 1 && a.rows > 2 * side) // few blocks in any case: the larger tile reads less
      tile = {4, 4};
    blockRows = side * tile.rows;
    blockColumns = side * tile.columns;
    if (op.getLoraA()) {
      rank = cast<RankedTensorType>(op.getLoraA().getType()).getDimSize(0);
      rankColumns = ceilDiv(rank, 16) * 16;
    }
  }

  /// The block's shared memory: while it multiplies, lines of terms; afterwards the adapter's rows, then the sums.
  void layOut() {
    const bool masksRows = op.getDrop().size() && !op.getDropResult();
    rowLine = blockRows + pad;
    columnLine = blockColumns * w.halves + pad;
    rankLine = rankColumns + pad;
    const int64_t lines = depth * (rowLine * (masksRows ? 2 : 1) + columnLine + (rank ? rankLine : 0)), staged = blockRows * (blockColumns * w.halves + pad), adapter = rank * rowLine;
    memory = kb.shared(4 * std::max({lines, staged, adapter}));
    columnMemory = kb.address(memory, kb.i(depth * rowLine), kb.f32());
    rankMemory = kb.address(columnMemory, kb.i(depth * columnLine), kb.f32());
    droppedMemory = masksRows ? kb.address(rankMemory, kb.i(rank ? depth * rankLine : 0), kb.f32()) : memory;
  }

  /// Which rows of the block a thread's i-th one is: groups of up to four neighbours.
  static int64_t groupOf(int64_t count) { return std::min<int64_t>(count, 4); }
  Value spread(Value member, int64_t i, int64_t count) {
    const int64_t group = groupOf(count);
    return kb.add(kb.mul(member, group), i / group * side * group + i % group);
  }

  /// Reads a thread's elements of a line of a tile, in vectors.
  SmallVector<Value> readLine(Value base, Value line, int64_t lineLength, Value member, int64_t count) {
    const int64_t group = groupOf(count);
    SmallVector<Value> values;
    for (int64_t i = 0; i < count; i += group) {
      Value vector = kb.loadRaw(base, kb.add(kb.mul(line, lineLength), spread(member, i, count)), kb.f32(), static_cast<int>(group), 4 * group);
      for (int64_t j = 0; j < group; ++j)
        values.push_back(group == 1 ? vector : vector::ExtractOp::create(kb.b, kb.loc, vector, ArrayRef<int64_t>{j}).getResult());
    }
    return values;
  }

  /// Calls `body(line, column)` for this thread's share of a tile of `depth` lines of `length`; neighbouring threads differ in the line
  /// (`linesFastest`) or in the column.
  void shareTile(int64_t length, bool linesFastest, const std::function<void(Value, Value)> &body) {
    const int64_t elements = depth * length;
    for (int64_t first = 0; first < elements; first += threads) {
      Value number = kb.add(kb.thread(), first);
      Value line = linesFastest ? kb.rem(number, depth) : kb.div(number, length), column = linesFastest ? kb.div(number, depth) : kb.rem(number, length);
      if (elements - first >= threads)
        body(line, column);
      else
        kb.ifThen(kb.less(number, kb.i(elements)), [&] { body(line, column); });
    }
  }

  Value inRange(Value index, int64_t extent, int64_t unit) { return extent % unit ? kb.min(index, kb.i(extent - 1)) : index; }

  void loadTiles(Value step) {
    const bool partial = a.terms % depth;
    // Rows and columns that do not exist repeat the last one and are never stored; terms that do not exist count as zero.
    shareTile(blockRows, !a.rowsFastest, [&](Value line, Value column) {
      Value term = kb.add(step, line), row = inRange(kb.add(firstRow, column), a.rows, blockRows), at = inRange(term, a.terms, depth);
      Value value = a.load(kb.add(a.rowOffset(row), a.termOffset(at)));
      if (partial)
        value = arith::SelectOp::create(kb.b, kb.loc, kb.less(term, kb.i(a.terms)), value, kb.f(0));
      Value to = kb.add(kb.mul(line, rowLine), column);
      kb.storeRaw(value, memory, to);
      if (droppedMemory != memory)
        kb.storeRaw(drop->apply(value, kb.add(kb.mul(row, a.terms), term), 1), droppedMemory, to);
    });
    for (int half = 0; half < w.halves; ++half)
      shareTile(blockColumns, w.termsFastest, [&](Value line, Value column) {
        Value at = inRange(kb.add(step, line), a.terms, depth), from = inRange(kb.add(firstColumn, column), w.columns, blockColumns);
        kb.storeRaw(w.load(w.offset(at, from, half)), columnMemory, kb.add(kb.mul(line, columnLine), kb.add(column, half * blockColumns)));
      });
    if (rank)
      shareTile(rankColumns, false, [&](Value line, Value column) {
        const Operand &factor = kb.operand(op.getLoraA());
        Value at = inRange(kb.add(step, line), a.terms, depth);
        Value offset = kb.add(kb.mul(kb.add(kb.mul(kb.div(column, 16), a.terms), at), 16), kb.rem(column, 16));
        kb.storeRaw(kb.load(factor, offset), rankMemory, kb.add(kb.mul(line, rankLine), column));
      });
  }

  /// The adapter's inner product goes along: thread (row, r mod 16) has blockRows/16 · rankColumns/16 of its sums.
  int64_t adapterSums() const { return blockRows / side * (rankColumns / 16); }

  SmallVector<Value> multiplyLine(Value line, ArrayRef<Value> sums) {
    SmallVector<Value> rows = readLine(memory, line, rowLine, threadRow, tile.rows), next;
    for (int half = 0; half < w.halves; ++half) {
      Value base = half ? kb.address(columnMemory, kb.i(blockColumns), kb.f32()) : columnMemory;
      SmallVector<Value> columns = readLine(base, line, columnLine, threadColumn, tile.columns);
      for (Value row : rows)
        for (Value column : columns)
          next.push_back(kb.fma(row, column, sums[next.size()]));
    }
    if (rank)
      for (int64_t r = 0; r < rankColumns / 16; ++r) {
        Value factor = kb.loadRaw(rankMemory, kb.add(kb.mul(line, rankLine), kb.add(threadColumn, r * 16)), kb.f32());
        for (int64_t i = 0; i < blockRows / side; ++i)
          next.push_back(kb.fma(kb.loadRaw(droppedMemory, kb.add(kb.mul(line, rowLine), kb.add(threadRow, i * side)), kb.f32()), factor, sums[next.size()]));
      }
    return next;
  }

  SmallVector<Value> multiply() {
    const int64_t count = tile.rows * tile.columns * w.halves + (rank ? adapterSums() : 0);
    SmallVector<Value> zeros(count, kb.f(0));
    return kb.loop(kb.i(0), kb.i(a.terms), chain, zeros, [&](Value start, ValueRange totals) {
      Value end = kb.min(kb.add(start, chain), kb.i(a.terms));
      SmallVector<Value> sums = kb.loop(start, end, depth, zeros, [&](Value step, ValueRange carried) {
        loadTiles(step);
        kb.barrier();
        SmallVector<Value> next = kb.loop(kb.i(0), kb.i(depth), 4, carried, [&](Value line, ValueRange inner) {
          SmallVector<Value> values(inner);
          for (int64_t more = 0; more < 4; ++more)
            values = multiplyLine(kb.add(line, more), values);
          return values;
        });
        kb.barrier();
        return next;
      });
      SmallVector<Value> next;
      for (auto [total, sum] : llvm::zip_equal(totals, sums))
        next.push_back(kb.fadd(total, sum));
      return next;
    });
  }

  /// Adds ((a·Aᵀ)∘scale)·Bᵀ: the inner product goes through shared memory, from which every thread reads its rows.
  void addAdapter(SmallVector<Value> &sums) {
    const Operand &scale = kb.operand(op.getLoraScale()), &factor = kb.operand(op.getLoraB());
    const int64_t own = tile.rows * tile.columns * w.halves;
    size_t next = own;
    for (int64_t r = 0; r < rankColumns / 16; ++r) {
      Value term = kb.add(threadColumn, r * 16);
      auto store = [&] {
        Value by = kb.load(scale, kb.add(term, scale.offset));
        for (int64_t i = 0; i < blockRows / side; ++i)
          kb.storeRaw(kb.fmul(sums[next + i], by), memory, kb.add(kb.mul(term, rowLine), kb.add(threadRow, i * side)));
      };
      if (rank % 16 && r + 1 == rankColumns / 16)
        kb.ifThen(kb.less(term, kb.i(rank)), store);
      else
        store();
      next += blockRows / side;
    }
    kb.barrier();
    SmallVector<Value> zeros(own, kb.f(0));
    SmallVector<Value> terms = kb.loop(kb.i(0), kb.i(rank), 1, zeros, [&](Value r, ValueRange carried) {
      SmallVector<Value> rows = readLine(memory, r, rowLine, threadRow, tile.rows), values;
      for (int half = 0; half < w.halves; ++half) {
        SmallVector<Value> columns;
        for (int64_t j = 0; j < tile.columns; ++j) {
          Value column = inRange(kb.add(firstColumn, spread(threadColumn, j, tile.columns)), w.columns, blockColumns);
          Value panel = kb.add(kb.mul(kb.div(column, 16), w.halves), half);
          columns.push_back(kb.load(factor, kb.add(kb.mul(kb.add(kb.mul(panel, rank), r), 16), kb.rem(column, 16))));
        }
        for (Value row : rows)
          for (Value column : columns)
            values.push_back(kb.fma(row, column, carried[values.size()]));
      }
      return values;
    });
    kb.barrier();
    for (int64_t i = 0; i < own; ++i) {
      Value term = terms[i];
      if (op.getDropResult()) {
        const int64_t place = i % (tile.rows * tile.columns);
        Value row = kb.add(firstRow, spread(threadRow, place / tile.columns, tile.rows)), column = kb.add(firstColumn, spread(threadColumn, place % tile.columns, tile.columns));
        term = drop->apply(term, kb.add(kb.mul(row, w.columns), column), 1);
      }
      sums[i] = kb.fadd(sums[i], term);
    }
    sums.resize(own);
  }

  /// The sums go through shared memory so that the epilogue is written once and neighbouring threads store neighbouring columns.
  LogicalResult finish(ArrayRef<Value> sums) {
    const int64_t line = blockColumns * w.halves + pad, group = groupOf(tile.columns);
    size_t next = 0;
    for (int half = 0; half < w.halves; ++half)
      for (int64_t i = 0; i < tile.rows; ++i)
        for (int64_t j = 0; j < tile.columns; j += group) {
          Value vector = vector::FromElementsOp::create(kb.b, kb.loc, kb.vec(static_cast<int>(group)), sums.slice(next, group));
          next += group;
          Value to = kb.add(kb.mul(spread(threadRow, i, tile.rows), line), kb.add(spread(threadColumn, j, tile.columns), half * blockColumns));
          kb.storeRaw(vector, memory, to, 4 * group);
        }
    kb.barrier();
    LogicalResult status = success();
    kb.loop(kb.thread(), kb.i(blockRows * blockColumns), threads, [&](Value number) {
      Value row = kb.div(number, blockColumns), column = kb.rem(number, blockColumns), m = kb.add(firstRow, row), n = kb.add(firstColumn, column);
      Value inside = arith::AndIOp::create(kb.b, kb.loc, kb.less(m, kb.i(a.rows)), kb.less(n, kb.i(w.columns)));
      kb.ifThen(inside, [&] {
        SmallVector<Value> args;
        for (int half = 0; half < w.halves; ++half)
          args.push_back(kb.loadRaw(memory, kb.add(kb.mul(row, line), kb.add(column, half * blockColumns)), kb.f32()));
        if (failed(storeElement(m, n, args)))
          status = failure();
      });
    });
    return status;
  }

  LogicalResult storeElement(Value m, Value n, SmallVector<Value> args) {
    SmallVector<Value> place;
    if (op.getForm() == kernel::ContractForm::outer)
      place = {m};
    else
      place = kb.delinearize(m, y.shape().drop_back());
    place.push_back(n);
    Value result = args[0];
    if (op.hasEpilogue()) {
      for (auto [extra, map] : llvm::zip_equal(op.getExtras(), op.getMaps().getAsValueRange<AffineMapAttr>())) {
        const Operand &operand = kb.operand(extra);
        args.push_back(kb.load(operand, kb.affine(kb.offsetExpr(operand, map), place)));
      }
      FailureOr<SmallVector<Value>> values = inlineRegion(kb, op.getEpilogue(), args);
      if (failed(values))
        return failure();
      result = (*values)[0];
    }
    Value to = kb.i(y.offset);
    for (auto [index, stride] : llvm::zip_equal(place, y.strides))
      to = kb.add(to, kb.mul(index, stride));
    kb.store(y, to, result);
    return success();
  }

  KernelBuilder &kb;
  kernel::ContractOp op;
  ContractRows a;
  ContractColumns w;
  const Operand &y;
  Tile tile{4, 4};
  int64_t blockRows = 0, blockColumns = 0, rank = 0, rankColumns = 0;
  int64_t rowLine = 0, columnLine = 0, rankLine = 0;
  Value memory, columnMemory, rankMemory, droppedMemory;
  Value firstRow, firstColumn, threadRow, threadColumn;
  std::optional<DropMask> drop;
};

} // namespace

FailureOr<Launch> emitContract(KernelBuilder &kb, Operation *op) { return Contraction(kb, cast<kernel::ContractOp>(op)).emit(); }

} // namespace hb::gpu
