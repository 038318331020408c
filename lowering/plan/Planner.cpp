#include "lowering/plan/Planner.h"

#include "dialects/grad/Stage.h"
#include "lowering/kernels/Cost.h"
#include "lowering/kernels/MapBuilder.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/Source.h"

using namespace mlir;

namespace hb {

int64_t valueBytes(Value value) { return tensorBytes(tensorOf(value)); }

// ---------------------------------------------------------------- numbering and lifetimes

void Planner::number(mlir::Block &block) {
  for (Operation &op : block) {
    if (isa<kernel::WeightOp, kernel::ConstantOp, kernel::ViewOp>(op))
      continue;
    Times times; // entered when complete: a loop's body adds to the map, which moves its entries
    times.begin = times.end = clock_++;
    if (auto repeat = dyn_cast<nn::RepeatOp>(op)) {
      number(repeat.getBody().front());
      times.end = clock_++;
    }
    times_[&op] = times;
  }
}

Value Planner::tiedOperand(Operation *op) {
  auto launch = dyn_cast_if_present<kernel::LaunchOp>(op);
  kernel::DefOp def = launch ? kernels_.lookup(launch.getKernel()) : kernel::DefOp();
  auto tied = def ? def->getAttrOfType<IntegerAttr>("tied") : IntegerAttr();
  return tied ? launch.getOperands()[tied.getInt()] : Value();
}

Value Planner::root(Value value) {
  auto [entry, isNew] = roots_.try_emplace(value, value);
  if (!isNew)
    return entry->second;
  Value found = value;
  if (auto view = value.getDefiningOp<kernel::ViewOp>())
    found = root(view.getX());
  if (Value tied = tiedOperand(value.getDefiningOp()))
    found = root(tied);
  // Results of a loop live where its carried values live.
  if (auto repeat = value.getDefiningOp<nn::RepeatOp>())
    found = repeat.getBody().front().getArgument(cast<OpResult>(value).getResultNumber() + 1);
  roots_[value] = found;
  return found;
}

/// When `user` reads a value of `home`: inside a loop that `home` is outside of, until the loop ends.
int64_t Planner::useTime(Operation *user, mlir::Block *home) {
  Operation *at = user;
  while (at->getBlock() != home)
    at = at->getParentOp();
  return at == user ? times_[at].begin : times_[at].end;
}

int64_t Planner::lastUse(Value value) {
  int64_t last = -1;
  SmallVector<Value> todo = {value};
  mlir::Block *home = value.getParentBlock();
  while (!todo.empty()) {
    Value next = todo.pop_back_val();
    for (Operation *user : next.getUsers()) {
      if (auto view = dyn_cast<kernel::ViewOp>(user)) {
        todo.push_back(view.getResult());
        continue;
      }
      if (tiedOperand(user) == next)
        todo.push_back(user->getResult(0));
      // A yield reads when its loop's body ends, which is also when the carried places are written.
      last = std::max(last, isa<nn::YieldOp>(user) && user->getBlock() == home ? times_[user->getParentOp()].end : useTime(user, home));
    }
  }
  return last;
}

// ---------------------------------------------------------------- places

int Planner::addBlock(int64_t bytes, int64_t begin, int64_t end, Location where, StringRef name) {
  ArenaBlock block;
  block.size = std::max(roundUp(bytes), kArenaAlignment);
  block.begin = begin;
  block.end = std::max(begin, end);
  blocks_.push_back(block);
  owners_.push_back({where, name.str()});
  fixed_.push_back(false);
  return blocks_.size() - 1;
}

/// Results that are computed in the function's outermost block go straight to the outputs, the first time they are returned.
void Planner::claimOutputs() {
  mlir::Block &body = func_.getBody().front();
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Value origin = root(value);
    auto launch = origin.getDefiningOp<kernel::LaunchOp>();
    if (!launch || launch->getBlock() != &body || homes_.count(origin) || !isContiguous(value) || !isContiguous(origin) ||
        valueBytes(origin) != valueBytes(value))
      continue;
    homes_[origin].binding = plan::OutputAttr::get(func_.getContext(), i);
  }
}

/// The block of an operand that dies here and that the kernel lets this result overwrite, or −1.
int Planner::takeOver(kernel::LaunchOp launch, unsigned result) {
  kernel::DefOp def = kernels_.lookup(launch.getKernel());
  auto pairs = def ? def->getAttrOfType<ArrayAttr>("inplace") : ArrayAttr();
  if (!pairs)
    return -1;
  int64_t now = times_[launch].begin;
  for (auto pair : pairs.getAsRange<ArrayAttr>()) {
    if (static_cast<unsigned>(cast<IntegerAttr>(pair[1]).getInt()) != result)
      continue;
    unsigned number = cast<IntegerAttr>(pair[0]).getInt();
    Value operand = launch.getOperands()[number], origin = root(operand);
    auto home = homes_.find(origin);
    if (home == homes_.end() || home->second.block < 0)
      continue;
    int block = home->second.block;
    bool readTwice = false; // another operand in the same place would be overwritten while it is still read
    for (auto [i, other] : llvm::enumerate(launch.getOperands())) {
      auto otherHome = homes_.find(root(other));
      readTwice |= i != number && otherHome != homes_.end() && otherHome->second.block == block;
    }
    if (readTwice || fixed_[block] || blocks_[block].end != now || valueBytes(origin) != valueBytes(launch.getResult(result)))
      continue;
    return block;
  }
  return -1;
}

void Planner::placeLaunch(kernel::LaunchOp launch) {
  int64_t now = times_[launch].begin;
  for (OpResult result : launch.getResults()) {
    if (homes_.count(result) || root(result) != result)
      continue;
    int block = takeOver(launch, result.getResultNumber());
    if (block >= 0)
      blocks_[block].end = std::max(now, lastUse(result));
    else
      block = addBlock(valueBytes(result), now, lastUse(result), launch.getLoc(), launch.getKernel());
    homes_[result].block = block;
  }
}

void Planner::placeLoop(nn::RepeatOp repeat) {
  Times times = times_[repeat];
  mlir::Block &body = repeat.getBody().front();
  for (BlockArgument place : body.getArguments()) {
    int64_t end = times.end;
    if (place.getArgNumber() > 0)
      end = std::max(end, lastUse(repeat.getResult(place.getArgNumber() - 1)));
    int block = addBlock(valueBytes(place), times.begin, end, repeat.getLoc(), place.getArgNumber() ? "carried value" : "loop counter");
    fixed_[block] = true;
    homes_[place].block = block;
  }
  // A carried value that the next iteration gets in another place must be read before it is overwritten.
  SmallVector<int> &stages = stages_[repeat];
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    auto argument = dyn_cast<BlockArgument>(root(value));
    bool moves = argument && argument.getOwner() == &body && argument.getArgNumber() != i + 1;
    stages.push_back(moves ? addBlock(valueBytes(value), times.end, times.end, repeat.getLoc(), "carried value") : -1);
  }
}

bool Planner::placeValues(mlir::Block &block) {
  for (Operation &op : block) {
    if (auto weight = dyn_cast<kernel::WeightOp>(op)) {
      homes_[weight.getResult()].binding = tables_.weight(weight);
    } else if (auto constant = dyn_cast<kernel::ConstantOp>(op)) {
      homes_[constant.getResult()].binding = tables_.constant(constant);
    } else if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
      placeLaunch(launch);
    } else if (auto repeat = dyn_cast<nn::RepeatOp>(op)) {
      placeLoop(repeat);
      if (!placeValues(repeat.getBody().front()))
        return false;
    } else if (!isa<kernel::ViewOp, nn::YieldOp, func::ReturnOp>(op)) {
      op.emitOpError() << "HB0820: expected launches, views, weights, constants and loops; found this; run the kernels phase first";
      return false;
    }
  }
  return true;
}

// ---------------------------------------------------------------- output

Attribute Planner::binding(Value value) {
  const Home &home = homes_[root(value)];
  if (home.binding)
    return home.binding;
  return plan::ArenaAttr::get(func_.getContext(), blocks_[home.block].offset, valueBytes(root(value)));
}

int64_t Planner::valueNumber(Value value) { return numbers_.try_emplace(root(value), numbers_.size()).first->second; }

void Planner::emitCopy(OpBuilder &b, Location where, Attribute from, int64_t fromValue, Attribute to, int64_t toValue, int64_t bytes) {
  auto copy = plan::CopyOp::create(b, where, from, to, bytes);
  copy->setAttr("values", b.getDenseI64ArrayAttr({fromValue, toValue}));
}

/// The end of a body: what moves between places is read first, then every place is written.
void Planner::emitYield(OpBuilder &b, nn::RepeatOp repeat) {
  mlir::Block &body = repeat.getBody().front();
  Location where = body.getTerminator()->getLoc();
  auto yielded = body.getTerminator()->getOperands();
  ArrayRef<int> stages = stages_[repeat];
  auto stagePlace = [&](int stage, int64_t bytes) { return plan::ArenaAttr::get(b.getContext(), blocks_[stage].offset, bytes); };
  SmallVector<int64_t> stageNumbers(stages.size());
  for (auto [i, value] : llvm::enumerate(yielded))
    if (stages[i] >= 0) {
      stageNumbers[i] = (int64_t(1) << 32) + stages[i]; // a value of its own, numbered apart from the function's
      emitCopy(b, where, binding(value), valueNumber(value), stagePlace(stages[i], valueBytes(value)), stageNumbers[i], valueBytes(value));
    }
  for (auto [i, value] : llvm::enumerate(yielded)) {
    Value place = body.getArgument(i + 1);
    if (root(value) == place)
      continue;
    if (stages[i] >= 0)
      emitCopy(b, where, stagePlace(stages[i], valueBytes(value)), stageNumbers[i], binding(place), valueNumber(place), valueBytes(value));
    else
      emitCopy(b, where, binding(value), valueNumber(value), binding(place), valueNumber(place), valueBytes(value));
  }
}

void Planner::emitBlock(OpBuilder &b, mlir::Block &block) {
  for (Operation &op : block) {
    if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
      SmallVector<Attribute> bindings;
      SmallVector<int64_t> numbers;
      for (Value value : llvm::concat<Value>(SmallVector<Value>(launch.getOperands()), SmallVector<Value>(launch.getResults()))) {
        bindings.push_back(binding(value));
        numbers.push_back(valueNumber(value));
      }
      auto command = plan::LaunchOp::create(b, op.getLoc(), launch.getKernelAttr(), b.getArrayAttr(bindings));
      command->setAttr("values", b.getDenseI64ArrayAttr(numbers));
      launches_ += factor_;
      if (kernel::DefOp def = kernels_.lookup(launch.getKernel()))
        if (auto flops = def->getAttrOfType<IntegerAttr>("flops"))
          flops_[static_cast<size_t>(grad::stageOf(op.getLoc()))] += factor_ * flops.getInt();
    } else if (auto repeat = dyn_cast<nn::RepeatOp>(op)) {
      mlir::Block &body = repeat.getBody().front();
      for (auto [i, init] : llvm::enumerate(repeat.getInits()))
        emitCopy(b, op.getLoc(), binding(init), valueNumber(init), binding(body.getArgument(i + 1)), valueNumber(body.getArgument(i + 1)), valueBytes(init));
      Attribute count = repeat.getCount() ? binding(repeat.getCount()) : Attribute();
      auto loop = plan::RepeatOp::create(b, op.getLoc(), count, repeat.getMaxTripCountAttr(), binding(body.getArgument(0)));
      SmallVector<int64_t> numbers = {valueNumber(body.getArgument(0))};
      if (count)
        numbers.push_back(valueNumber(repeat.getCount()));
      loop->setAttr("values", b.getDenseI64ArrayAttr(numbers));
      OpBuilder inner = OpBuilder::atBlockBegin(&loop.getBody().emplaceBlock());
      int64_t outside = factor_;
      if (!count) // how often a run-time count repeats is not known here: such bodies count once
        factor_ *= repeat.getMaxTripCount();
      emitBlock(inner, body);
      emitYield(inner, repeat);
      factor_ = outside;
    }
  }
}

ArrayAttr Planner::signature(bool inputs) {
  Builder b(func_.getContext());
  ArrayRef<Type> types = inputs ? func_.getArgumentTypes() : func_.getResultTypes();
  SmallVector<Attribute> entries;
  for (auto [i, type] : llvm::enumerate(types)) {
    auto attribute = [&](StringRef name) { return inputs ? func_.getArgAttr(i, name) : func_.getResultAttr(i, name); };
    NamedAttrList entry;
    auto name = dyn_cast_if_present<StringAttr>(attribute("nn.name"));
    entry.set("name", name ? name : b.getStringAttr((inputs ? "input" : "output") + std::to_string(i)));
    entry.set("type", TypeAttr::get(type));
    if (Attribute range = attribute("kernel.range"))
      entry.set("range", range);
    if (Attribute fallback = attribute("nn.default"))
      entry.set("default", fallback);
    entries.push_back(entry.getDictionary(func_.getContext()));
  }
  return b.getArrayAttr(entries);
}

/// The blocks that make the peak, largest first.
ArrayAttr Planner::largest(Builder &b, const Peak &peak) {
  constexpr size_t kShown = 10;
  std::vector<int> live;
  for (auto [i, block] : llvm::enumerate(blocks_))
    if (block.begin <= peak.command && peak.command <= block.end)
      live.push_back(i);
  std::stable_sort(live.begin(), live.end(), [&](int x, int y) { return blocks_[x].size > blocks_[y].size; });
  SmallVector<Attribute> entries;
  for (int i : llvm::ArrayRef(live).take_front(kShown)) {
    auto &[where, name] = owners_[i];
    std::string path = modulePath(where);
    entries.push_back(b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(path.empty() ? name : path)),
                                           b.getNamedAttr("bytes", b.getI64IntegerAttr(blocks_[i].size)),
                                           b.getNamedAttr("source", b.getStringAttr(sourceText(where)))}));
  }
  return b.getArrayAttr(entries);
}

void Planner::countStages(plan::ProgramOp program) {
  using grad::Stage;
  Builder b(func_.getContext());
  auto set = [&](StringRef name, int64_t value) { // absent is 0
    if (value)
      program->setAttr(name, b.getI64IntegerAttr(value));
  };
  program->setAttr("flops", b.getI64IntegerAttr(flops_[0]));
  set("flops_backward", flops_[1]);
  set("flops_recompute", flops_[2]);
  // Kept: a value of the arena that a forward launch leaves and one of another stage reads.
  struct Saved {
    Location where;
    std::string name;
    int64_t bytes;
  };
  SmallVector<Saved> saved;
  int64_t savedBytes = 0, againBytes = 0;
  auto stage = [](Operation *op) { return grad::stageOf(op->getLoc()); };
  auto isReadLater = [&](Value value) {
    SmallVector<Value> todo = {value};
    while (!todo.empty()) {
      Value next = todo.pop_back_val();
      for (Operation *user : next.getUsers()) {
        if (auto view = dyn_cast<kernel::ViewOp>(user))
          todo.push_back(view.getResult());
        else if (tiedOperand(user) == next)
          todo.push_back(user->getResult(0));
        if (isa<kernel::LaunchOp>(user) && stage(user) != Stage::forward)
          return true;
      }
    }
    return false;
  };
  for (Operation &op : func_.getBody().front()) {
    if (!isa<kernel::LaunchOp, nn::RepeatOp>(op))
      continue;
    for (Value result : op.getResults()) {
      if (homes_[root(result)].block < 0 || (root(result) != result && !isa<nn::RepeatOp>(op)))
        continue;
      if (stage(&op) == Stage::recompute)
        againBytes += valueBytes(result);
      if (stage(&op) != Stage::forward || !isReadLater(result))
        continue;
      savedBytes += valueBytes(result);
      std::string name = modulePath(op.getLoc());
      if (auto launch = dyn_cast<kernel::LaunchOp>(op); launch && name.empty())
        name = launch.getKernel().str();
      saved.push_back({op.getLoc(), name.empty() ? "carried value" : name, valueBytes(result)});
    }
  }
  set("saved_bytes", savedBytes);
  set("recomputed_bytes", againBytes);
  llvm::stable_sort(saved, [](const Saved &x, const Saved &y) { return x.bytes > y.bytes; });
  SmallVector<Attribute> entries;
  for (const Saved &value : saved)
    entries.push_back(b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(value.name)), b.getNamedAttr("bytes", b.getI64IntegerAttr(value.bytes)),
                                           b.getNamedAttr("source", b.getStringAttr(sourceText(value.where)))}));
  if (!entries.empty())
    program->setAttr("saved", b.getArrayAttr(entries));
  for (StringRef name : {StringRef(kRecomputedAttribute), StringRef(kUnfitAttribute)})
    if (Attribute attribute = func_->getAttr(name))
      program->setAttr(name, attribute);
}

bool Planner::run(OpBuilder &b) {
  mlir::Block &body = func_.getBody().front();
  number(body);
  for (BlockArgument argument : body.getArguments())
    homes_[argument].binding = plan::InputAttr::get(func_.getContext(), argument.getArgNumber());
  claimOutputs();
  if (!placeValues(body))
    return false;
  Peak peak = peakOf(blocks_);
  int64_t used = assignOffsets(blocks_);
  int64_t arena = used ? used + kReadablePadding : 0, lowerBound = peak.bytes ? peak.bytes + kReadablePadding : 0;
  auto program = plan::ProgramOp::create(b, func_.getLoc(), func_.getSymName(), signature(true), signature(false), arena, lowerBound);
  OpBuilder inner = OpBuilder::atBlockBegin(&program.getBody().emplaceBlock());
  emitBlock(inner, body);
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Attribute target = plan::OutputAttr::get(func_.getContext(), i);
    if (binding(value) != target)
      emitCopy(inner, body.getTerminator()->getLoc(), binding(value), valueNumber(value), target, valueNumber(value), valueBytes(value));
  }
  program->setAttr("largest", largest(b, peak));
  program->setAttr("ops", func_->hasAttr("kernel.ops") ? func_->getAttr("kernel.ops") : b.getI64IntegerAttr(0));
  program->setAttr("launches", b.getI64IntegerAttr(launches_));
  countStages(program);
  return true;
}

} // namespace hb
