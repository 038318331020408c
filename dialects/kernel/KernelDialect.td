// The kernel dialect: one op per kernel family, target-neutral. See docs/rationale/kernel.md.
#ifndef HB_KERNEL_DIALECT
#define HB_KERNEL_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::hb::kernel";
  let summary = "Kernel families with scalar epilogues, still on tensors";
  let description = [{
    One op is one launch. Values are tensors; a type's encoding says how the elements lie in memory when that is not
    row-major and contiguous (`#kernel.strided`) or when it is a packed weight (`#kernel.packed`). Scalar regions use
    `arith` and `math` on f32. Tensors of f16 and bf16 are how values are stored: a kernel widens what it reads, computes in f32 and rounds
    what it stores to nearest even, once. Nothing here knows a target: tiles, grids and scratch are chosen by the emitter.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

class Kernel_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::hb::kernel";
  let genSpecializedAttr = 0;
}

def Kernel_WeightLayout : Kernel_Enum<"WeightLayout", "how a weight lies in memory once packed", [
  I32EnumAttrCase<"dense", 0>,          // row-major as stored (element type: the result's)
  I32EnumAttrCase<"panel16", 1>,        // [ceil(N/16)][K][16], rows beyond N are zero; convolutions: K = (kh, kw, I)
  I32EnumAttrCase<"gated_panel16", 2>,  // N = 2·half: panels alternate value panel p, gate panel p; each half padded to 16
  I32EnumAttrCase<"diagonal_panel16", 3>, // panel16 of a matrix with its sources along the diagonal, zero elsewhere
  I32EnumAttrCase<"winograd_f2", 4>,    // F(2×2,3×3): [16 planes][ceil(O/16)][I][16] f32, U = G g Gᵀ
  I32EnumAttrCase<"winograd_f4x2", 5>]>; // F(4,3) on rows × F(2,3) on columns: [24 planes][ceil(O/16)][I][16] f32
def Kernel_WeightLayoutAttr : EnumAttr<Kernel_Dialect, Kernel_WeightLayout, "layout">;

def Kernel_ContractForm : Kernel_Enum<"ContractForm", "what the rows and the reduction of a contraction are", [
  I32EnumAttrCase<"linear", 0>, I32EnumAttrCase<"conv2d", 1>, I32EnumAttrCase<"planes", 2>, I32EnumAttrCase<"outer", 3>]>;
def Kernel_ContractFormAttr : EnumAttr<Kernel_Dialect, Kernel_ContractForm, "form">;

def Kernel_NormKind : Kernel_Enum<"NormKind", "what is normalised over what", [
  I32EnumAttrCase<"layer", 0>, I32EnumAttrCase<"group", 1>, I32EnumAttrCase<"softmax", 2>, I32EnumAttrCase<"l2", 3>]>;
def Kernel_NormKindAttr : EnumAttr<Kernel_Dialect, Kernel_NormKind, "norm">;

def Kernel_Combine : Kernel_Enum<"Combine", "how a reduction combines elements", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"argmax", 3>]>;
def Kernel_CombineAttr : EnumAttr<Kernel_Dialect, Kernel_Combine, "combine">;

class Kernel_Attr<string name, string attrMnemonic> : AttrDef<Kernel_Dialect, name> { let mnemonic = attrMnemonic; }

def Kernel_StridedAttr : Kernel_Attr<"Strided", "strided"> {
  let summary = "encoding of a tensor type: element offset and element strides into the buffer that holds it";
  let parameters = (ins "int64_t":$offset, ArrayRefParameter<"int64_t">:$strides);
  let assemblyFormat = "`<` $offset `,` `[` $strides `]` `>`";
}

def Kernel_PackedAttr : Kernel_Attr<"Packed", "packed"> {
  let summary = "encoding of a tensor type: a packed weight; the shape is the logical one";
  let parameters = (ins EnumParameter<Kernel_WeightLayout>:$layout);
  let assemblyFormat = "`<` $layout `>`";
}

def Kernel_SourceAttr : Kernel_Attr<"Source", "source"> {
  let summary = "one checkpoint tensor: scope, key and stored type";
  let parameters = (ins "::mlir::StringAttr":$scope, "::mlir::StringAttr":$key, "::mlir::RankedTensorType":$type);
  let assemblyFormat = "`<` $scope `,` $key `,` $type `>`";
}

#endif // HB_KERNEL_DIALECT
