// kernel.winograd_input and kernel.winograd_output: the data and result transforms of Winograd's convolution.
//
// Y = Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A (Lavin & Gray 2016). For interpolation points a₀ … aₙ₋₁ and infinity (Toom-Cook), row i of Bᵀ
// holds the coefficients of Π_{j≠i}(x - aⱼ), its last row those of Π(x - aⱼ); column i of Aᵀ the powers of aᵢ, its last
// column is (0, …, 0, 1). The divisors are in G, which the runtime applies to the weights (runtime/params/Winograd.h).
// F(2,3): points 0, ±1. F(4,3): 0, ±3/4, ±3/2, every constant an exact binary fraction. Lanes are channels.
#include "lowering/emit/x86/Epilogue.h"
#include "lowering/emit/x86/Families.h"

using namespace mlir;

namespace hb::x86 {
namespace {

using Vectors = SmallVector<Value>;

constexpr double p1 = 0.75, p2 = 1.5; // the points of F(4,3), in pairs ±p1, ±p2

Value scaled(KernelBuilder &kb, Value x, double c) { return kb.fmul(x, kb.constantLike(c, x)); }
Value scaledAdd(KernelBuilder &kb, Value x, double c, Value y) { return kb.fma(x, kb.constantLike(c, x), y); } // x·c + y

/// Bᵀ d for one column of m + 2 values.
Vectors inputTransform(KernelBuilder &kb, int64_t m, const Vectors &d) {
  if (m == 2)
    return {kb.fsub(d[2], d[0]), kb.fadd(d[1], d[2]), kb.fsub(d[2], d[1]), kb.fsub(d[3], d[1])};
  // The pairs ±p share their even and odd parts.
  const double s = p1 * p1 + p2 * p2, t = p1 * p1 * p2 * p2;
  Value first = scaledAdd(kb, d[0], t, scaledAdd(kb, d[2], -s, d[4])), last = scaledAdd(kb, d[1], t, scaledAdd(kb, d[3], -s, d[5]));
  Value e1 = scaledAdd(kb, d[2], -p2 * p2, d[4]), o1 = scaledAdd(kb, d[1], -p2 * p2, d[3]);
  Value e2 = scaledAdd(kb, d[2], -p1 * p1, d[4]), o2 = scaledAdd(kb, d[1], -p1 * p1, d[3]);
  return {first, scaledAdd(kb, o1, p1, e1), scaledAdd(kb, o1, -p1, e1), scaledAdd(kb, o2, p2, e2), scaledAdd(kb, o2, -p2, e2), last};
}

/// Aᵀ v for one column of m + 2 values.
Vectors outputTransform(KernelBuilder &kb, int64_t m, const Vectors &v) {
  if (m == 2)
    return {kb.fadd(kb.fadd(v[0], v[1]), v[2]), kb.fadd(kb.fsub(v[1], v[2]), v[3])};
  Value s1 = kb.fadd(v[1], v[2]), d1 = kb.fsub(v[1], v[2]), s2 = kb.fadd(v[3], v[4]), d2 = kb.fsub(v[3], v[4]);
  return {kb.fadd(v[0], kb.fadd(s1, s2)), scaledAdd(kb, d1, p1, scaled(kb, d2, p2)), scaledAdd(kb, s1, p1 * p1, scaled(kb, s2, p2 * p2)),
          scaledAdd(kb, d1, p1 * p1 * p1, scaledAdd(kb, d2, p2 * p2 * p2, v[5]))};
}

/// A launch wants so many tasks, for many threads, as long as each keeps this many tiles of a row.
constexpr int64_t goalTasks = 64, leastTiles = 8;

/// A task's part of a row of tiles, and where the row is in the picture(s): a launch has all rows, or those of the slab that begins at
/// the number in `first`.
struct TileRows {
  int64_t columns, perPicture, count;
  int64_t parts, partTiles; ///< tasks of a row
  Value local, global;      ///< the row, counted from the slab's first one and over all pictures
  Value begin, end;         ///< tiles of the row

  TileRows(KernelBuilder &kb, ArrayRef<int64_t> m, ArrayRef<int64_t> picture, int64_t tiles, Value first) {
    columns = picture[2] / m[1];
    perPicture = picture[1] / m[0];
    count = tiles / columns;
    parts = std::clamp<int64_t>((goalTasks + count - 1) / count, 1, std::max<int64_t>(1, columns / leastTiles));
    partTiles = (columns + parts - 1) / parts;
    parts = (columns + partTiles - 1) / partTiles;
    global = local = kb.div(kb.task, parts);
    begin = kb.mul(kb.rem(kb.task, parts), partTiles);
    end = kb.min(kb.add(begin, partTiles), kb.i(columns));
    if (!first)
      return;
    const Operand &operand = kb.operand(first);
    // A wrong number in a damaged module must not reach other memory.
    Value row = kb.max(kb.i(0), kb.min(kb.load(operand, kb.i(operand.offset), 1), kb.i(picture[0] * perPicture - count)));
    global = kb.add(local, row);
  }
};

bool knownTile(ArrayRef<int64_t> m) { return m.size() == 2 && llvm::all_of(m, [](int64_t n) { return n == 2 || n == 4; }); }

/// Calls `body(channel, mask)` for every vector of channels.
void channelLoop(KernelBuilder &kb, int64_t channels, const std::function<void(Value, Value)> &body) {
  const int lanes = kb.lanes();
  int64_t whole = channels / lanes * lanes;
  if (whole)
    kb.loop(0, whole, lanes, [&](Value c) { body(c, Value()); });
  if (whole < channels)
    body(kb.i(whole), kb.mask(channels - whole, lanes));
}

} // namespace

FailureOr<Launch> emitWinogradInput(KernelBuilder &kb, Operation *op) {
  auto input = cast<kernel::WinogradInputOp>(op);
  const Operand &x = kb.operand(input.getX()), &v = kb.operand(input.getResult());
  ArrayRef<int64_t> m = input.getM();
  if (!knownTile(m) || x.strides[3] != 1 || v.strides[2] != 1 || (x.shape()[1] - 2) % m[0] || (x.shape()[2] - 2) % m[1])
    return op->emitOpError("needs tiles of 2 or 4 that divide the picture, and contiguous channels"), failure();
  const int64_t tileRows = (x.shape()[1] - 2) / m[0], tileColumns = (x.shape()[2] - 2) / m[1], rows = m[0] + 2, columns = m[1] + 2;
  if (v.shape()[0] != rows * columns || (!input.getFirst() && v.shape()[1] != x.shape()[0] * tileRows * tileColumns))
    return op->emitOpError("has another number of planes or tiles than its picture"), failure();

  TileRows slab(kb, m, {x.shape()[0], x.shape()[1] - 2, x.shape()[2] - 2}, v.shape()[1], input.getFirst());
  Value image = kb.div(slab.global, tileRows), tileRow = kb.rem(slab.global, tileRows);
  Value rowStart = kb.add(kb.add(kb.mul(image, x.strides[0]), kb.mul(tileRow, m[0] * x.strides[1])), x.offset);
  Value tileStart = kb.add(kb.mul(kb.mul(slab.local, tileColumns), v.strides[1]), v.offset);
  kb.loop(slab.begin, slab.end, 1, [&](Value tile) {
    channelLoop(kb, x.shape()[3], [&](Value c, Value mask) {
      Value from = kb.add(kb.add(rowStart, kb.mul(tile, m[1] * x.strides[2])), c), to = kb.add(kb.add(tileStart, kb.mul(tile, v.strides[1])), c);
      SmallVector<Vectors> byColumn;
      for (int64_t j = 0; j < columns; ++j) {
        Vectors d;
        for (int64_t i = 0; i < rows; ++i)
          d.push_back(kb.load(x, kb.add(from, i * x.strides[1] + j * x.strides[2]), kb.lanes(), mask));
        byColumn.push_back(inputTransform(kb, m[0], d));
      }
      for (int64_t i = 0; i < rows; ++i) {
        Vectors d;
        for (int64_t j = 0; j < columns; ++j)
          d.push_back(byColumn[j][i]);
        for (auto [j, value] : llvm::enumerate(inputTransform(kb, m[1], d)))
          kb.store(v, kb.add(to, (i * columns + static_cast<int64_t>(j)) * v.strides[0]), value, mask);
      }
    });
  });
  return Launch{slab.count * slab.parts, 0};
}

FailureOr<Launch> emitWinogradOutput(KernelBuilder &kb, Operation *op) {
  auto output = cast<kernel::WinogradOutputOp>(op);
  const Operand &v = kb.operand(output.getPlanes()), &y = kb.operand(output.getResult());
  ArrayRef<int64_t> m = output.getM();
  if (!knownTile(m) || v.strides[2] != 1 || y.shape()[1] % m[0] || y.shape()[2] % m[1])
    return op->emitOpError("needs tiles of 2 or 4 that divide the picture, and contiguous channels"), failure();
  const int64_t tileRows = y.shape()[1] / m[0], tileColumns = y.shape()[2] / m[1], rows = m[0] + 2, columns = m[1] + 2, width = y.shape()[2];
  if (v.shape()[0] != rows * columns || (!output.getFirst() && v.shape()[1] != y.shape()[0] * tileRows * tileColumns))
    return op->emitOpError("has another number of planes or tiles than its picture"), failure();
  Epilogue epilogue(kb, output.getEpilogue(), output.getExtras(), output.getMaps(), output.getResult());

  TileRows slab(kb, m, y.shape(), v.shape()[1], output.getFirst());
  Value image = kb.div(slab.global, tileRows), tileRow = kb.rem(slab.global, tileRows);
  Value tileStart = kb.add(kb.mul(kb.mul(slab.local, tileColumns), v.strides[1]), v.offset);
  bool ok = true;
  kb.loop(slab.begin, slab.end, 1, [&](Value tile) {
    channelLoop(kb, y.shape()[3], [&](Value c, Value mask) {
      Value from = kb.add(kb.add(tileStart, kb.mul(tile, v.strides[1])), c);
      SmallVector<Vectors> byColumn;
      for (int64_t j = 0; j < columns; ++j) {
        Vectors plane;
        for (int64_t i = 0; i < rows; ++i)
          plane.push_back(kb.load(v, kb.add(from, (i * columns + j) * v.strides[0]), kb.lanes(), mask));
        byColumn.push_back(outputTransform(kb, m[0], plane));
      }
      ColumnValues extras = epilogue.columns(c, kb.lanes(), mask);
      for (int64_t i = 0; i < m[0]; ++i) {
        Vectors row;
        for (int64_t j = 0; j < columns; ++j)
          row.push_back(byColumn[j][i]);
        Value py = kb.add(kb.mul(tileRow, m[0]), i);
        for (auto [j, value] : llvm::enumerate(outputTransform(kb, m[1], row))) {
          Value px = kb.add(kb.mul(tile, m[1]), static_cast<int64_t>(j));
          // The pixel's flat number over [B, H, W]: tile rows are counted over all pictures.
          Value flat = kb.add(kb.mul(kb.add(kb.mul(slab.global, m[0]), i), width), px);
          ResultRow at{flat, {image, py, px}, {}};
          ok &= succeeded(epilogue.apply(at, c, kb.lanes(), mask, extras, {value}));
        }
      }
    });
  });
  if (!ok)
    return failure();
  return Launch{slab.count * slab.parts, 0};
}

} // namespace hb::x86
