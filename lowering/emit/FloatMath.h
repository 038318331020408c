// Transcendental functions on f32 scalars and vectors, written out as polynomials: kernels call no library.
//
// Range reduction and coefficients follow the public single-precision Cephes library (S. L. Moshier, netlib.org/cephes)
// where not said otherwise; measured errors are stated per function and checked by tests/lowering/emit/VectorMathTest.cpp.
#pragma once

#include "lowering/emit/CodeBuilder.h"

namespace hb::emit {

Value buildExp(CodeBuilder &kb, Value x);  ///< ≤ 1e-7 relative; overflows to inf, underflows to 0, NaN stays
Value buildExp2(CodeBuilder &kb, Value x); ///< ≤ 8e-8 relative, exact at integers
Value buildLog(CodeBuilder &kb, Value x);  ///< ≤ 2e-7 relative away from 1, ≤ 1e-7 absolute; log 0 = -inf, log(<0) = NaN
Value buildErf(CodeBuilder &kb, Value x);  ///< ≤ 3e-7 relative
Value buildTanh(CodeBuilder &kb, Value x); ///< ≤ 2e-7 relative
Value buildSin(CodeBuilder &kb, Value x);  ///< ≤ 1e-7 absolute for |x| ≤ 1e4
Value buildCos(CodeBuilder &kb, Value x);  ///< as buildSin
Value buildSqrt(CodeBuilder &kb, Value x); ///< correctly rounded
/// Sum / maximum of a vector's lanes, by halving (a fixed tree, the same for every run).
Value buildLaneSum(CodeBuilder &kb, Value x);
Value buildLaneMax(CodeBuilder &kb, Value x);

} // namespace hb::emit
