// Pattern sets of the simplify phase, one file each.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace hb {

/// Transposes and reshapes compose, cancel, and become reshapes where they move nothing (AxisPatterns.cpp).
void populateAxisPatterns(mlir::RewritePatternSet &patterns);
/// Transposes move towards the users of their result (SinkTranspose.cpp).
void populateSinkPatterns(mlir::RewritePatternSet &patterns);
/// Transposes to channels-last move towards the function's inputs (LiftTranspose.cpp).
void populateLiftPatterns(mlir::RewritePatternSet &patterns);
/// Casts, identities, slices, concats, broadcasts, reductions (ScalarPatterns.cpp).
void populateScalarPatterns(mlir::RewritePatternSet &patterns);
/// Values that nn.repeat carries for nothing (RepeatPatterns.cpp).
void populateRepeatPatterns(mlir::RewritePatternSet &patterns);
/// Ops on constants, up to `limit` result elements (ConstantFold.cpp).
void populateConstantFold(mlir::RewritePatternSet &patterns, int64_t limit);

} // namespace hb
