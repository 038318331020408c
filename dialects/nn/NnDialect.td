// The nn dialect: network-level ops on tensors. See docs/rationale/nn.md for why it has this shape.
#ifndef HB_NN_DIALECT
#define HB_NN_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"

def Nn_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::hb::nn";
  let summary = "Networks as the papers draw them: convolutions, attention, norms on tensors of static shape";
  let description = [{
    Every tensor has a static shape. Activations are `f32` (or the compilation's dtype), token ids `i64`. Weights are
    results of `nn.param` in the type the checkpoint stores (`f32`, `f16`, `bf16`); every op that takes a weight widens it,
    so no cast is written. Ops that have a good hand-written gradient (attention, norms, convolutions) stay single ops
    until the `kernels` phase.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

class Nn_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::hb::nn";
  let genSpecializedAttr = 0;
}

def Nn_UnaryKind : Nn_Enum<"UnaryKind", "named scalar functions", [
  I32EnumAttrCase<"silu", 0>, I32EnumAttrCase<"gelu", 1>, I32EnumAttrCase<"quick_gelu", 2>, I32EnumAttrCase<"exp", 3>,
  I32EnumAttrCase<"log", 4>, I32EnumAttrCase<"sin", 5>, I32EnumAttrCase<"cos", 6>, I32EnumAttrCase<"sqrt", 7>,
  I32EnumAttrCase<"neg", 8>, I32EnumAttrCase<"sigmoid", 9>, I32EnumAttrCase<"tanh", 10>, I32EnumAttrCase<"relu", 11>,
  I32EnumAttrCase<"abs", 12>]>;
def Nn_UnaryKindAttr : EnumAttr<Nn_Dialect, Nn_UnaryKind, "unary">;

def Nn_BinaryKind : Nn_Enum<"BinaryKind", "two-operand scalar functions", [
  I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>, I32EnumAttrCase<"div", 3>,
  I32EnumAttrCase<"max", 4>, I32EnumAttrCase<"min", 5>, I32EnumAttrCase<"eq", 6>]>;
def Nn_BinaryKindAttr : EnumAttr<Nn_Dialect, Nn_BinaryKind, "binary">;

def Nn_ReduceKind : Nn_Enum<"ReduceKind", "how elements are combined", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>]>;
def Nn_ReduceKindAttr : EnumAttr<Nn_Dialect, Nn_ReduceKind, "reduce">;

def Nn_Layout : Nn_Enum<"Layout", "where the channels of a picture are", [
  I32EnumAttrCase<"nchw", 0>, I32EnumAttrCase<"nhwc", 1>]>;
def Nn_LayoutAttr : EnumAttr<Nn_Dialect, Nn_Layout, "layout"> {
  let assemblyFormat = "`<` $value `>`";
}

#endif // HB_NN_DIALECT
