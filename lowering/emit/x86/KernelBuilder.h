// Builds the machine-level form of one kernel: `void symbol(void **buffers, void *scratch, i64 task)`.
//
// Kernels are built on raw pointers (LLVM dialect loads and stores) with i64 offsets counted in elements, control flow in
// scf, arithmetic in arith/vector. Raw pointers rather than memrefs because checkpoint tensors may lie at any byte address
// (all element accesses claim alignment 1) and because a buffer's extent is of no use below this point.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/CodeBuilder.h"
#include "lowering/emit/x86/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace hb::x86 {

using namespace emit; // kernels are written in the common vocabulary

class KernelBuilder;

/// What a family hands back for a kernel: same values for every variant of the target.
struct Launch {
  int64_t grid = 1;
  int64_t scratchBytes = 0;
};

class KernelBuilder : public emit::CodeBuilder {
public:
  /// Starts the function for `def` inside `module` (its own, in def's context). The insertion point is the function's body.
  KernelBuilder(mlir::ModuleOp module, kernel::DefOp def, const X86Target &target);
  /// Ends the function with a return.
  void finish();

  const X86Target &target;
  kernel::DefOp def;
  Value scratch; ///< !llvm.ptr, Launch::scratchBytes, 64-byte aligned, private to the task
  Value task;    ///< i64 in [0, grid)

  int lanes() const { return target.vectorLanes; }
  /// The operand for a value of the kernel's body: a block argument of the def, or a value the def returns.
  const Operand &operand(Value value) const;

  // ---- memory; offsets in elements of the given type
  /// Raw access without conversion. `mask` (vector<lanes x i1>) may be null; masked-off lanes read as zero.
  Value loadRaw(Value base, Value offset, Type element, int lanes, Value mask = nullptr);
  void storeRaw(Value value, Value base, Value offset, Value mask = nullptr);
  /// Loads and widens f16/bf16 (and narrows f64) to f32; i64 stays i64. lanes == 1 gives a scalar.
  Value load(const Operand &operand, Value offset, int lanes, Value mask = nullptr);
  /// Stores f32 (or i64) in the operand's element type; bf16 and f16 round to nearest even.
  void store(const Operand &operand, Value offset, Value value, Value mask = nullptr);
  /// Room on the stack for `bytes`, 64-byte aligned, allocated once at the function's entry.
  Value stack(int64_t bytes);
  /// Fetches the line at an offset; nearness 3: into L1, 2: into L2. Any address is allowed.
  void prefetch(Value base, Value offset, Type element, int nearness = 3, bool write = false);

  // ---- elements addressed by affine maps
  /// Elements at dims (dims[laneDim] + 0 … lanes-1 on lane l), widened to f32 as by `load`. A Uniform access gives a scalar.
  /// Strided and irregular accesses load lane by lane; masked-off lanes are then not read beyond `count` when that is known.
  Value loadLanes(const Operand &operand, const LaneAccess &access, ArrayRef<Value> dims, unsigned laneDim, int lanes, Value mask = nullptr);

  Value scaleByPower(Value p, Value n) override;

private:
  void bindTensors();
  mlir::DenseMap<Value, Operand> operands_;
  mlir::func::FuncOp function_;
};

} // namespace hb::x86
