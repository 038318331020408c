// How an op tells its gradient. The differentiate phase knows no op by name: everything it needs is asked here.
#ifndef HB_GRAD_DIFFERENTIABLE_OP_INTERFACE
#define HB_GRAD_DIFFERENTIABLE_OP_INTERFACE

include "mlir/IR/OpBase.td"

def Grad_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::hb::grad";
  let description = [{
    An op with a vector-Jacobian product. Ops without the interface are not differentiable: a gradient that would have to pass
    through one is an error at the op's place.
  }];
  let methods = [
    InterfaceMethod<[{
      Whether a gradient can flow to this operand. Integers never carry one; operands that are always frozen (the weight of a
      convolution) say no, so that nothing is ever saved for them.
    }], "bool", "isDifferentiable", (ins "unsigned":$operand), "", [{
      auto type = ::llvm::dyn_cast<::mlir::RankedTensorType>($_op->getOperand(operand).getType());
      return type && ::llvm::isa<::mlir::FloatType>(type.getElementType());
    }]>,
    InterfaceMethod<[{
      Appends to `gradients` one value for each operand: its gradient, of the operand's shape, where `wanted` is true, and null
      elsewhere. `cotangents` has one value for each result (null: that result has no influence). Builds ops only for what is
      wanted, and reads of the forward computation only what those need. Fails after a diagnostic.
    }], "::llvm::LogicalResult", "buildVjp", (ins "::mlir::OpBuilder &":$builder, "::llvm::ArrayRef<::mlir::Value>":$cotangents,
      "::llvm::ArrayRef<bool>":$wanted, "::llvm::SmallVectorImpl<::mlir::Value> &":$gradients)>,
  ];
}

#endif // HB_GRAD_DIFFERENTIABLE_OP_INTERFACE
