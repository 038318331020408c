// What the code of every kernel is written with, on any target: index arithmetic, floats (scalars or vectors), control flow, conversions.
// Offsets count elements; control flow is scf, arithmetic arith, math and vector. Memory is each target's own.
#pragma once

#include "lowering/emit/Operand.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

#include <functional>
#include <optional>

namespace hb::emit {

using mlir::FailureOr;
using mlir::Location;
using mlir::LogicalResult;
using mlir::ValueRange;

class CodeBuilder {
public:
  /// `index`: the integer type of offsets; what is computed in it never overflows.
  CodeBuilder(mlir::MLIRContext *context, mlir::IntegerType index) : b(context), loc(mlir::UnknownLoc::get(context)), index_(index) {}
  virtual ~CodeBuilder() = default;

  mlir::OpBuilder b;
  Location loc;

  // ---- types and constants
  Type i64() { return b.getI64Type(); }
  Type indexType() { return index_; } ///< of offsets, counters and task numbers
  Type f32() { return b.getF32Type(); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::VectorType vec(int lanes, Type element) { return mlir::VectorType::get({lanes}, element); }
  mlir::VectorType vec(int lanes) { return vec(lanes, f32()); }
  Value i(int64_t value);                ///< constant of the index type
  Value f(double value);                 ///< f32 constant
  Value splat(double value, int lanes);  ///< vector<lanes x f32>; lanes == 1 gives an f32
  Value constantLike(double value, Value like); ///< float constant of `like`'s type (scalar or vector)

  // ---- index arithmetic (folds constants; never overflows, so nsw)
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

  // ---- conversions and masks
  /// Converts a loaded value (scalar or vector of any float type) to f32, and an f32 to `element`.
  Value widen(Value value);
  Value narrow(Value value, Type element);
  /// vector<lanes x i1>: lane < count (i64, or known).
  Value mask(Value count, int lanes);
  Value mask(int64_t count, int lanes);
  Value laneNumbers(int lanes); ///< vector<lanes x i32>: 0, 1, …
  Value toI32(Value index);
  /// The value of an integer constant.
  static std::optional<int64_t> constantOf(Value value);
  /// p · 2^n with gradual underflow and overflow to infinity, where the target has an instruction for it; else null.
  virtual Value scaleByPower(Value, Value) { return {}; }

  // ---- addresses
  Value address(Value base, Value offset, Type element);
  Value addressBytes(Value base, int64_t bytes);
  /// The operand's element offset under `map`, as one affine expression in the map's dimensions.
  AffineExpr offsetExpr(const Operand &operand, AffineMap map);
  LaneAccess laneAccess(const Operand &operand, AffineMap map, unsigned laneDim);

private:
  mlir::IntegerType index_;
};

} // namespace hb::emit
