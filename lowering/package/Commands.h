// Programs as the module file spells them.
#pragma once

#include "dialects/kernel/Kernel.h"
#include "dialects/plan/Plan.h"
#include "llvm/ADT/StringMap.h"
#include <nlohmann/json.hpp>

namespace hb {

/// {"dtype": …, "shape": …} of a tensor type.
nlohmann::json tensorJson(mlir::RankedTensorType type);
/// "F32" for f32, as safetensors spell it.
std::string dtypeText(mlir::Type element);
/// ["a", offset], ["w", number], ["c", offset], ["i", number] or ["o", number].
nlohmann::json bindingJson(mlir::Attribute binding);
/// A whole program; `kernels` gives the number of each kernel.
nlohmann::json programJson(plan::ProgramOp program, const llvm::StringMap<int64_t> &kernels);

} // namespace hb
