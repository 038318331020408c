// The grad dialect and the interface of differentiable ops: include this one header to use them.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/grad/GradDialect.h.inc"

#include "dialects/grad/DifferentiableOpInterface.h.inc"
#define GET_OP_CLASSES
#include "dialects/grad/GradOps.h.inc"
