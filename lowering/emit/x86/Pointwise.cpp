#include "lowering/emit/x86/Pointwise.h"

#include "lowering/emit/x86/AccessRow.h"
#include "lowering/emit/x86/Lanes.h"

using namespace mlir;

namespace hb::x86 {
namespace {

// A task should outweigh its start (a few hundred ns); more than some hundred tasks gain nothing.
constexpr int64_t pointsPerTask = 8192, maxTasks = 256;
// The widest vector of any variant: blockings must not depend on the variant.
constexpr int64_t widest = 16;

/// Dimension that an operand walks element by element while it jumps along the lanes: a transpose. None: −1.
int64_t transposedDim(const Access &access, ArrayRef<int64_t> extents, Type element) {
  unsigned lane = extents.size() - 1;
  if (!(element.isF32() || element.isF16() || element.isBF16()) || !access.terms.empty() || access.coefs[lane] == 0 || access.coefs[lane] == 1)
    return -1;
  for (unsigned dim = 0; dim < lane; ++dim)
    if (access.coefs[dim] == 1 && extents[dim] >= 8)
      return dim;
  return -1;
}

/// Steps a loop makes over a dimension: blocks of `widest` for the last but one of a tiled walk.
int64_t stepsOf(const Space &space, bool tiled, unsigned dim) {
  int64_t extent = space.extents[dim];
  return tiled && dim + 2 == space.extents.size() ? (extent + widest - 1) / widest : extent;
}

class Walker {
public:
  Walker(KernelBuilder &kb, const PointwisePlan &plan, ArrayRef<const Operand *> operands, const PointBody &body, int64_t unroll)
      : kb(kb), plan(plan), operands(operands), body(body), unroll(unroll), rank(plan.space.extents.size()), dims(rank) {}

  LogicalResult run(Value task) {
    SmallVector<int64_t> taskExtents;
    for (unsigned dim = 0; dim < plan.prefix; ++dim)
      taskExtents.push_back(blocks(dim));
    taskExtents.push_back(plan.laneBlocks);
    int64_t total = 1;
    for (int64_t extent : taskExtents)
      total *= extent;
    Value first = kb.mul(task, plan.chunk);
    auto point = [&](Value at) {
      SmallVector<Value> indices = kb.delinearize(at, taskExtents);
      for (unsigned dim = 0; dim < plan.prefix; ++dim)
        dims[dim] = indices[dim];
      laneBlock = indices.back();
      nest(plan.prefix);
    };
    if (plan.chunk == 1)
      point(first);
    else
      kb.loop(first, kb.min(kb.add(first, plan.chunk), kb.i(total)), 1, point);
    return success(!failed);
  }

private:
  int64_t blocks(unsigned dim) const { return stepsOf(plan.space, plan.tiled, dim); }

  void nest(unsigned dim) {
    if (dim < rank - 1) {
      kb.loop(0, blocks(dim), 1, [&](Value index) {
        dims[dim] = index;
        nest(dim + 1);
      });
      return;
    }
    plan.tiled ? tileBlock() : row();
  }

  // ---- plain rows
  std::vector<AccessRow> rows() {
    std::vector<AccessRow> result;
    for (auto [operand, access] : llvm::zip_equal(operands, plan.space.accesses))
      result.emplace_back(kb, *operand, access, dims, rank - 1);
    return result;
  }
  void vectorStep(ArrayRef<AccessRow> accesses, Value at, int lanes) {
    SmallVector<Value> elements;
    for (const AccessRow &access : accesses.drop_back())
      elements.push_back(access.load(at, lanes));
    put(elements, accesses.back(), at, lanes);
  }
  void put(ArrayRef<Value> elements, const AccessRow &result, Value at, int lanes) {
    FailureOr<Value> value = body(elements, lanes);
    if (mlir::failed(value)) {
      failed = true;
      return;
    }
    result.store(kb.broadcast(*value, lanes), at, lanes);
  }
  void row() {
    std::vector<AccessRow> accesses = rows();
    int64_t extent = plan.space.extents[rank - 1], lanes = kb.lanes();
    if (plan.laneBlocks == 1) {
      forLanes(kb, extent, [&](Value at, int width) { vectorStep(accesses, at, width); }, unroll);
      return;
    }
    Value start = kb.mul(laneBlock, plan.laneBlock);
    int64_t whole = extent / lanes * lanes;
    // The block is a multiple of every unrolled step except at the row's end.
    int64_t unrolledEnd = extent / (lanes * unroll) * (lanes * unroll);
    Value end = kb.min(kb.add(start, plan.laneBlock), kb.i(unrolledEnd));
    kb.loop(start, end, lanes * unroll, [&](Value at) {
      for (int64_t u = 0; u < unroll; ++u)
        vectorStep(accesses, kb.add(at, u * lanes), lanes);
    });
    if (unrolledEnd < extent)
      kb.ifThen(kb.less(kb.i(plan.laneBlocks - 2), laneBlock), [&] {
        int64_t at = unrolledEnd;
        for (; at < whole; at += lanes)
          vectorStep(accesses, kb.i(at), lanes);
        for (int64_t width = lanes / 2; width > 0; width /= 2)
          for (; extent - at >= width; at += width)
            vectorStep(accesses, kb.i(at), width);
      });
  }

  // ---- square tiles
  void tileBlock() {
    int64_t lanes = kb.lanes(), extent = plan.space.extents[rank - 2], laneExtent = plan.space.extents[rank - 1];
    int64_t whole = extent / widest, wholeLanes = laneExtent / lanes * lanes;
    Value block = dims[rank - 2], first = kb.mul(block, widest);
    auto plainRows = [&](int64_t count, int64_t laneFrom) {
      kb.loop(0, count, 1, [&](Value index) {
        dims[rank - 2] = kb.add(first, index);
        std::vector<AccessRow> accesses = rows();
        if (laneFrom == 0) {
          forLanes(kb, laneExtent, [&](Value at, int width) { vectorStep(accesses, at, width); });
          return;
        }
        int64_t at = laneFrom;
        for (int64_t width = lanes; width > 0; width /= 2)
          for (; laneExtent - at >= width; at += width)
            vectorStep(accesses, kb.i(at), width);
      });
    };
    auto tiles = [&] {
      if (wholeLanes)
        kb.loop(0, wholeLanes, lanes, [&](Value lane) { kb.loop(0, widest, lanes, [&](Value part) { tile(kb.add(first, part), lane); }); });
      if (wholeLanes < laneExtent)
        plainRows(widest, wholeLanes);
    };
    if (whole == 0)
      plainRows(extent, 0);
    else if (extent % widest == 0)
      tiles();
    else
      kb.ifThen(kb.less(block, kb.i(whole)), tiles, [&] { plainRows(extent % widest, 0); });
  }

  void tile(Value first, Value lane) {
    int64_t lanes = kb.lanes();
    SmallVector<SmallVector<Value>> turned(operands.size());
    for (auto [index, access] : llvm::enumerate(plan.space.accesses)) {
      if (!(plan.transposed >> index & 1))
        continue;
      // Rows along the last but one dimension, one per lane index.
      SmallVector<Value> columns;
      for (int64_t step = 0; step < lanes; ++step) {
        SmallVector<Value> at(dims);
        at[rank - 1] = kb.add(lane, step);
        AccessRow column(kb, *operands[index], access, at, rank - 2);
        columns.push_back(kb.widen(column.load(first, lanes))); // turned as f32, the size the shuffles are made for
      }
      turned[index] = transposeLanes(kb, columns);
    }
    for (int64_t step = 0; step < lanes; ++step) {
      dims[rank - 2] = kb.add(first, step);
      SmallVector<Value> elements;
      for (auto [index, access] : llvm::enumerate(ArrayRef(plan.space.accesses).drop_back()))
        elements.push_back(plan.transposed >> index & 1 ? turned[index][step] : AccessRow(kb, *operands[index], access, dims, rank - 1).load(lane, lanes));
      put(elements, AccessRow(kb, *operands.back(), plan.space.accesses.back(), dims, rank - 1), lane, lanes);
    }
  }

  KernelBuilder &kb;
  const PointwisePlan &plan;
  ArrayRef<const Operand *> operands;
  const PointBody &body;
  int64_t unroll;
  unsigned rank;
  SmallVector<Value> dims;
  Value laneBlock;
  bool failed = false;
};

} // namespace

PointwisePlan planPointwise(Space space, ArrayRef<Type> elements) {
  PointwisePlan plan;
  if (space.extents.empty()) {
    space.extents.push_back(1);
    for (Access &access : space.accesses)
      access.coefs.push_back(0);
  }
  // A transposed operand decides the last but one dimension; others that run along it are transposed with it.
  unsigned rank = space.extents.size();
  int64_t turn = -1;
  if (space.accesses.back().coefs[rank - 1] == 1 && space.extents[rank - 1] >= 8)
    for (unsigned index = 0; index + 1 < space.accesses.size() && turn < 0; ++index)
      turn = transposedDim(space.accesses[index], space.extents, elements[index]);
  if (turn >= 0) {
    SmallVector<unsigned> order;
    for (unsigned dim = 0; dim + 1 < rank; ++dim)
      if (dim != turn)
        order.push_back(dim);
    order.push_back(turn);
    order.push_back(rank - 1);
    space.permute(order);
    plan.tiled = true;
    for (unsigned index = 0; index + 1 < space.accesses.size(); ++index)
      if (index < 32 && transposedDim(space.accesses[index], space.extents, elements[index]) == rank - 2)
        plan.transposed |= 1u << index;
  }

  int64_t wanted = std::clamp<int64_t>(space.points() / pointsPerTask, 1, maxTasks), product = 1;
  for (; plan.prefix + 1 < rank && product < wanted; ++plan.prefix)
    product *= stepsOf(space, plan.tiled, plan.prefix);
  int64_t laneExtent = space.extents[rank - 1];
  if (!plan.tiled && product < wanted && plan.prefix == rank - 1) {
    int64_t pieces = std::min((wanted + product - 1) / product, (laneExtent + 1023) / 1024);
    int64_t step = widest * 4;
    plan.laneBlock = ((laneExtent + pieces - 1) / pieces + step - 1) / step * step;
    plan.laneBlocks = (laneExtent + plan.laneBlock - 1) / plan.laneBlock;
    product *= plan.laneBlocks;
  }
  plan.chunk = (product + wanted - 1) / wanted;
  plan.grid = (product + plan.chunk - 1) / plan.chunk;
  plan.space = std::move(space);
  return plan;
}

LogicalResult emitPointwise(KernelBuilder &kb, const PointwisePlan &plan, ArrayRef<const Operand *> operands, Value task, const PointBody &body, int64_t unroll) {
  return Walker(kb, plan, operands, body, unroll).run(task);
}

} // namespace hb::x86
