// hb-narrow-storage: which tensors between kernels are stored in f16 or bf16. Arithmetic inside kernels is f32 before and after.
#include "lowering/kernels/NarrowStorage.h"

#include "lowering/kernels/MapBuilder.h"
#include "lowering/kernels/Passes.h"

using namespace mlir;

namespace hb {

#define GEN_PASS_DEF_HBNARROWSTORAGE
#include "lowering/kernels/Passes.h.inc"

namespace {

/// One vector per sample or less: embeddings of time and sizes, pooled embeddings, scores. They hold the coarsest information and next to no memory.
constexpr int64_t kVectorRank = 2;

bool isFamily(Operation *op) {
  return isa_and_nonnull<kernel::ContractOp, kernel::AttentionOp, kernel::GroupStatsOp, kernel::NormalizeOp, kernel::MapOp, kernel::ConcatOp, kernel::GatherOp,
                         kernel::ReduceOp, kernel::AdaptivePoolOp, kernel::WinogradInputOp, kernel::WinogradOutputOp>(op);
}

/// The op or block argument whose buffer `value` shows.
Value storageOf(Value value) {
  while (auto view = value.getDefiningOp<kernel::ViewOp>())
    value = view.getX();
  return value;
}

bool isF32(Value value) { return tensorOf(value).getElementType().isF32(); }

/// A scalar region and the kernel's operands that are its last arguments, in order.
struct Scalars {
  Region *region = nullptr;
  OperandRange operands;
};
std::optional<Scalars> scalarsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Scalars>>(op)
      .Case<kernel::ContractOp, kernel::WinogradOutputOp>([](auto o) { return Scalars{&o.getEpilogue(), o.getExtras()}; })
      .Case([](kernel::NormalizeOp o) { return Scalars{&o.getEpilogue(), o->getOperands().take_front(0)}; })
      .Case<kernel::MapOp, kernel::ReduceOp>([](auto o) { return Scalars{&o.getBody(), o.getInputs()}; })
      .Default([](Operation *) { return std::nullopt; });
}

class Narrower {
public:
  Narrower(func::FuncOp func, FloatType element, ArrayRef<std::string> wideScopes) : func_(func), element_(element), wideScopes_(wideScopes) {
    scoresOnly_ = llvm::all_of(func.getResultTypes(), [](Type type) { return cast<RankedTensorType>(type).getRank() <= kVectorRank; });
  }

  void run() {
    keepWhatLeaves();
    keepArguments();
    func_.walk([&](Operation *op) { // operands before their readers
      if (isFamily(op) && staysWide(op))
        wide_.insert(op);
    });
    func_.walk([&](Operation *op) {
      if (auto weight = dyn_cast<kernel::WeightOp>(op))
        narrowWeight(weight);
      else if (auto view = dyn_cast<kernel::ViewOp>(op))
        view.getResult().setType(withElement(view.getResult(), tensorOf(view.getX()).getElementType()));
      else if (isFamily(op))
        rewrite(op);
    });
  }

private:
  bool keptWide(Value value) {
    Operation *op = storageOf(value).getDefiningOp();
    return !isFamily(op) || wide_.contains(op);
  }

  /// Results of the function and values that a loop carries, and the element-wise steps that lead to them: the sampler's arithmetic, which runs on
  /// latents once per step, and an output's last conversions.
  void keepWhatLeaves() {
    SmallVector<Value> work;
    func_.walk([&](Operation *op) {
      if (isa<func::ReturnOp, nn::YieldOp>(op))
        llvm::append_range(work, op->getOperands());
      if (auto repeat = dyn_cast<nn::RepeatOp>(op))
        llvm::append_range(work, repeat.getInits());
    });
    while (!work.empty()) {
      Operation *op = storageOf(work.pop_back_val()).getDefiningOp();
      if (isFamily(op) && wide_.insert(op).second && isa<kernel::MapOp, kernel::ConcatOp>(op))
        llvm::append_range(work, op->getOperands());
    }
  }

  /// What only an f32 can hold: arguments of sine and cosine (up to a thousand periods), masks of attention (lowest floats).
  void keepArguments() {
    auto keep = [&](Value value) {
      if (Operation *op = storageOf(value).getDefiningOp(); isFamily(op))
        wide_.insert(op);
    };
    func_.walk([&](Operation *op) {
      if (auto attention = dyn_cast<kernel::AttentionOp>(op); attention && attention.getMask())
        keep(attention.getMask());
      std::optional<Scalars> scalars = scalarsOf(op);
      if (scalars && llvm::any_of(scalars->region->front(), llvm::IsaPred<math::SinOp, math::CosOp>))
        llvm::for_each(scalars->operands, keep);
    });
  }

  bool staysWide(Operation *op) {
    if (followsWideScope(op))
      return true;
    Value result = op->getResult(0);
    if (scoresOnly_ || !isF32(result) || tensorOf(result).getRank() <= kVectorRank)
      return true;
    // Statistics and Winograd planes are intermediate sums, not activations.
    if (isa<kernel::GroupStatsOp, kernel::WinogradInputOp>(op))
      return true;
    if (auto contract = dyn_cast<kernel::ContractOp>(op); contract && contract.getForm() == kernel::ContractForm::planes)
      return true;
    // What is made of f32 tensors element by element: inputs of the entry on their way to the first layer.
    return isa<kernel::MapOp, kernel::ConcatOp, kernel::AdaptivePoolOp>(op) && llvm::all_of(op->getOperands(), [&](Value operand) { return keptWide(operand); });
  }

  /// Reads a weight of a scope that stays wide, or a value that such an op computed.
  bool followsWideScope(Operation *op) {
    bool follows = llvm::any_of(op->getOperands(), [&](Value operand) {
      Operation *source = storageOf(operand).getDefiningOp();
      if (auto weight = dyn_cast_or_null<kernel::WeightOp>(source))
        return llvm::any_of(weight.getSources().getAsRange<kernel::SourceAttr>(),
                            [&](kernel::SourceAttr from) { return llvm::is_contained(wideScopes_, from.getScope().getValue()); });
      return afterWideScope_.contains(source);
    });
    if (follows)
      afterWideScope_.insert(op);
    return follows;
  }

  RankedTensorType withElement(Value value, Type element) {
    auto type = tensorOf(value);
    return RankedTensorType::get(type.getShape(), element, type.getEncoding());
  }

  /// Weights that contractions stream and that are stored wider; what the checkpoint stores in 16 bits is not rounded again. Adapter factors stay f32.
  void narrowWeight(kernel::WeightOp weight) {
    auto packed = dyn_cast_if_present<kernel::PackedAttr>(tensorOf(weight).getEncoding());
    bool panels = packed && (packed.getLayout() == kernel::WeightLayout::panel16 || packed.getLayout() == kernel::WeightLayout::gated_panel16);
    bool stored = llvm::all_of(weight.getSources().getAsRange<kernel::SourceAttr>(), [](kernel::SourceAttr source) {
      return source.getType().getElementTypeBitWidth() > 16 && !source.getScope().getValue().starts_with("adapter:");
    });
    if (panels && stored)
      weight.getResult().setType(withElement(weight, element_));
  }

  void rewrite(Operation *op) {
    Value result = op->getResult(0);
    const bool narrow = !wide_.contains(op);
    if (narrow)
      result.setType(withElement(result, element_));
    std::optional<Scalars> scalars = scalarsOf(op);
    if (!scalars)
      return;
    Block &block = scalars->region->front();
    OpBuilder b = OpBuilder::atBlockBegin(&block);
    unsigned first = block.getNumArguments() - scalars->operands.size();
    for (auto [i, operand] : llvm::enumerate(scalars->operands)) {
      BlockArgument argument = block.getArgument(first + i);
      if (argument.getType() == tensorOf(operand).getElementType())
        continue;
      argument.setType(tensorOf(operand).getElementType());
      auto wide = arith::ExtFOp::create(b, op->getLoc(), b.getF32Type(), argument);
      argument.replaceAllUsesExcept(wide, wide);
    }
    if (!narrow || isa<kernel::ReduceOp>(op)) // a reduction's body yields f32: what is stored is rounded behind the sum
      return;
    Operation *yield = block.getTerminator();
    Value value = yield->getOperand(0);
    auto moved = value.getDefiningOp<arith::ExtFOp>(); // an element that is only moved keeps its bits
    if (moved && moved.getIn().getType() == element_) {
      yield->setOperand(0, moved.getIn());
      if (moved->use_empty())
        moved.erase();
      return;
    }
    b.setInsertionPoint(yield);
    yield->setOperand(0, arith::TruncFOp::create(b, op->getLoc(), element_, value));
  }

  func::FuncOp func_;
  FloatType element_;
  ArrayRef<std::string> wideScopes_;
  bool scoresOnly_;                                  ///< the entry's results are a few numbers for each sample
  llvm::DenseSet<Operation *> wide_, afterWideScope_; ///< families whose result stays as it is
};

struct NarrowStorage : impl::HbNarrowStorageBase<NarrowStorage> {
  using HbNarrowStorageBase::HbNarrowStorageBase;

  void runOnOperation() override {
    auto module = getOperation()->getParentOfType<ModuleOp>();
    std::string wanted = dtype.empty() ? storageDtype(module).str() : dtype.getValue();
    if (wanted == "f32" || getOperation().isDeclaration())
      return;
    Builder b(&getContext());
    FloatType element = wanted == "bf16" ? FloatType(b.getBF16Type()) : wanted == "f16" ? FloatType(b.getF16Type()) : FloatType();
    if (!element) {
      getOperation().emitError() << "HB0802: expected the storage type f32, bf16 or f16; found '" << wanted << "'; this is a defect of the caller";
      return signalPassFailure();
    }
    SmallVector<std::string> wide;
    if (auto scopes = module ? module->getAttrOfType<ArrayAttr>(kWideScopesAttribute) : ArrayAttr())
      for (StringAttr scope : scopes.getAsRange<StringAttr>())
        wide.push_back(scope.str());
    Narrower(getOperation(), element, wide).run();
  }
};

} // namespace

StringRef storageDtype(ModuleOp module) {
  auto dtype = module ? module->getAttrOfType<StringAttr>(kDtypeAttribute) : StringAttr();
  return dtype ? dtype.getValue() : StringRef("f32");
}

} // namespace hb
