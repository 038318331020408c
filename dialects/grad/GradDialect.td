// The grad dialect: requests for gradients. See docs/rationale/grad.md.
#ifndef HB_GRAD_DIALECT
#define HB_GRAD_DIALECT

include "mlir/IR/OpBase.td"

def Grad_Dialect : Dialect {
  let name = "grad";
  let cppNamespace = "::hb::grad";
  let summary = "What is to be differentiated, and the marks that steer it";
  let description = [{
    The importer writes these ops, `hb-differentiate` replaces them by `nn` ops; nothing after that phase knows them. How an op is
    differentiated is not here but with the op, behind `DifferentiableOpInterface`.
  }];
}

#endif // HB_GRAD_DIALECT
