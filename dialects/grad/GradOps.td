// Ops of the grad dialect, in the order of docs/reference/grad.md.
#ifndef HB_GRAD_OPS
#define HB_GRAD_OPS

include "dialects/grad/GradDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Grad_Float : StaticShapeTensorOf<[F64, F32, F16, BF16]>;

class Grad_PureOp<string mnemonic, list<Trait> traits = []> : Op<Grad_Dialect, mnemonic, !listconcat([Pure], traits)>;

def Grad_VjpOp : Grad_PureOp<"vjp", [AttrSizedOperandSegments]> {
  let summary = "gradients of some values with respect to others: Σᵢ cotangentᵢ · ∂ofᵢ/∂wrt";
  let description = [{
    What torch.autograd.grad(of, wrt, cotangents) gives: the graph from `wrt` to `of` is the one in front of this op. Values of `wrt` that
    have no influence get zeros. Not differentiable itself.

    * (C1) one cotangent for each value of `of`, of its type.
    * (C2) one result for each value of `wrt`, of its shape, in f32 where `wrt` is narrower.

    ```mlir
    %y = nn.unary silu %x : tensor<2x4xf32>
    %dx = grad.vjp of(%y) cotangents(%dy) wrt(%x) : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Variadic<Grad_Float>:$of, Variadic<Grad_Float>:$cotangents, Variadic<Grad_Float>:$wrt);
  let results = (outs Variadic<Grad_Float>:$gradients);
  let assemblyFormat = "`of` `(` $of `)` `cotangents` `(` $cotangents `)` (`wrt` `(` $wrt^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Grad_StopOp : Grad_PureOp<"stop", [SameOperandsAndResultType]> {
  let summary = "the same value, through which no gradient passes (torch's detach)";
  let description = [{
    ```mlir
    %y = grad.stop %x : tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Grad_Float:$x);
  let results = (outs Grad_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Grad_CheckpointOp : Grad_PureOp<"checkpoint", [SameOperandsAndResultType]> {
  let summary = "the same value, from which recomputation may start";
  let description = [{
    A hint: under a memory budget the value is kept and what follows may be computed again. It never forces a recomputation.

    ```mlir
    %y = grad.checkpoint %x : tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Grad_Float:$x);
  let results = (outs Grad_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

#endif // HB_GRAD_OPS
