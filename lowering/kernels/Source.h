// Where a kernel comes from, in words: the language's file and line and the module path.
#pragma once

#include "mlir/IR/Location.h"
#include <string>

namespace hb {

/// `models/sdxl/unet.hb:12 down_blocks.0.resnets.0.conv1`, as much of it as the location knows.
std::string sourceText(mlir::Location location);
/// The module path alone (the first name in the location), or empty.
std::string modulePath(mlir::Location location);

} // namespace hb
