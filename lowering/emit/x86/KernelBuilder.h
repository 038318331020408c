// Builds the machine-level form of one kernel: `void symbol(void **buffers, void *scratch, i64 task)`.
//
// Kernels are built on raw pointers (LLVM dialect loads and stores) with i64 offsets counted in elements, control flow in
// scf, arithmetic in arith/vector. Raw pointers rather than memrefs because checkpoint tensors may lie at any byte address
// (all element accesses claim alignment 1) and because a buffer's extent is of no use below this point.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/x86/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace hb::x86 {

using mlir::AffineExpr;
using mlir::AffineMap;
using mlir::ArrayRef;
using mlir::FailureOr;
using mlir::LogicalResult;
using mlir::Location;
using mlir::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

class KernelBuilder;

/// A tensor of the kernel (operand or result) as the code sees it: where it starts, its element type and where index
/// (i0, i1, …) lies: element offset + Σ ik·strides[k] from the start of the buffer.
struct Operand {
  Value base;                   ///< !llvm.ptr, start of the buffer
  mlir::RankedTensorType type;  ///< logical type
  int64_t offset = 0;           ///< elements
  SmallVector<int64_t> strides; ///< elements, one per dimension; row-major when packed (of no use then)

  Type element() const { return type.getElementType(); }
  ArrayRef<int64_t> shape() const { return type.getShape(); }
  int64_t rank() const { return type.getRank(); }
  /// True when dimensions [first, last) are laid out as one, whose stride is that of the innermost of them longer than 1.
  bool collapses(int64_t first, int64_t last) const;
  /// Row-major, contiguous, whole tensor: one flat run of numElements() from `offset`.
  bool contiguous() const;
};

/// How the address of an operand element moves along one loop dimension that is laid on the vector lanes.
struct LaneAccess {
  enum Kind { Uniform, Contiguous, Strided, Irregular } kind;
  int64_t stride = 0;   ///< Strided: elements per lane
  AffineExpr offset;    ///< element offset from the buffer start, in the loop dimensions
};

/// What a family hands back for a kernel: same values for every variant of the target.
struct Launch {
  int64_t grid = 1;
  int64_t scratchBytes = 0;
};

class KernelBuilder {
public:
  /// Starts the function for `def` inside `module` (its own, in def's context). The insertion point is the function's body.
  KernelBuilder(mlir::ModuleOp module, kernel::DefOp def, const X86Target &target);
  /// Ends the function with a return.
  void finish();

  mlir::OpBuilder b;
  Location loc;
  const X86Target &target;
  kernel::DefOp def;
  Value scratch; ///< !llvm.ptr, Launch::scratchBytes, 64-byte aligned, private to the task
  Value task;    ///< i64 in [0, grid)

  int lanes() const { return target.vectorLanes; }
  /// The operand for a value of the kernel's body: a block argument of the def, or a value the def returns.
  const Operand &operand(Value value) const;

  // ---- types and constants
  Type i64() { return b.getI64Type(); }
  Type f32() { return b.getF32Type(); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::VectorType vec(int lanes, Type element) { return mlir::VectorType::get({lanes}, element); }
  mlir::VectorType vec(int lanes) { return vec(lanes, f32()); }
  Value i(int64_t value);                ///< i64 constant
  Value f(double value);                 ///< f32 constant
  Value splat(double value, int lanes);  ///< vector<lanes x f32>; lanes == 1 gives an f32
  Value constantLike(double value, Value like); ///< float constant of `like`'s type (scalar or vector)

  // ---- i64 arithmetic (folds constants; never overflows, so nsw)
  Value add(Value x, Value y);
  Value add(Value x, int64_t y);
  Value sub(Value x, Value y);
  Value mul(Value x, int64_t y);
  Value mul(Value x, Value y);
  Value div(Value x, int64_t y); ///< x ≥ 0
  Value rem(Value x, int64_t y); ///< x ≥ 0
  Value min(Value x, Value y);
  Value max(Value x, Value y);
  Value less(Value x, Value y); ///< i1, signed
  /// Splits a flat row-major index over `shape` (outermost first). x ≥ 0.
  SmallVector<Value> delinearize(Value x, ArrayRef<int64_t> shape);
  /// Evaluates an affine expression (dims only) on i64 values; floordiv and mod as the affine dialect defines them.
  Value affine(AffineExpr expr, ArrayRef<Value> dims);

  // ---- float arithmetic; scalars or vectors alike
  Value fma(Value x, Value y, Value z); ///< x·y + z, one rounding
  Value fadd(Value x, Value y);
  Value fsub(Value x, Value y);
  Value fmul(Value x, Value y);
  Value fdiv(Value x, Value y);
  /// A scalar on all lanes; a vector (or lanes == 1) is returned unchanged.
  Value broadcast(Value x, int lanes);

  // ---- control flow on i64
  void loop(Value lower, Value upper, int64_t step, const std::function<void(Value)> &body);
  void loop(int64_t lower, int64_t upper, int64_t step, const std::function<void(Value)> &body);
  /// With carried values; `body` returns the next ones.
  SmallVector<Value> loop(Value lower, Value upper, int64_t step, ValueRange init, const std::function<SmallVector<Value>(Value, ValueRange)> &body);
  void ifThen(Value condition, const std::function<void()> &then, const std::function<void()> &otherwise = nullptr);
  SmallVector<Value> select(Value condition, const std::function<SmallVector<Value>()> &then, const std::function<SmallVector<Value>()> &otherwise);

  // ---- memory; offsets in elements of the given type
  Value address(Value base, Value offset, Type element);
  Value addressBytes(Value base, int64_t bytes);
  /// Raw access without conversion. `mask` (vector<lanes x i1>) may be null; masked-off lanes read as zero.
  Value loadRaw(Value base, Value offset, Type element, int lanes, Value mask = nullptr);
  void storeRaw(Value value, Value base, Value offset, Value mask = nullptr);
  /// Loads and widens f16/bf16 (and narrows f64) to f32; i64 stays i64. lanes == 1 gives a scalar.
  Value load(const Operand &operand, Value offset, int lanes, Value mask = nullptr);
  /// Stores f32 (or i64) in the operand's element type; bf16 and f16 round to nearest even.
  void store(const Operand &operand, Value offset, Value value, Value mask = nullptr);
  /// Converts a loaded value (scalar or vector of any float type) to f32, and an f32 to `element`.
  Value widen(Value value);
  Value narrow(Value value, Type element);
  /// vector<lanes x i1>: lane < count (i64, or known).
  Value mask(Value count, int lanes);
  Value mask(int64_t count, int lanes);
  /// Room on the stack for `bytes`, 64-byte aligned, allocated once at the function's entry.
  Value stack(int64_t bytes);
  /// Fetches the line at an offset; nearness 3: into L1, 2: into L2. Any address is allowed.
  void prefetch(Value base, Value offset, Type element, int nearness = 3, bool write = false);

  // ---- elements addressed by affine maps
  /// The operand's element offset under `map`, as one affine expression in the map's dimensions.
  AffineExpr offsetExpr(const Operand &operand, AffineMap map);
  LaneAccess laneAccess(const Operand &operand, AffineMap map, unsigned laneDim);
  /// Elements at dims (dims[laneDim] + 0 … lanes-1 on lane l), widened to f32 as by `load`. A Uniform access gives a scalar.
  /// Strided and irregular accesses load lane by lane; masked-off lanes are then not read beyond `count` when that is known.
  Value loadLanes(const Operand &operand, const LaneAccess &access, ArrayRef<Value> dims, unsigned laneDim, int lanes, Value mask = nullptr);

private:
  void bindTensors();
  mlir::DenseMap<Value, Operand> operands_;
  mlir::func::FuncOp function_;
};

} // namespace hb::x86
