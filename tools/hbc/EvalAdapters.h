// Adapter factors for hbc eval: the run-time side of `nn.param "adapter:…"`.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <string>
#include <vector>

namespace hb::tool {

/// Elements of the adapter parameters of a module, by scope and key, stacked along the rank: rows of `lora_A` and
/// `lora_scale`, columns of `lora_B`; what no adapter fills is zero. `adapters` are `PATH[:SCALE]`. Throws HB03xx.
std::map<std::pair<std::string, std::string>, std::vector<double>> adapterFactors(mlir::ModuleOp module, const std::vector<std::string> &adapters);

} // namespace hb::tool
