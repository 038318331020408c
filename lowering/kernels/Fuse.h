// The steps of hb-fuse-epilogues, each on one op.
#pragma once

#include "lowering/kernels/MapBuilder.h"

namespace hb {

/// Composes a kernel.map or kernel.reduce with the maps that feed it, as long as that saves memory traffic and repeats no
/// costly work. Returns the op that stands now (perhaps the same one).
mlir::Operation *fuseProducers(mlir::Operation *op);

/// Moves a map into the epilogue of the contraction, Winograd output or normalisation that produces one of its operands for
/// it alone. True when the map is gone.
bool absorbIntoProducer(kernel::MapOp map);

/// Turns zero padding of a group norm's result, made for the padding alone, into the norm's `pad`. True when the map is gone.
bool absorbPadding(kernel::MapOp map);

/// Erases the ops behind `values` that nothing reads, and what fed only them.
void eraseDead(llvm::ArrayRef<mlir::Value> values);

/// Ops of a scalar region that compute; constants do not.
int scalarOps(mlir::Region &region);

} // namespace hb
