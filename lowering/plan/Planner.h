// Plans one function: where every value lives, and when.
#pragma once

#include "dialects/nn/Nn.h"
#include "lowering/plan/Arena.h"
#include "lowering/plan/Tables.h"

namespace hb {

/// A place for values: bytes of the arena (by block number until offsets are known) or a binding that needs no arena.
struct Home {
  mlir::Attribute binding; ///< weight, constant, input or output; null in the arena
  int block = -1;
};

class Planner {
public:
  Planner(mlir::func::FuncOp func, Tables &tables, const llvm::StringMap<kernel::DefOp> &kernels) : func_(func), tables_(tables), kernels_(kernels) {}

  /// Builds the program before the function; false after a diagnostic.
  bool run(mlir::OpBuilder &builder);

private:
  struct Times {
    int64_t begin = 0, end = 0; ///< first and last command of an op (equal but for loops)
  };
  struct Loop {
    std::vector<mlir::Value> places; ///< the body's arguments: counter, then carried values; their roots
  };

  // Numbering and lifetimes.
  void number(mlir::Block &block);
  mlir::Value root(mlir::Value value);
  /// The operand in whose place a launch must leave its (only) result, or null: `tied` of its kernel.def.
  mlir::Value tiedOperand(mlir::Operation *op);
  int64_t lastUse(mlir::Value value);
  int64_t useTime(mlir::Operation *user, mlir::Block *home);

  // Places.
  bool placeValues(mlir::Block &block);
  void claimOutputs();
  void placeLoop(nn::RepeatOp repeat);
  void placeLaunch(kernel::LaunchOp launch);
  int addBlock(int64_t bytes, int64_t begin, int64_t end, mlir::Location where, mlir::StringRef name);
  int takeOver(kernel::LaunchOp launch, unsigned result);

  // Output.
  void emitBlock(mlir::OpBuilder &builder, mlir::Block &block);
  void emitCopy(mlir::OpBuilder &builder, mlir::Location where, mlir::Attribute from, int64_t fromValue, mlir::Attribute to, int64_t toValue, int64_t bytes);
  void emitYield(mlir::OpBuilder &builder, nn::RepeatOp repeat);
  mlir::Attribute binding(mlir::Value value);
  int64_t valueNumber(mlir::Value value);
  mlir::ArrayAttr signature(bool inputs);
  mlir::ArrayAttr largest(mlir::Builder &builder, const Peak &peak);
  /// What a gradient costs: FLOPs by stage, forward values that are kept for it, what is computed again.
  void countStages(plan::ProgramOp program);

  mlir::func::FuncOp func_;
  Tables &tables_;
  const llvm::StringMap<kernel::DefOp> &kernels_;

  int64_t clock_ = 0;
  llvm::DenseMap<mlir::Operation *, Times> times_;
  llvm::DenseMap<mlir::Value, mlir::Value> roots_;
  llvm::DenseMap<mlir::Value, Home> homes_; ///< of roots
  llvm::DenseMap<mlir::Value, int64_t> numbers_;
  std::vector<ArenaBlock> blocks_;
  std::vector<std::pair<mlir::Location, std::string>> owners_; ///< of blocks: for the report
  std::vector<bool> fixed_;                                    ///< of blocks: loop places are never taken over
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<int>> stages_; ///< blocks for carried values that swap, by loop
  int64_t launches_ = 0;
  std::array<int64_t, 3> flops_ = {}; ///< by grad::Stage
  int64_t factor_ = 1; ///< iterations of the fixed loops around the command being emitted
};

/// Bytes of a value; 0 for one without elements.
int64_t valueBytes(mlir::Value value);

} // namespace hb
