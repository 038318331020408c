// Puts a kernel's scalar region (arith and math on f32) into the code of a kernel, on vectors or on scalars.
#pragma once

#include "lowering/emit/CodeBuilder.h"

namespace hb::emit {

/// Evaluates `region` with the given argument values and returns what it yields. Arguments are scalars (the same on all
/// lanes) or vectors, all vectors of one length; values that depend on no vector argument stay scalars, so a result may be
/// a scalar although an argument was a vector. Math functions become polynomials (FloatMath.h).
/// Fails, with a diagnostic on the op, on an op that has no vector form.
FailureOr<SmallVector<Value>> inlineRegion(CodeBuilder &kb, mlir::Region &region, ArrayRef<Value> args);

/// Number of ops a region costs per vector once its functions are written out; decides between unrolling and looping.
int regionCost(mlir::Region &region);

} // namespace hb::emit
