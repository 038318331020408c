// Builds one kernel of a device that runs blocks of threads: `kernel(pointers of operands, then of results)`.
//
// Families are written once, on this class; what differs between devices (thread numbers, shared memory, barriers, exchange between the
// lanes of a warp) is behind its virtual functions. Index arithmetic is 32 bits wide wherever every tensor of the kernel allows it.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "lowering/emit/CodeBuilder.h"

namespace hb::gpu {

using namespace emit;

/// How a kernel is launched: `grid` blocks of `block` threads with `sharedBytes` of dynamic shared memory each.
struct Launch {
  int64_t grid = 1, block = 1, sharedBytes = 0;
};

class KernelBuilder : public emit::CodeBuilder {
public:
  explicit KernelBuilder(kernel::DefOp def);

  kernel::DefOp def;
  static constexpr int warpLanes = 32;

  /// The operand for a value of the kernel's body: a block argument of the def, or a value the def returns.
  const Operand &operand(Value value) const;

  // ---- the launch
  virtual Value block() = 0;  ///< this block's number, an index
  virtual Value thread() = 0; ///< this thread's number in its block, an index
  /// All threads of the block, and what they wrote to shared memory. Only where every thread of the block arrives.
  virtual void barrier() = 0;
  /// The value of lane (this lane xor `mask`) of the warp; 32 or 64 bits. Only where every lane of the warp arrives.
  Value exchange(Value value, int mask);

  // ---- shared memory: a pointer to `bytes`, aligned to 16, the block's own; sharedBytes() is what has been handed out
  Value shared(int64_t bytes);
  int64_t sharedBytes() const { return sharedBytes_; }

  // ---- memory; offsets in elements of the given type. Vectors of up to 16 bytes; `alignment` in bytes, 0: that of an element
  Value loadRaw(Value base, Value offset, Type element, int lanes = 1, int64_t alignment = 0);
  void storeRaw(Value value, Value base, Value offset, int64_t alignment = 0);
  /// Loads and widens to f32 (i64 stays); stores narrowed to the operand's type.
  Value load(const Operand &operand, Value offset, int lanes = 1, int64_t alignment = 0);
  void store(const Operand &operand, Value offset, Value value, int64_t alignment = 0);
  /// A load where `condition` holds, else zero; nothing is read then.
  Value loadIf(Value condition, const Operand &operand, Value offset);

  using Combine = llvm::function_ref<Value(Value, Value)>;
  /// Combines the values of every `threads` neighbouring threads (a power of two up to the block's `block`): a fixed tree, the result in each.
  /// More than a warp means the whole block, some shared memory and two barriers.
  Value combineThreads(Value x, int64_t threads, Combine combine);
  Value sumThreads(Value x, int64_t threads);
  Value maxThreads(Value x, int64_t threads);

protected:
  /// Describes the operands; called by the device's constructor, whose function has one pointer per tensor.
  void bindTensors(ValueRange pointers);
  /// The first byte of the block's dynamic shared memory.
  virtual Value sharedBase() = 0;
  virtual Value shuffleXor(Value value, int mask) = 0; ///< f32 or i32

private:
  mlir::DenseMap<Value, Operand> operands_;
  int64_t sharedBytes_ = 0;
  Value combineMemory_; ///< of combineThreads
};

/// The integer type of a kernel's offsets: 32 bits unless a tensor is larger.
mlir::IntegerType indexTypeFor(kernel::DefOp def);

} // namespace hb::gpu
