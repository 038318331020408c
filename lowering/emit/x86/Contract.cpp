// kernel.contract: rows times packed weight for linear layers, convolutions and Winograd planes, gated or not, with LoRA.
#include "lowering/emit/x86/AdjointPanels.h"
#include "lowering/emit/x86/Dropout.h"
#include "lowering/emit/x86/Epilogue.h"
#include "lowering/emit/x86/Families.h"
#include "lowering/emit/x86/Lanes.h"
#include "lowering/emit/x86/Reduction.h"
#include "lowering/emit/x86/RowStaging.h"
#include "runtime/abi/kernel.h"

using namespace mlir;

namespace hb::x86 {
namespace {

int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }
int64_t roundUp(int64_t x, int64_t unit) { return ceilDiv(x, unit) * unit; }

/// How the launch is cut: the same for every variant, so it may depend on shapes only.
struct Partition {
  int64_t rowBlocks, unitBlock, unitBlocks; ///< a unit is a panel, or a pair of panels when gated
  int64_t rowBlock;                         ///< most rows of a block; may depend on the tile
};

class Contraction {
public:
  Contraction(KernelBuilder &kb, kernel::ContractOp op)
      : kb_(kb), op_(op), a_(kb.operand(op.getA())), w_(kb.operand(op.getWeight())), y_(kb.operand(op.getResult())) {}

  FailureOr<Launch> emit() {
    if (failed(describe()))
      return failure();
    choosePartition();
    if (failed(emitBody()))
      return failure();
    return launch_;
  }

private:
  LogicalResult describe();
  std::optional<int64_t> flatRowStride();
  void choosePartition();
  void chooseBlocks();
  LogicalResult emitBody();
  /// All tiles of the task's rows for some units; `knownColumn`: their first column, when some of the last may not exist.
  void emitUnits(Value first, Value last, Value unit, int units, std::optional<int64_t> knownColumn);
  void emitUnitsInBlocks(Value first, Value last, Value unit, int units, std::optional<int64_t> knownColumn);
  LogicalResult emitTile(Value row, int rows, Value unit, int units, std::optional<int64_t> knownColumn);
  /// Epilogue and store of a tile whose sums are in registers (`acc`) or, for `separate_`, in memory at `totals`.
  LogicalResult finishTile(Value row, int rows, Value unit, int units, std::optional<int64_t> knownColumn, const SmallVector<Value> &acc, Value totals);
  SmallVector<Value> rowOffsets(Value row, int rows);
  /// With K in blocks: the sums so far of the tile that starts with `row`, and all of them as zeros.
  Value totalsOf(Value row);
  void clearTotals();
  SmallVector<Value> loraOffsets(Value row, int rows);
  void emitLoraRows(Value first, Value last, bool masked);
  /// `rows` rows behind `row` as dropout leaves them, in the drop stage.
  void dropRows(Value row, int rows);
  /// The LoRA product for some units: with blocks, the terms of those that the units' columns meet.
  ProductSource loraFor(Value row, int rows, Value unit, int units);
  /// Where a row that is multiplied starts, from main_.a: in `a`, or in scratch when there is a prologue.
  Value rowOffset(Value row);
  Value operandRowOffset(Value row);
  /// What a task computes from its rows before it multiplies, unless the thread's last task was of the same rows.
  LogicalResult prepareRows(Value rowBlock, Value first, Value last);
  /// Terms [firstTerm, endTerm) of `panels` panels as f32 at the end of scratch.
  void widenPanels(Value firstPanel, int panels, Value firstTerm, Value endTerm);
  /// Where the lines of a panel group lie that row tile `tile` fetches ahead, when they are to be turned.
  void fetchTurned(ProductSource &source, Value firstPanel, int panels, Value tile, Value shift);
  Value scratchAt(int64_t bytes) { return kb_.addressBytes(kb_.scratch, tagBytes_ + bytes); }
  Value widened() { return scratchAt(tileBytes_ + totalsBytes_ + loraBytes_ + stageBytes_ + (adjoint_ ? turnedBorder * 64 : 0)); }
  /// Terms from one widened panel to the next.
  int64_t heldTerms() const { return (blockTerms_ ? blockTerms_ : main_.terms()) + (adjoint_ ? 2 * turnedBorder : 0); }
  /// Runs `tile` over rows [first, last) of the task, the last M % tileRows rows apart.
  void rowLoop(Value first, Value last, const std::function<void(Value, int)> &tile);

  KernelBuilder &kb_;
  kernel::ContractOp op_;
  const Operand &a_, &w_, &y_;
  Launch launch_;
  kernel::ContractForm form_;
  bool gated_ = false;
  int64_t m_ = 0, n_ = 0, units_ = 0, planes_ = 1;
  TileShape shape_;
  bool remembers_ = false; ///< a thread keeps what it made of its rows for its next tasks
  bool separate_ = false;                                                    ///< value and gate panels are summed one after the other
  bool widenOnce_ = false;                                                   ///< f16/bf16 panels go through scratch as f32
  std::optional<AdjointWeight> adjoint_;                                     ///< so do those of a weight that is packed for the other direction
  int64_t tileBytes_ = 0, totalsBytes_ = 0, loraBytes_ = 0, stageBytes_ = 0, panelBytes_ = 0; ///< the parts of scratch, in this order
  int64_t dropStride_ = 0, dropBytes_ = 0; ///< behind them: a tile's rows with dropout
  int64_t tagBytes_ = 0; ///< before them: the rows that scratch holds, where it keeps any (HB_SCRATCH_TAG_BYTES)
  std::optional<RowStaging> staging_;
  bool rowsFar_ = false;                     ///< the task's rows do not stay in L2
  int64_t blockChunks_ = 0, blockTerms_ = 0; ///< K goes in blocks of so many chunks, with at most so many terms; 0: as a whole
  Partition partition_;
  ProductSource main_, lora_;
  std::optional<int64_t> rowStride_; ///< elements from one row of a to the next, when that is the same for all rows
  int64_t rank_ = 0, paddedRank_ = 0;
  Value blockStart_;      ///< first row of the task, for the LoRA rows in scratch
  Value planeA_, planeY_; ///< element offsets of the plane (planes form)
  std::optional<Reduction> reduction_;
  std::optional<Epilogue> epilogue_;
  std::optional<DropMask> drop_;
  bool failed_ = false;
};

LogicalResult Contraction::describe() {
  form_ = op_.getForm();
  gated_ = op_.getGated();
  const SmallVector<int64_t> weight = op_.weightShape();
  if (a_.strides.back() != 1)
    return op_.emitOpError("needs a contiguous last axis of a");
  n_ = y_.shape().back();
  main_ = {a_.base, a_.element(), w_.base, w_.element(), kb_.i(0)};
  m_ = 1;
  switch (form_) {
  case kernel::ContractForm::linear:
    for (int64_t extent : y_.shape().drop_back())
      m_ *= extent;
    main_.length = a_.shape().back();
    rowStride_ = flatRowStride();
    break;
  case kernel::ContractForm::conv2d: {
    for (int64_t extent : y_.shape().drop_back())
      m_ *= extent;
    int64_t channels = a_.shape()[3], kh = weight[2], kw = weight[3];
    bool wide = a_.strides[2] == channels || kw == 1; // kw·C elements in a run
    main_.length = wide ? kw * channels : channels;
    main_.segments = wide ? kh : kh * kw;
    main_.segmentOffset = [this, wide, kw](Value s) {
      return wide ? kb_.mul(s, a_.strides[1]) : kb_.add(kb_.mul(kb_.div(s, kw), a_.strides[1]), kb_.mul(kb_.rem(s, kw), a_.strides[2]));
    };
    break;
  }
  case kernel::ContractForm::planes:
    planes_ = a_.shape()[0];
    m_ = a_.shape()[1];
    rowStride_ = a_.strides[1];
    main_.length = a_.shape()[2];
    break;
  case kernel::ContractForm::outer:
    return op_.emitOpError("has a builder of its own");
  }
  units_ = ceilDiv(n_, 16);
  if (op_.getAdjoint()) {
    const bool conv = form_ == kernel::ContractForm::conv2d;
    adjoint_ = AdjointWeight{w_.base, kb_.i(0), w_.element(), weight[1], n_, conv ? weight[2] * weight[3] : 1};
  }
  if (m_ == 0 || n_ == 0 || main_.terms() == 0)
    return op_.emitOpError("has an empty dimension");
  const ContractTiles &tiles = kb_.target.avx512() ? tilesAvx512 : tilesAvx2;
  shape_ = m_ <= 4 ? (gated_ ? tiles.fewGated : tiles.few)[m_ - 1] : gated_ ? tiles.gated : tiles.plain;
  separate_ = gated_ && m_ > 4 && tiles.separateGated;
  if (op_.getLoraA()) {
    rank_ = cast<RankedTensorType>(op_.getLoraA().getType()).getDimSize(0);
    paddedRank_ = roundUp(rank_, 16);
  }
  return success();
}

/// Elements between neighbouring rows of `a` over all its leading dimensions; none when they do not form one dimension.
std::optional<int64_t> Contraction::flatRowStride() {
  int64_t rank = a_.rank();
  if (!a_.collapses(0, rank - 1))
    return std::nullopt;
  for (int64_t d = rank - 1; d-- > 0;) // the innermost leading dimension that is longer than one carries the stride
    if (a_.shape()[d] != 1)
      return a_.strides[d];
  return 0;
}

void Contraction::choosePartition() {
  int64_t block = linearRowBlock;
  if (form_ == kernel::ContractForm::conv2d)
    block = std::clamp(convBlockElements / a_.shape()[3] / convBlockUnit * convBlockUnit, convMinBlock, convMaxBlock);
  if (form_ == kernel::ContractForm::planes)
    block = planeRowBlock;
  partition_.rowBlock = m_ <= block ? m_ : block;
  partition_.rowBlocks = ceilDiv(m_, partition_.rowBlock);
  remembers_ = op_.hasPrologue() || rank_;
  // Units of a block: a multiple of every variant's tile width, so that only the last block has a rest.
  int64_t granule = m_ <= 4 ? (gated_ ? 4 : 8) : gated_ ? 2 : 6;
  int64_t unitFlops = 2 * ceilDiv(m_, partition_.rowBlocks) * main_.terms() * 16 * (gated_ ? 2 : 1), unitBlock = units_;
  for (TaskGoal goal : taskGoals) {
    if (planes_ > 1 && goal.tasks > taskGoals[0].tasks)
      break; // planes are tasks enough
    int64_t blocks = ceilDiv(goal.tasks, partition_.rowBlocks * planes_);
    unitBlock = std::min(unitBlock, std::max(ceilDiv(units_, blocks), ceilDiv(goal.flops, unitFlops)));
  }
  partition_.unitBlock = roundUp(unitBlock, granule);
  partition_.unitBlocks = ceilDiv(units_, partition_.unitBlock);
  launch_.grid = planes_ * partition_.rowBlocks * partition_.unitBlocks;
  tileBytes_ = shape_.rows * shape_.panels * 64;
  // A thread then has whole row blocks: they should be equal, to a tile.
  if (remembers_)
    partition_.rowBlock = std::min(m_, ceilDiv(ceilDiv(m_, shape_.rows), partition_.rowBlocks) * shape_.rows);
  chooseBlocks();
  totalsBytes_ = separate_ ? tileBytes_ : blockChunks_ ? ceilDiv(partition_.rowBlock, shape_.rows) * tileBytes_ : 0;
  loraBytes_ = rank_ ? partition_.rowBlock * paddedRank_ * 4 : 0;
  widenOnce_ = adjoint_ || (!w_.element().isF32() && partition_.rowBlock >= widenOnceRows);
  panelBytes_ = widenOnce_ ? shape_.panels * heldTerms() * 64 + prefetchBytes : 0;
  if (op_.hasPrologue())
    staging_.emplace(kb_, op_, m_, partition_.rowBlock, [this](Value row) { return operandRowOffset(row); });
  else if (!a_.element().isF32())
    stageBytes_ = Reduction::stageBytes(shape_.rows, main_.length, chunkTerms, chunkMaxTerms);
  tagBytes_ = remembers_ ? HB_SCRATCH_TAG_BYTES : 0;
  launch_.scratchBytes = tagBytes_ + tileBytes_ + totalsBytes_ + loraBytes_ + stageBytes_ + panelBytes_ + (staging_ ? staging_->scratchBytes() : 0);
  if (!op_.getDrop().empty() && !op_.getDropResult()) {
    dropStride_ = roundUp(main_.length, 16) + 16; // never a whole page apart
    dropBytes_ = shape_.rows * dropStride_ * 4;
    launch_.scratchBytes = roundUp(launch_.scratchBytes, 64) + dropBytes_;
  }
}

void Contraction::chooseBlocks() {
  if (separate_ || form_ == kernel::ContractForm::planes || (!adjoint_ && partition_.rowBlock < widenOnceRows))
    return;
  const bool linear = form_ == kernel::ContractForm::linear;
  // Measured within a network: whole groups of a linear are as fast, and attention, maps and sums behind blocks took up to half again as long.
  if (linear && shape_.panels * main_.terms() * 64 <= longPanelBytes)
    return;
  const int64_t chunk = chunkLength(main_.length, chunkTerms, chunkMaxTerms), chunks = ceilDiv(main_.length, chunk) * main_.segments;
  int64_t block = std::max<int64_t>(1, panelBlockBytes / (shape_.panels * chunk * 64));
  rowsFar_ = linear && partition_.rowBlock * main_.terms() * 4 > nearRowBytes;
  if (rowsFar_)
    block *= 2;
  if (block >= chunks)
    return;
  blockChunks_ = block;
  blockTerms_ = blockChunks_ * chunk;
}

Value Contraction::rowOffset(Value row) { return staging_ ? kb_.mul(kb_.sub(row, blockStart_), staging_->stride()) : operandRowOffset(row); }

Value Contraction::operandRowOffset(Value row) {
  if (form_ == kernel::ContractForm::planes)
    return kb_.add(planeA_, kb_.mul(row, a_.strides[1]));
  if (form_ == kernel::ContractForm::conv2d) {
    SmallVector<Value> at = kb_.delinearize(row, y_.shape().drop_back());
    Value offset = kb_.add(kb_.mul(at[0], a_.strides[0]), a_.offset);
    offset = kb_.add(offset, kb_.mul(at[1], a_.strides[1] * op_.getStrides()[0]));
    return kb_.add(offset, kb_.mul(at[2], a_.strides[2] * op_.getStrides()[1]));
  }
  if (rowStride_)
    return kb_.add(kb_.mul(row, *rowStride_), a_.offset);
  Value offset = kb_.i(a_.offset);
  for (auto [index, stride] : llvm::zip(kb_.delinearize(row, a_.shape().drop_back()), a_.strides))
    offset = kb_.add(offset, kb_.mul(index, stride));
  return offset;
}

void Contraction::rowLoop(Value first, Value last, const std::function<void(Value, int)> &tile) {
  const int64_t rows = shape_.rows;
  Value whole = kb_.add(first, kb_.mul(kb_.div(kb_.sub(last, first), rows), rows));
  if (m_ >= rows)
    kb_.loop(first, whole, rows, [&](Value row) { tile(row, rows); });
  if (int rest = m_ % rows)
    kb_.ifThen(kb_.less(whole, last), [&] { tile(whole, rest); });
}

/// The conversion is then paid once per task and not once per tile (the 512-bit one takes an FMA unit).
void Contraction::widenPanels(Value firstPanel, int panels, Value firstTerm, Value endTerm) {
  if (adjoint_)
    return turnPanels(kb_, *adjoint_, firstPanel, panels, firstTerm, endTerm, widened(), heldTerms());
  const int lanes = kb_.lanes();
  const int64_t held = heldTerms() * 16;
  Value to = widened(), terms = kb_.sub(endTerm, firstTerm), start = kb_.add(main_.bOffset, kb_.mul(firstTerm, 16));
  kb_.loop(0, panels, 1, [&](Value panel) {
    Value from = kb_.add(start, kb_.mul(kb_.add(firstPanel, panel), main_.panelStride())), target = kb_.mul(panel, held);
    auto lines = [&](Value first, Value end, int64_t count) {
      kb_.loop(kb_.mul(first, 16), kb_.mul(end, 16), 16 * count, [&](Value at) {
        for (int64_t v = 0; v < 16 * count; v += lanes)
          kb_.storeRaw(kb_.widen(kb_.loadRaw(main_.b, kb_.add(kb_.add(from, at), v), main_.bElement, lanes)), to, kb_.add(kb_.add(target, at), v));
      });
    };
    Value whole = kb_.mul(kb_.div(terms, widenUnroll), widenUnroll);
    lines(kb_.i(0), whole, widenUnroll);
    lines(whole, terms, 1);
  });
}

void Contraction::fetchTurned(ProductSource &source, Value firstPanel, int panels, Value tile, Value shift) {
  const int64_t bytes = adjoint_->element.getIntOrFloatBitWidth() / 8, lines = panels * AdjointWeight::columnPanelStride * bytes / 64;
  // Four lines of every run of 16 rows are a tile's; tiles behind the last line fetch what is there already.
  Value start = kb_.mul(firstPanel, AdjointWeight::columnPanelStride);
  Value from = arith::SelectOp::create(kb_.b, kb_.loc, kb_.less(tile, kb_.i(lines / 4)), kb_.add(start, kb_.mul(tile, 4 * 64 / bytes)), start);
  source.ahead.weights = kb_.address(adjoint_->base, from, adjoint_->element);
  source.ahead.place = [this, bytes, shift](Value term) {
    Value later = kb_.add(term, shift);
    return kb_.add(kb_.mul(termBlock(kb_, *adjoint_, later), bytes), kb_.mul(kb_.div(kb_.rem(later, 16), reductionUnroll), 64));
  };
}

Value Contraction::totalsOf(Value row) {
  return kb_.address(scratchAt(tileBytes_), kb_.mul(kb_.div(kb_.sub(row, blockStart_), shape_.rows), tileBytes_ / 4), kb_.f32());
}

void Contraction::clearTotals() {
  kb_.loop(0, totalsBytes_ / 4, kb_.lanes(), [&](Value at) { kb_.storeRaw(kb_.splat(0.0, kb_.lanes()), scratchAt(tileBytes_), at); });
}

void Contraction::dropRows(Value row, int rows) {
  Value stage = kb_.addressBytes(kb_.scratch, launch_.scratchBytes - dropBytes_);
  kb_.loop(kb_.i(0), kb_.i(rows), 1, [&](Value r) {
    Value here = kb_.add(row, r), from = rowOffset(here), to = kb_.mul(r, dropStride_), number = kb_.mul(here, main_.length);
    forLanes(kb_, main_.length, [&](Value at, int lanes) {
      Value x = kb_.widen(kb_.loadRaw(main_.a, kb_.add(from, at), main_.aElement, lanes));
      kb_.storeRaw(drop_->apply(x, kb_.add(number, at), lanes), stage, kb_.add(to, at));
    });
  });
}

/// T = (a·Aᵀ)∘scale for the task's rows, into scratch [row - blockStart][paddedRank].
void Contraction::emitLoraRows(Value first, Value last, bool masked) {
  const Operand &loraA = kb_.operand(op_.getLoraA()), &scale = kb_.operand(op_.getLoraScale());
  ProductSource source = main_;
  source.b = loraA.base;
  source.bOffset = kb_.i(0);
  source.bElement = loraA.element();
  if (masked) {
    source.a = kb_.addressBytes(kb_.scratch, launch_.scratchBytes - dropBytes_);
    source.aElement = kb_.f32();
  }
  const int panels = paddedRank_ / 16, lanes = kb_.lanes(), perPanel = reduction_->vectorsPerPanel();
  for (int panel = 0; panel < panels; panel += shape_.panels) {
    const int count = std::min<int>(shape_.panels, panels - panel);
    rowLoop(first, last, [&](Value row, int rows) {
      SmallVector<Value> offsets;
      if (masked)
        dropRows(row, rows);
      for (int r = 0; r < rows; ++r)
        offsets.push_back(masked ? kb_.i(r * dropStride_) : rowOffset(kb_.add(row, r)));
      SmallVector<Value> acc = reduction_->sum(source, offsets, nullptr, {}, kb_.i(panel), count);
      for (int v = 0; v < count * perPanel; ++v) {
        Value factor = kb_.load(scale, kb_.i(scale.offset + panel * 16 + v * lanes), lanes);
        for (int r = 0; r < rows; ++r) {
          Value to = kb_.add(kb_.mul(kb_.sub(kb_.add(row, r), blockStart_), paddedRank_), panel * 16 + v * lanes);
          kb_.storeRaw(kb_.fmul(acc[r * count * perPanel + v], factor), lora_.a, to);
        }
      }
    });
  }
}

ProductSource Contraction::loraFor(Value row, int rows, Value unit, int units) {
  ProductSource source = lora_;
  if (op_.getDropResult())
    source.blend = [this, row, rows, unit, units](SmallVector<Value> acc, const ProductSource::Chain &chain) {
      const int lanes = kb_.lanes(), perRow = static_cast<int>(acc.size()) / rows;
      auto masked = [&] {
        SmallVector<Value> term = chain(SmallVector<Value>(acc.size(), kb_.splat(0.0, lanes)));
        for (int r = 0; r < rows; ++r) {
          Value number = kb_.add(kb_.mul(kb_.add(row, r), n_), kb_.mul(unit, 16));
          for (int v = 0; v < perRow; ++v)
            term[r * perRow + v] = kb_.fadd(acc[r * perRow + v], drop_->apply(term[r * perRow + v], kb_.add(number, v * lanes), lanes));
        }
        return term;
      };
      return kb_.select(drop_->active(), masked, [&] { return chain(acc); });
    };
  auto blocks = op_.getLoraBlocks();
  if (!blocks)
    return source;
  const int64_t each = rank_ / static_cast<int64_t>(blocks->size());
  // Blocks that end at or before a column, of those listed.
  auto endedBy = [&](Value column, ArrayRef<int64_t> ends) {
    Value count = kb_.i(0);
    for (int64_t end : ends)
      count = kb_.add(count, arith::ExtUIOp::create(kb_.b, kb_.loc, kb_.i64(), kb_.less(kb_.i(end - 1), column)));
    return count;
  };
  Value first = kb_.mul(unit, 16), last = kb_.add(first, units * 16 - 1);
  source.from = kb_.mul(endedBy(first, *blocks), each);
  source.to = kb_.max(source.from, kb_.mul(kb_.add(endedBy(last, blocks->drop_back()), 1), each));
  source.rangeUnit = each;
  return source;
}

SmallVector<Value> Contraction::rowOffsets(Value row, int rows) {
  SmallVector<Value> offsets;
  for (int r = 0; r < rows; ++r)
    offsets.push_back(rowOffset(kb_.add(row, r)));
  return offsets;
}

/// Where the LoRA rows of a tile lie; empty without LoRA.
SmallVector<Value> Contraction::loraOffsets(Value row, int rows) {
  SmallVector<Value> offsets;
  for (int r = 0; r < rows && rank_; ++r)
    offsets.push_back(kb_.mul(kb_.sub(kb_.add(row, r), blockStart_), paddedRank_));
  return offsets;
}

LogicalResult Contraction::emitTile(Value row, int rows, Value unit, int units, std::optional<int64_t> knownColumn) {
  const int perPanel = reduction_->vectorsPerPanel(), lanes = kb_.lanes(), panelsPerUnit = gated_ ? 2 : 1;
  const int panels = units * panelsPerUnit, perRow = panels * perPanel;
  const SmallVector<Value> offsets = rowOffsets(row, rows), extraOffsets = loraOffsets(row, rows);
  ProductSource source = main_;
  if (widenOnce_) {
    source.b = widened();
    source.bElement = kb_.f32();
    source.bOffset = source.firstPanel = kb_.i(0);
    source.heldTerms = heldTerms();
  }
  if (form_ != kernel::ContractForm::conv2d && partition_.rowBlock > shape_.rows) {
    // The first row tiles of a panel group fetch the next group, one line per step, so that it is in L2 when its turn comes.
    // (A convolution has many row tiles per group and gains nothing.) A tile fetches K / 4 lines of 64 bytes.
    const int64_t bytes = w_.element().getIntOrFloatBitWidth() / 8, lineElements = 64 / bytes;
    Value tile = kb_.div(kb_.sub(row, blockStart_), shape_.rows);
    if (adjoint_) {
      fetchTurned(source, kb_.add(unit, units), units, tile, kb_.i(0));
    } else {
      Value here = kb_.add(main_.bOffset, kb_.mul(kb_.mul(unit, panelsPerUnit), main_.panelStride()));
      Value next = kb_.add(kb_.add(here, panels * main_.panelStride()), kb_.mul(tile, main_.terms() / reductionUnroll * lineElements));
      Value from = arith::SelectOp::create(kb_.b, kb_.loc, kb_.less(tile, kb_.i(panels * bytes)), next, here);
      source.ahead.weights = kb_.address(main_.b, from, main_.bElement);
    }
    // The next tile's rows, when they follow these without a gap to speak of.
    if (std::optional<int64_t> stride = staging_ ? staging_->stride() : rowStride_; stride && *stride >= main_.terms() && *stride < main_.terms() + 32)
      source.ahead.rows = kb_.address(main_.a, rowOffset(kb_.add(row, rows)), main_.aElement);
  }
  if (form_ == kernel::ContractForm::planes) // the result is far larger than the caches: ask for its lines before they are written
    for (int r = 0; r < rows; ++r)
      for (int u = 0; u < units; ++u)
        kb_.prefetch(y_.base, kb_.add(kb_.add(planeY_, kb_.mul(kb_.add(row, r), y_.strides[1])), kb_.mul(kb_.add(unit, u), 16)), y_.element(), /*nearness=*/3,
                     /*write=*/true);
  SmallVector<Value> acc;
  Value totals = reduction_->tile();
  const ProductSource lora = rank_ ? loraFor(row, rows, unit, units) : ProductSource();
  if (separate_) {
    totals = scratchAt(tileBytes_);
    for (int p = 0; p < panels; ++p) {
      if (widenOnce_)
        source.firstPanel = kb_.i(p);
      SmallVector<Value> one = reduction_->sum(source, offsets, rank_ ? &lora : nullptr, extraOffsets, kb_.add(kb_.mul(unit, panelsPerUnit), p), 1);
      for (int r = 0; r < rows; ++r)
        for (int v = 0; v < perPanel; ++v)
          kb_.storeRaw(one[r * perPanel + v], totals, kb_.i((r * perRow + p * perPanel + v) * lanes));
    }
  } else {
    acc = reduction_->sum(source, offsets, rank_ ? &lora : nullptr, extraOffsets, kb_.mul(unit, panelsPerUnit), panels);
  }

  return finishTile(row, rows, unit, units, knownColumn, acc, totals);
}

LogicalResult Contraction::finishTile(Value row, int rows, Value unit, int units, std::optional<int64_t> knownColumn, const SmallVector<Value> &acc,
                                      Value totals) {
  const int lanes = kb_.lanes(), perPanel = reduction_->vectorsPerPanel(), panelsPerUnit = gated_ ? 2 : 1, perRow = units * panelsPerUnit * perPanel;
  // Result vectors of a row: which accumulators they take, where they start, which lanes exist.
  struct Column {
    int value, gate;
    Value start, mask;
    ColumnValues extras;
  };
  SmallVector<Column> columns;
  for (int u = 0; u < units; ++u)
    for (int v = 0; v < perPanel; ++v) {
      Column column{u * panelsPerUnit * perPanel + v, (u * panelsPerUnit + 1) * perPanel + v, kb_.add(kb_.mul(unit, 16), u * 16 + v * lanes), Value(), {}};
      if (knownColumn) {
        int64_t left = n_ - (*knownColumn + u * 16 + v * lanes);
        if (left <= 0)
          continue;
        if (left < lanes)
          column.mask = kb_.mask(left, lanes);
      }
      columns.push_back(column);
    }
  if (form_ == kernel::ContractForm::planes) {
    for (int r = 0; r < rows; ++r)
      for (Column &column : columns)
        kb_.store(y_, kb_.add(kb_.add(planeY_, kb_.mul(kb_.add(row, r), y_.strides[1])), column.start), acc[r * perRow + column.value], column.mask);
    return success();
  }
  for (Column &column : columns)
    column.extras = epilogue_->columns(column.start, lanes, column.mask);
  auto finishRow = [&](Value at, const std::function<Value(int)> &accumulator) {
    ResultRow resultRow{at, {}, {}};
    for (Column &column : columns) {
      SmallVector<Value> args{accumulator(column.value)};
      if (gated_)
        args.push_back(accumulator(column.gate));
      if (mlir::failed(epilogue_->apply(resultRow, column.start, lanes, column.mask, column.extras, args)))
        failed_ = true;
    }
  };
  if (!separate_ && (epilogue_->cost() <= inlineEpilogueCost || rows == 1)) {
    for (int r = 0; r < rows; ++r)
      finishRow(kb_.add(row, r), [&](int v) { return acc[r * perRow + v]; });
  } else {
    if (!separate_)
      reduction_->spill(acc);
    kb_.loop(kb_.i(0), kb_.i(rows), 1, [&](Value r) {
      Value from = kb_.mul(r, perRow * lanes);
      finishRow(kb_.add(row, r), [&](int v) { return kb_.loadRaw(totals, kb_.add(from, v * lanes), kb_.f32(), lanes); });
    });
  }
  return failed_ ? failure() : success();
}

void Contraction::emitUnits(Value first, Value last, Value unit, int units, std::optional<int64_t> knownColumn) {
  const int panelsPerUnit = gated_ ? 2 : 1;
  if (widenOnce_)
    widenPanels(kb_.mul(unit, panelsPerUnit), units * panelsPerUnit, kb_.i(0), kb_.i(main_.terms()));
  rowLoop(first, last, [&](Value row, int rows) {
    if (mlir::failed(emitTile(row, rows, unit, units, knownColumn)))
      failed_ = true;
  });
}

void Contraction::emitUnitsInBlocks(Value first, Value last, Value unit, int units, std::optional<int64_t> knownColumn) {
  const int panels = units * (gated_ ? 2 : 1);
  const int64_t chunks = reduction_->chunks(main_), bytes = w_.element().getIntOrFloatBitWidth() / 8;
  Value firstPanel = kb_.mul(unit, gated_ ? 2 : 1);
  clearTotals();
  kb_.loop(0, chunks, blockChunks_, [&](Value chunk) {
    Value end = kb_.min(kb_.add(chunk, blockChunks_), kb_.i(chunks)), term = reduction_->firstTerm(main_, chunk), endTerm = reduction_->firstTerm(main_, end);
    ProductSource source = main_;
    if (widenOnce_) {
      widenPanels(firstPanel, panels, term, endTerm);
      source.b = widened();
      source.bElement = kb_.f32();
      source.firstPanel = kb_.i(0);
      source.heldTerms = heldTerms();
      source.resident = true;
      source.bOffset = kb_.mul(term, -16);
    }
    rowLoop(first, last, [&](Value row, int rows) {
      // The first tiles of a block fetch the next block's panels, a fourth of the block's terms times a line each.
      Value tile = kb_.div(kb_.sub(row, blockStart_), shape_.rows), panel = kb_.div(tile, bytes);
      // Behind the last block comes the first one of the next panels.
      Value more = kb_.less(end, kb_.i(chunks)), next = kb_.add(firstPanel, panels);
      Value nextPanel = arith::SelectOp::create(kb_.b, kb_.loc, more, firstPanel, next);
      Value nextTerm = arith::SelectOp::create(kb_.b, kb_.loc, more, endTerm, kb_.i(0));
      Value from = kb_.add(main_.bOffset, kb_.add(kb_.mul(kb_.add(nextPanel, panel), main_.panelStride()), kb_.mul(nextTerm, 16)));
      from = kb_.add(from, kb_.sub(kb_.mul(kb_.rem(tile, bytes), blockTerms_ * 16 / bytes), kb_.mul(term, 16 / bytes)));
      from = arith::SelectOp::create(kb_.b, kb_.loc, kb_.less(tile, kb_.i(panels * bytes)), from, main_.bOffset);
      ProductSource tileSource = source;
      if (!adjoint_)
        tileSource.ahead.weights = kb_.address(main_.b, from, main_.bElement);
      else {
        fetchTurned(tileSource, nextPanel, panels, tile,
                    arith::SelectOp::create(kb_.b, kb_.loc, more, kb_.i(blockTerms_), kb_.sub(kb_.i(0), term)));
      }
      if (std::optional<int64_t> stride = staging_ ? staging_->stride() : rowStride_; stride && rowsFar_) {
        tileSource.ahead.nextRow = rowOffset(kb_.add(row, rows));
        tileSource.ahead.nextStride = *stride;
      }
      reduction_->accumulate(tileSource, rowOffsets(row, rows), firstPanel, panels, chunk, end, totalsOf(row));
    });
  });
  rowLoop(first, last, [&](Value row, int rows) {
    Value tileTotals = totalsOf(row);
    const ProductSource lora = rank_ ? loraFor(row, rows, unit, units) : ProductSource();
    SmallVector<Value> acc = reduction_->finish(rank_ ? &lora : nullptr, loraOffsets(row, rows), firstPanel, rows, panels, tileTotals);
    if (mlir::failed(finishTile(row, rows, unit, units, knownColumn, acc, reduction_->tile())))
      failed_ = true;
  });
}

LogicalResult Contraction::prepareRows(Value rowBlock, Value first, Value last) {
  if (!remembers_)
    return success();
  if (staging_) {
    staging_->reserve({kb_, tagBytes_ + tileBytes_ + totalsBytes_ + loraBytes_ + panelBytes_});
    main_.a = staging_->rows();
    main_.aElement = kb_.f32();
  }
  LogicalResult staged = success();
  Value tag = kb_.add(rowBlock, 1), held = kb_.loadRaw(kb_.scratch, kb_.i(0), kb_.i64(), 1); // zero: none
  kb_.ifThen(arith::CmpIOp::create(kb_.b, kb_.loc, arith::CmpIPredicate::ne, held, tag), [&] {
    if (staging_)
      staged = staging_->stage(first, last);
    if (rank_ && dropBytes_)
      kb_.ifThen(drop_->active(), [&] { emitLoraRows(first, last, true); }, [&] { emitLoraRows(first, last, false); });
    else if (rank_)
      emitLoraRows(first, last, false);
    kb_.storeRaw(tag, kb_.scratch, kb_.i(0));
  });
  return staged;
}

LogicalResult Contraction::emitBody() {
  const int panelsPerUnit = gated_ ? 2 : 1, unitsPerTile = shape_.panels / panelsPerUnit;
  bool planes = form_ == kernel::ContractForm::planes;
  reduction_.emplace(kb_, scratchAt(0), planes ? planeChunkTerms : chunkTerms, planes ? planeChunkTerms + planeChunkTerms / 2 : chunkMaxTerms);
  reduction_->stageIn(scratchAt(tileBytes_ + totalsBytes_ + loraBytes_));
  if (!op_.getDrop().empty())
    drop_.emplace(loadDropMask(kb_, op_.getDrop()));
  if (!planes)
    epilogue_.emplace(kb_, op_.getEpilogue(), op_.getExtras(), op_.getMaps(), op_.getResult());
  if (rank_) {
    const Operand &loraB = kb_.operand(op_.getLoraB());
    lora_ = {scratchAt(tileBytes_ + totalsBytes_), kb_.f32(), loraB.base, loraB.element(), kb_.i(0), Value(), {}, rank_};
  }

  // Column blocks outermost: a thread's run of tasks then reads the same part of the weight again and again. With work that is
  // done once for rows, row blocks outermost: a thread's run of tasks then does it once for each of its row blocks.
  Value rowBlock, unitBlock, plane;
  if (remembers_) {
    rowBlock = kb_.div(kb_.task, partition_.unitBlocks);
    unitBlock = kb_.rem(kb_.task, partition_.unitBlocks);
  } else {
    Value rest = kb_.div(kb_.task, partition_.rowBlocks);
    rowBlock = kb_.rem(kb_.task, partition_.rowBlocks);
    unitBlock = kb_.rem(rest, partition_.unitBlocks);
    plane = kb_.div(rest, partition_.unitBlocks);
  }
  if (planes) {
    planeA_ = kb_.add(kb_.mul(plane, a_.strides[0]), a_.offset);
    planeY_ = kb_.add(kb_.mul(plane, y_.strides[0]), y_.offset);
    if (adjoint_) {
      // Reversed taps exchange the first and the last of the four rows and columns of planes, the points 0 and infinity, whose rows of the
      // transform are (-1, 0, 0) and (0, 0, 1), so that the sign changes with each exchange; 1 and -1 stay.
      auto select = [&](Value condition, Value yes, Value no) { return arith::SelectOp::create(kb_.b, kb_.loc, condition, yes, no).getResult(); };
      auto isInner = [&](Value index) { return kb_.less(kb_.rem(kb_.add(index, 3), 4), kb_.i(2)); }; // 1 and 2, as 0 and 1 of index - 1
      auto reversed = [&](Value index) { return select(isInner(index), index, kb_.sub(kb_.i(3), index)); };
      Value row = kb_.div(plane, 4), column = kb_.rem(plane, 4), stored = kb_.add(kb_.mul(reversed(row), 4), reversed(column));
      Value one = kb_.f(1), minus = kb_.f(-1);
      adjoint_->factor = kb_.fmul(select(isInner(row), one, minus), select(isInner(column), one, minus));
      adjoint_->offset = kb_.mul(stored, adjoint_->rowPanels() * adjoint_->rowPanelStride());
    } else {
      main_.bOffset = kb_.mul(plane, units_ * main_.panelStride());
    }
  }
  auto firstRow = [&](Value block) {
    const int64_t tiles = ceilDiv(m_, shape_.rows);
    return kb_.min(remembers_ ? kb_.mul(kb_.div(kb_.mul(block, tiles), partition_.rowBlocks), shape_.rows) : kb_.mul(block, partition_.rowBlock), kb_.i(m_));
  };
  Value i0 = firstRow(rowBlock), i1 = firstRow(kb_.add(rowBlock, 1));
  Value u0 = kb_.mul(unitBlock, partition_.unitBlock), u1 = kb_.min(kb_.add(u0, partition_.unitBlock), kb_.i(units_));
  blockStart_ = i0;
  if (mlir::failed(prepareRows(rowBlock, i0, i1)))
    return failure();

  // Whole tiles of full panels first; then one narrower tile with whatever is left, the masked last columns included.
  const int64_t wholeUnits = n_ / 16 / unitsPerTile * unitsPerTile;
  auto emit = [&](Value unit, int units, std::optional<int64_t> knownColumn) {
    blockChunks_ ? emitUnitsInBlocks(i0, i1, unit, units, knownColumn) : emitUnits(i0, i1, unit, units, knownColumn);
  };
  if (wholeUnits > 0)
    kb_.loop(u0, kb_.min(u1, kb_.i(wholeUnits)), unitsPerTile, [&](Value unit) { emit(unit, unitsPerTile, std::nullopt); });
  if (int64_t left = units_ - wholeUnits)
    kb_.ifThen(kb_.less(kb_.i(wholeUnits), u1), [&] { emit(kb_.i(wholeUnits), left, wholeUnits * 16); });
  return failed_ ? failure() : success();
}

} // namespace

FailureOr<Launch> emitContract(KernelBuilder &kb, Operation *op) {
  auto contract = cast<kernel::ContractOp>(op);
  return contract.getForm() == kernel::ContractForm::outer ? emitOuterProduct(kb, op) : Contraction(kb, contract).emit();
}

} // namespace hb::x86
