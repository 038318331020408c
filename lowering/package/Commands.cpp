#include "lowering/package/Commands.h"

#include "lowering/plan/Reports.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using nlohmann::json;

namespace hb {

std::string dtypeText(Type element) {
  return llvm::TypeSwitch<Type, std::string>(element)
      .Case<Float64Type>([](auto) { return "F64"; })
      .Case<Float32Type>([](auto) { return "F32"; })
      .Case<Float16Type>([](auto) { return "F16"; })
      .Case<BFloat16Type>([](auto) { return "BF16"; })
      .Default([](Type) { return "I64"; });
}

json tensorJson(RankedTensorType type) { return {{"dtype", dtypeText(type.getElementType())}, {"shape", std::vector<int64_t>(type.getShape())}}; }

json bindingJson(Attribute binding) {
  return llvm::TypeSwitch<Attribute, json>(binding)
      .Case([](plan::ArenaAttr a) { return json::array({"a", a.getOffset()}); })
      .Case([](plan::WeightAttr w) { return json::array({"w", w.getIndex()}); })
      .Case([](plan::ConstantAttr c) { return json::array({"c", c.getOffset()}); })
      .Case([](plan::InputAttr i) { return json::array({"i", i.getIndex()}); })
      .Case([](plan::OutputAttr o) { return json::array({"o", o.getIndex()}); })
      .Default([](Attribute) { return json(); });
}

static json commandsJson(Block &block, const llvm::StringMap<int64_t> &kernels) {
  json commands = json::array();
  for (Operation &op : block) {
    if (auto launch = dyn_cast<plan::LaunchOp>(op)) {
      json bindings = json::array();
      for (Attribute binding : launch.getBindings())
        bindings.push_back(bindingJson(binding));
      commands.push_back(json::array({"launch", kernels.lookup(launch.getKernel()), std::move(bindings)}));
    } else if (auto copy = dyn_cast<plan::CopyOp>(op)) {
      commands.push_back(json::array({"copy", bindingJson(copy.getSource()), bindingJson(copy.getTarget()), copy.getBytes()}));
    } else if (auto loop = dyn_cast<plan::RepeatOp>(op)) {
      json count = loop.getCount() ? bindingJson(*loop.getCount()) : json();
      commands.push_back(json::array({"repeat", std::move(count), loop.getMaxTripCount(), bindingJson(loop.getCounter()),
                                      commandsJson(loop.getBody().front(), kernels)}));
    }
  }
  return commands;
}

static json signatureJson(ArrayAttr entries) {
  json list = json::array();
  for (auto entry : entries.getAsRange<DictionaryAttr>()) {
    json item = tensorJson(cast<RankedTensorType>(entry.getAs<TypeAttr>("type").getValue()));
    item["name"] = entry.getAs<StringAttr>("name").str();
    if (auto range = entry.getAs<DenseI64ArrayAttr>("range"))
      item["range"] = std::vector<int64_t>(range.asArrayRef());
    if (auto fallback = entry.getAs<FloatAttr>("default"))
      item["default"] = fallback.getValueAsDouble();
    list.push_back(std::move(item));
  }
  return list;
}

json programJson(plan::ProgramOp program, const llvm::StringMap<int64_t> &kernels) {
  auto integer = [&](StringRef name) {
    auto attribute = program->getAttrOfType<IntegerAttr>(name);
    return attribute ? attribute.getInt() : 0;
  };
  const StageFlops executed = executedFlops(program);
  return {{"name", program.getSymName().str()},
          {"arena_bytes", program.getArenaBytes()},
          {"lower_bound_bytes", program.getLowerBound()},
          {"inputs", signatureJson(program.getInputs())},
          {"outputs", signatureJson(program.getOutputs())},
          {"stats",
           {{"ops", integer("ops")}, {"launches", integer("launches")}, {"flops_forward", integer("flops")}, {"flops_backward", integer("flops_backward")}, {"flops_recompute", integer("flops_recompute")},
            {"flops_executed", executed.sum()}}},
          {"commands", commandsJson(program.getBody().front(), kernels)}};
}

} // namespace hb
