#include "lowering/plan/Reports.h"

#include "dialects/grad/Stage.h"
#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "lowering/kernels/Cost.h"
#include "lowering/MemoryBudget.h"
#include "lowering/kernels/FastMath.h"
#include "lowering/plan/Remarks.h"

#include <set>

using namespace mlir;
using nlohmann::json;

namespace hb {

static int64_t integer(Operation *op, StringRef name) {
  auto attribute = op->getAttrOfType<IntegerAttr>(name);
  return attribute ? attribute.getInt() : 0;
}

/// Bytes of an entry of plan.weights as the runtime packs it.
static int64_t weightBytes(DictionaryAttr weight) {
  auto type = cast<RankedTensorType>(weight.getAs<TypeAttr>("type").getValue());
  auto layout = kernel::symbolizeWeightLayout(weight.getAs<StringAttr>("layout").getValue());
  if (layout && *layout != kernel::WeightLayout::dense)
    type = RankedTensorType::get(type.getShape(), type.getElementType(), kernel::PackedAttr::get(type.getContext(), *layout));
  return tensorBytes(type);
}

int64_t weightBytes(plan::ProgramOp program) {
  auto weights = program->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>("plan.weights");
  std::set<int64_t> used;
  program.walk([&](plan::LaunchOp launch) {
    for (auto binding : launch.getBindings())
      if (auto weight = dyn_cast<plan::WeightAttr>(binding))
        used.insert(weight.getIndex());
  });
  int64_t bytes = 0;
  for (int64_t index : used)
    bytes += weightBytes(cast<DictionaryAttr>(weights[index]));
  return bytes;
}

/// Calls body(launch, times) for every launch and how often a run makes it; bodies of loops with a run-time count count once.
static void forLaunches(Block &commands, int64_t times, llvm::function_ref<void(plan::LaunchOp, int64_t)> body) {
  for (Operation &op : commands) {
    if (auto launch = dyn_cast<plan::LaunchOp>(op))
      body(launch, times);
    else if (auto loop = dyn_cast<plan::RepeatOp>(op))
      forLaunches(loop.getBody().front(), loop.getCount() ? times : times * loop.getMaxTripCount(), body);
  }
}

static int64_t executedFlops(kernel::DefOp def) { return integer(def, def->hasAttr("flops_executed") ? "flops_executed" : "flops"); }

StageFlops executedFlops(plan::ProgramOp program) {
  llvm::StringMap<int64_t> kernels;
  for (auto def : program->getParentOfType<ModuleOp>().getOps<kernel::DefOp>())
    kernels[def.getSymName()] = executedFlops(def);
  StageFlops sum;
  forLaunches(program.getBody().front(), 1, [&](plan::LaunchOp launch, int64_t times) {
    static constexpr int64_t StageFlops::*kParts[] = {&StageFlops::forward, &StageFlops::backward, &StageFlops::recompute};
    sum.*kParts[static_cast<size_t>(grad::stageOf(launch.getLoc()))] += times * kernels.lookup(launch.getKernel());
  });
  return sum;
}

/// An attribute of {name, bytes, source} entries.
static json tensorList(Operation *op, StringRef name) {
  json list = json::array();
  if (auto entries = op->getAttrOfType<ArrayAttr>(name))
    for (auto entry : entries.getAsRange<DictionaryAttr>())
      list.push_back({{"name", entry.getAs<StringAttr>("name").str()},
                      {"bytes", entry.getAs<IntegerAttr>("bytes").getInt()},
                      {"source", entry.getAs<StringAttr>("source").str()}});
  return list;
}

json memoryReport(ModuleOp module) {
  json report = json::object();
  for (auto program : module.getOps<plan::ProgramOp>())
    report[program.getSymName().str()] = {{"peak_bytes", program.getArenaBytes()},
                                          {"lower_bound_bytes", program.getLowerBound()},
                                          {"weights_bytes", weightBytes(program)},
                                          {"saved_bytes", integer(program, "saved_bytes")},
                                          {"recomputed_bytes", integer(program, "recomputed_bytes")},
                                          {"largest", tensorList(program, "largest")},
                                          {"saved", tensorList(program, "saved")}};
  return report;
}

FastMathReport fastMathReport(ModuleOp module) {
  FastMathReport report;
  for (auto def : module.getOps<kernel::DefOp>()) {
    ++report.kernels;
    StringRef use = fastMathUse(&def.getBody().front().front());
    if (!use.empty())
      report.uses[use.str()].push_back(def.getSymName().str());
  }
  return report;
}

json statsReport(ModuleOp module, llvm::ArrayRef<CodeBlob> code) {
  json report = json::object();
  std::set<std::string> fast;
  for (auto &[use, names] : fastMathReport(module).uses)
    fast.insert(names.begin(), names.end());
  for (auto program : module.getOps<plan::ProgramOp>()) {
    std::set<std::string> kernels;
    program.walk([&](plan::LaunchOp launch) { kernels.insert(launch.getKernel().str()); });
    json fastKernels = json::array();
    for (const std::string &name : kernels)
      if (fast.contains(name))
        fastKernels.push_back(name);
    const StageFlops executed = executedFlops(program);
    report[program.getSymName().str()] = {{"ops", integer(program, "ops")},
                                          {"kernels", kernels.size()},
                                          {"launches", integer(program, "launches")},
                                          {"flops_forward", integer(program, "flops")},
                                          {"flops_backward", integer(program, "flops_backward")},
                                          {"flops_recompute", integer(program, "flops_recompute")},
                                          {"flops_executed", executed.sum()},
                                          {"flops_executed_forward", executed.forward},
                                          {"flops_executed_backward", executed.backward},
                                          {"flops_executed_recompute", executed.recompute},
                                          {"code_bytes", code.empty() ? size_t(0) : code.front().object.size()},
                                          {"math", allowsFastMath(module) ? "fast" : "strict"},
                                          {"fast_math_kernels", std::move(fastKernels)}};
  }
  return report;
}

json planReport(ModuleOp module) {
  json report = statsReport(module, {}), memory = memoryReport(module);
  for (auto program : module.getOps<plan::ProgramOp>()) {
    json &entry = report[program.getSymName().str()];
    entry.update(memory[program.getSymName().str()]);
    entry.erase("code_bytes"); // there is no code yet
    llvm::StringMap<int64_t> launches;
    forLaunches(program.getBody().front(), 1, [&](plan::LaunchOp launch, int64_t times) { launches[launch.getKernel()] += times; });
    json table = json::array(), regions = json::array();
    for (auto def : module.getOps<kernel::DefOp>())
      if (int64_t count = launches.lookup(def.getSymName()))
        table.push_back({{"name", def.getSymName().str()},
                         {"family", def.getBody().front().front().getName().stripDialect().str()},
                         {"launches", count},
                         {"flops", count * integer(def, "flops")},
                         {"flops_executed", count * executedFlops(def)},
                         {"bytes", count * integer(def, "bytes")},
                         {"what", describeKernel(def)},
                         {"source", def->hasAttr("source") ? def->getAttrOfType<StringAttr>("source").str() : ""}});
    entry["kernel_table"] = std::move(table);
    if (auto list = program->getAttrOfType<ArrayAttr>(kRecomputedAttribute))
      for (auto region : list.getAsRange<DictionaryAttr>()) {
        json item;
        for (NamedAttribute field : region) {
          if (auto text = dyn_cast<StringAttr>(field.getValue()))
            item[field.getName().str()] = text.str();
          else if (auto number = dyn_cast<IntegerAttr>(field.getValue()))
            item[field.getName().str()] = number.getInt();
        }
        regions.push_back(std::move(item));
      }
    entry["recomputed"] = std::move(regions);
  }
  return report;
}

} // namespace hb
