#include "lowering/emit/ScalarRegion.h"

#include "lowering/emit/FloatMath.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace hb::emit {
namespace {

using Operands = ArrayRef<Value>;
using Build = Value (*)(CodeBuilder &, Operands);

Value constantOne(CodeBuilder &kb, Value like) { return kb.constantLike(1.0, like); }

/// x^y: small constant exponents exactly by multiplication, otherwise exp(y·log x) (positive x only, relative error grows
/// with |y·log x|).
Value buildPow(CodeBuilder &kb, Operands x) {
  FloatAttr scalar;
  DenseElementsAttr dense;
  std::optional<double> exponent;
  Value from = x[1];
  if (auto broadcast = from.getDefiningOp<vector::BroadcastOp>())
    from = broadcast.getSource();
  if (matchPattern(from, m_Constant(&scalar)))
    exponent = scalar.getValueAsDouble();
  else if (matchPattern(from, m_Constant(&dense)) && dense.isSplat())
    exponent = dense.getSplatValue<APFloat>().convertToDouble();
  if (exponent == 2.0)
    return kb.fmul(x[0], x[0]);
  if (exponent == 3.0)
    return kb.fmul(kb.fmul(x[0], x[0]), x[0]);
  if (exponent == 0.5)
    return buildSqrt(kb, x[0]);
  return buildExp(kb, kb.fmul(x[1], buildLog(kb, x[0])));
}

/// Functions that become polynomials or instruction sequences; everything else elementwise is cloned.
struct MathRow {
  const char *op;
  Build build;
  int cost; ///< vector instructions, roughly
};

const MathRow mathRows[] = {
    {"math.exp", [](CodeBuilder &kb, Operands x) { return buildExp(kb, x[0]); }, 16},
    {"math.exp2", [](CodeBuilder &kb, Operands x) { return buildExp2(kb, x[0]); }, 12},
    {"math.expm1", [](CodeBuilder &kb, Operands x) { return kb.fsub(buildExp(kb, x[0]), constantOne(kb, x[0])); }, 17},
    {"math.log", [](CodeBuilder &kb, Operands x) { return buildLog(kb, x[0]); }, 32},
    {"math.log1p", [](CodeBuilder &kb, Operands x) { return buildLog(kb, kb.fadd(x[0], constantOne(kb, x[0]))); }, 33},
    {"math.log2", [](CodeBuilder &kb, Operands x) { return kb.fmul(buildLog(kb, x[0]), kb.constantLike(1.44269504088896341, x[0])); }, 33},
    {"math.sin", [](CodeBuilder &kb, Operands x) { return buildSin(kb, x[0]); }, 24},
    {"math.cos", [](CodeBuilder &kb, Operands x) { return buildCos(kb, x[0]); }, 24},
    {"math.tanh", [](CodeBuilder &kb, Operands x) { return buildTanh(kb, x[0]); }, 34},
    {"math.erf", [](CodeBuilder &kb, Operands x) { return buildErf(kb, x[0]); }, 22},
    {"math.rsqrt", [](CodeBuilder &kb, Operands x) { return kb.fdiv(constantOne(kb, x[0]), buildSqrt(kb, x[0])); }, 8},
    {"math.powf", buildPow, 50},
    {"math.fma", [](CodeBuilder &kb, Operands x) { return kb.fma(x[0], x[1], x[2]); }, 1},
};

const MathRow *findMath(StringRef name) {
  for (const MathRow &row : mathRows)
    if (name == row.op)
      return &row;
  return nullptr;
}

int lanesOf(Value value) {
  auto vector = dyn_cast<VectorType>(value.getType());
  return vector ? vector.getDimSize(0) : 1;
}

} // namespace

FailureOr<SmallVector<Value>> inlineRegion(CodeBuilder &kb, Region &region, ArrayRef<Value> args) {
  Block &block = region.front();
  assert(block.getNumArguments() == args.size() && "one value per region argument");
  IRMapping values;
  for (auto [arg, value] : llvm::zip_equal(block.getArguments(), args))
    values.map(arg, value);
  // Values of the surrounding kernel cannot be used here: the op inside an isolated def only sees tensors.
  for (Operation &op : block.without_terminator()) {
    SmallVector<Value> operands;
    int lanes = 1;
    for (Value operand : op.getOperands()) {
      operands.push_back(values.lookup(operand));
      lanes = std::max(lanes, lanesOf(operands.back()));
    }
    // select keeps a scalar condition: it chooses between whole vectors.
    bool scalarCondition = isa<arith::SelectOp>(op) && lanesOf(operands[0]) == 1;
    for (auto [index, operand] : llvm::enumerate(operands))
      if (!(index == 0 && scalarCondition))
        operand = kb.broadcast(operand, lanes);
    // Operands that were widened where they were loaded pass through; f16 and bf16 have other forms than the general conversion.
    if (auto wide = dyn_cast<arith::ExtFOp>(op); wide && wide.getType().isF32()) {
      values.map(op.getResult(0), kb.widen(operands[0]));
      continue;
    }
    // f32 to bf16 has no instruction on these levels; the builder's form needs no library.
    if (auto narrow = dyn_cast<arith::TruncFOp>(op); narrow && narrow.getType().isBF16() && narrow.getIn().getType().isF32()) {
      values.map(op.getResult(0), kb.narrow(operands[0], narrow.getType()));
      continue;
    }
    if (const MathRow *row = findMath(op.getName().getStringRef())) {
      values.map(op.getResult(0), row->build(kb, operands));
      continue;
    }
    if (!isa<arith::ArithDialect, math::MathDialect>(op.getDialect()) || op.getNumResults() != 1)
      return op.emitOpError("has no form in the code of kernels"), failure();
    OperationState state(kb.loc, op.getName());
    state.addOperands(operands);
    state.addAttributes(op.getAttrs());
    for (Type type : op.getResultTypes()) {
      if (lanes > 1 && !VectorType::isValidElementType(type))
        return op.emitOpError("has no form in the code of kernels"), failure();
      state.addTypes(lanes == 1 ? type : Type(VectorType::get({lanes}, type)));
    }
    if (op.getNumRegions() != 0)
      return op.emitOpError("has no form in the code of kernels"), failure();
    Operation *clone = kb.b.create(state);
    values.map(op.getResult(0), clone->getResult(0));
  }
  SmallVector<Value> results;
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(values.lookup(value));
  return results;
}

int regionCost(Region &region) {
  int cost = 0;
  for (Operation &op : region.front().without_terminator()) {
    const MathRow *row = findMath(op.getName().getStringRef());
    cost += row ? row->cost : isa<arith::ConstantOp>(op) ? 0 : isa<arith::DivFOp>(op) ? 4 : 1;
  }
  return cost;
}

} // namespace hb::emit
