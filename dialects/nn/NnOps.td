// Ops of the nn dialect, in the order of docs/reference/nn.md.
#ifndef HB_NN_OPS
#define HB_NN_OPS

include "dialects/nn/NnDialect.td"
include "dialects/grad/DifferentiableOpInterface.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/LoopLikeInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Nn_Tensor : StaticShapeTensorOf<[F64, F32, F16, BF16, I64]>;
def Nn_Float : StaticShapeTensorOf<[F64, F32, F16, BF16]>;
def Nn_Int : StaticShapeTensorOf<[I64]>;

class Nn_Op<string mnemonic, list<Trait> traits = []> : Op<Nn_Dialect, mnemonic, traits>;
class Nn_PureOp<string mnemonic, list<Trait> traits = []> : Nn_Op<mnemonic, !listconcat([Pure], traits)>;

/// A pure op with a gradient rule (Gradients*.cpp) for all its float operands, or for those the rule's `isDifferentiable` admits.
class Nn_SmoothOp<string mnemonic, list<Trait> traits = []>
    : Nn_PureOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<Grad_DifferentiableOpInterface>], traits)>;
class Nn_PartlySmoothOp<string mnemonic, list<Trait> traits = []>
    : Nn_PureOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<Grad_DifferentiableOpInterface, ["isDifferentiable"]>], traits)>;

def Nn_ParamOp : Nn_PureOp<"param"> {
  let summary = "a named weight of a checkpoint, or a run-time adapter factor";
  let description = [{
    `scope` names the checkpoint component (`unet`, `vae`, …; the empty string for a single component), `key` the tensor in
    its state dict. The result has the stored shape and dtype. Scopes that start with `adapter:` are LoRA factors
    (`<module path>.lora_A`, `.lora_B`, `.lora_scale`), filled at run time from adapter files. Never folded, never inlined.

    ```mlir
    %w = nn.param "unet" "conv_in.weight" : tensor<320x4x3x3xf16>
    ```
  }];
  let arguments = (ins StrAttr:$scope, StrAttr:$key);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$scope $key attr-dict `:` type($result)";
}

def Nn_ConstantOp : Nn_PureOp<"constant", [ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small table or a splat known at compile time";
  let description = [{
    ```mlir
    %half = nn.constant dense<0.5> : tensor<f32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}

def Nn_UnaryOp : Nn_SmoothOp<"unary", [SameOperandsAndResultType]> {
  let summary = "a named function of every element";
  let description = [{
    `gelu` is the exact form x·Φ(x); `quick_gelu` is x·σ(1.702x); `silu` is x·σ(x).

    ```mlir
    %y = nn.unary silu %x : tensor<2x320xf32>
    ```
  }];
  let arguments = (ins Nn_UnaryKindAttr:$kind, Nn_Float:$x);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$kind $x attr-dict `:` type($x)";
}

def Nn_BinaryOp : Nn_SmoothOp<"binary"> {
  let summary = "a function of two tensors, element by element, with NumPy's broadcasting";
  let description = [{
    `eq` compares ids and yields 1 or 0 in `i64`. Float operands of different width are widened to the result's type.

    * (C1) both operands are floats, or both `i64`; `eq` takes `i64`.
    * (C2) the result is of the same sort.
    * (C3) the shapes broadcast, aligned at the last axis.
    * (C4) the result has the broadcast shape.

    ```mlir
    %y = nn.binary add %x, %shift : (tensor<2x64x64x320xf32>, tensor<2x1x1x320xf32>) -> tensor<2x64x64x320xf32>
    ```
  }];
  let arguments = (ins Nn_BinaryKindAttr:$kind, Nn_Tensor:$lhs, Nn_Tensor:$rhs);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_ClampOp : Nn_SmoothOp<"clamp", [SameOperandsAndResultType]> {
  let summary = "limits every element to a closed interval";
  let description = [{
    ```mlir
    %y = nn.clamp %x [0.0, 1.0] : tensor<1x3x64x64xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, F64Attr:$low, F64Attr:$high);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x `[` $low `,` $high `]` attr-dict `:` type($x)";
}

def Nn_CastOp : Nn_SmoothOp<"cast"> {
  let summary = "changes the element type (also i64 to float)";
  let description = [{
    * (C1) the shape stays.
    * (C2) a float does not become an id.

    ```mlir
    %y = nn.cast %ids : tensor<2x12xi64> to tensor<2x12xf32>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nn_LinearOp : Nn_PartlySmoothOp<"linear"> {
  let summary = "y = x·Wᵀ + b over the last axis";
  let description = [{
    `x` is `[…, K]`, `weight` `[N, K]`, `bias` `[N]`, the result `[…, N]`.

    * (C1) `x` has at least one axis, `weight` two, and `K` agrees.
    * (C2) `bias` is `[N]`.
    * (C3) the result is `[…, N]`.

    ```mlir
    %y = nn.linear %x, %w, %b : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<3072xf16>) -> tensor<2x77x3072xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Optional<Nn_Float>:$bias);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_LoraLinearOp : Nn_PartlySmoothOp<"lora_linear", [AttrSizedOperandSegments]> {
  let summary = "a linear with a rank-R update: y = x·Wᵀ + b + ((x·Aᵀ)∘s)·Bᵀ";
  let description = [{
    `a` is `[R, K]`, `b` `[N, R]`, `scale` `[R]` (α/r of the adapter that owns the row; several adapters stack along R,
    unused rows are zero). Source: LoRA (Hu et al. 2021), PEFT's `lora.Linear`.

    With `blocks` the op is several linears of one input, side by side (made by `hb-merge-projections`): `blocks` are the ends of the runs
    of result columns that have an adapter each; run i is updated through the i-th equal share of the rank, columns behind the last run not.

    With `drop` the update, and only it, sees `nn.dropout` of `x` (PEFT's `lora_dropout`): no masked tensor exists, and with probability 0
    every bit of the result is that of the op without it.

    * (C1) `x` has at least one axis, `weight` two, and `K` agrees.
    * (C2) `bias` is `[N]`.
    * (C3) the result is `[…, N]`.
    * (C4) `a` is `[R, K]`, `b` `[N, R]`, `scale` `[R]`.
    * (C5) with `blocks`: at least one, ascending to at most N, sharing R equally; `b` is then `[last block, R / blocks]`.
    * (C6) `drop` is as in `nn.dropout`; not with `blocks`.

    ```mlir
    %y = nn.lora_linear %x, %w, lora(%a, %b, %s) drop(%p, %seed, %step, %site) : (tensor<2x64xf32>, tensor<32x64xf16>, tensor<4x64xf32>, tensor<32x4xf32>, tensor<4xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x32xf32>
    ```

    ```mlir
    %y = nn.lora_linear %x, %qkv, lora(%aa, %bb, %ss) {blocks = array<i64: 32, 64>} : (tensor<2x64xf32>, tensor<96x64xf16>, tensor<8x64xf32>, tensor<64x4xf32>, tensor<8xf32>) -> tensor<2x96xf32>
    ```

    ```mlir
    %y = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x64xf32>, tensor<32x64xf16>, tensor<4x64xf32>, tensor<32x4xf32>, tensor<4xf32>) -> tensor<2x32xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Optional<Nn_Float>:$bias, Nn_Float:$a, Nn_Float:$b, Nn_Float:$scale,
                       Variadic<Nn_Tensor>:$drop, OptionalAttr<DenseI64ArrayAttr>:$blocks);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x `,` $weight `,` (`bias` `(` $bias^ `)` `,`)? `lora` `(` $a `,` $b `,` $scale `)` (`drop` `(` $drop^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_GatedLinearOp : Nn_PartlySmoothOp<"gated_linear", [AttrSizedOperandSegments]> {
  let summary = "two linears of one input, the second of which gates the first: y = u ∘ f(g), [u, g] = x·Wᵀ + b";
  let description = [{
    GEGLU (Shazeer 2020, "GLU Variants Improve Transformer") with `kind` = gelu. The first N rows of `weight` make the value
    `u`, the other N the gate `g`. With `lora` both halves get the rank-R update of `nn.lora_linear`. Made by
    `hb-fuse-gated-linear`; the importer does not write it.

    * (C1) `x` is `[…, K]`, `weight` `[2N, K]`.
    * (C2) `bias` is `[2N]`.
    * (C3) the result is `[…, N]`.
    * (C4) `a` is `[R, K]`, `b` `[2N, R]`, `scale` `[R]`: all three or none.
    * (C5) `drop` is as in `nn.dropout`, and only with adapters.

    ```mlir
    %y = nn.gated_linear gelu %x, %w bias(%b) : (tensor<2x64x320xf32>, tensor<2560x320xf16>, tensor<2560xf16>) -> tensor<2x64x1280xf32>
    ```
  }];
  let arguments = (ins Nn_UnaryKindAttr:$kind, Nn_Float:$x, Nn_Float:$weight, Optional<Nn_Float>:$bias,
                       Optional<Nn_Float>:$a, Optional<Nn_Float>:$b, Optional<Nn_Float>:$scale, Variadic<Nn_Tensor>:$drop);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$kind $x `,` $weight (`bias` `(` $bias^ `)`)? (`lora` `(` $a^ `,` $b `,` $scale `)`)? (`drop` `(` $drop^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_DropoutOp : Nn_PartlySmoothOp<"dropout"> {
  let summary = "zeroes elements by chance and scales the others by 1 / (1 - p) (Srivastava et al. 2014)";
  let description = [{
    `drop` is the probability `p` in 0 ≤ p < 1 (f32) and three `i64` scalars: seed, step and site. The mask is a function of these and of an
    element's row-major index alone: it needs no state, gives the same bits on every target, and is the same again when the op is
    computed again, in a gradient or because its result was not kept. With F the finaliser of SplitMix64 (Steele, Lea, Flood 2014; the
    addition of its increment included) and M that of MurmurHash3 (32 bits, Appleby), both public:

    k = F(F(F(seed) + step) + site) mod 2⁶⁴; element i is kept when M(M(i ⊕ (k mod 2³²)) ⊕ ⌊k / 2³²⌋) ≥ ⌊p·2³²⌋.

    The gradient is dropout of the cotangent with the same mask. The evaluator holds numbers in f64: seeds up to 2⁵³ are exact there.

    * (C1) `drop` is one float scalar and three `i64` scalars; `x` has at most 2³² elements.
    * (C2) the result has the shape of `x`.

    ```mlir
    %y = nn.dropout %x drop(%p, %seed, %step, %site) : (tensor<2x64xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x64xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Variadic<Nn_Tensor>:$drop);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x `drop` `(` $drop `)` attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_MatmulOp : Nn_SmoothOp<"matmul"> {
  let summary = "product of two activations, batched over equal leading axes";
  let description = [{
    `a` is `[…, M, K]`, or `[…, K, M]` with `transpose_a`; `b` is `[…, K, N]`, or `[…, N, K]` with `transpose_b`.

    * (C1) `a` and `b` have the same rank, at least 2, and the same leading axes.
    * (C2) `K` agrees.
    * (C3) the result is `[…, M, N]`.

    ```mlir
    %y = nn.matmul %a, %b {transpose_b} : (tensor<16x256xf32>, tensor<2x256xf32>) -> tensor<16x2xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$a, Nn_Float:$b, UnitAttr:$transpose_a, UnitAttr:$transpose_b);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$a `,` $b attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_Conv2dOp : Nn_PartlySmoothOp<"conv2d"> {
  let summary = "cross-correlation over height and width with zero padding";
  let description = [{
    `weight` is `[O, I, kh, kw]` as stored. `padding` is top, bottom, left, right. `layout` says whether `x` and the result
    are `[B, C, H, W]` (as imported) or `[B, H, W, C]` (after `simplify`).

    * (C1) `x` and `weight` have four axes.
    * (C2) the channels of `x` are `I`.
    * (C3) `bias` is `[O]`.
    * (C4) two strides ≥ 1, four paddings ≥ 0.
    * (C5) the kernel fits the padded picture.
    * (C6) the result is `⌊(H + top + bottom − kh) / stride⌋ + 1` high, likewise wide, with `O` channels.

    ```mlir
    %y = nn.conv2d %x, %w, %b {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
       : (tensor<1x4x8x8xf32>, tensor<16x4x3x3xf16>, tensor<16xf16>) -> tensor<1x16x8x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Optional<Nn_Float>:$bias, DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$padding, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_AttentionOp : Nn_PartlySmoothOp<"attention"> {
  let summary = "softmax(q·kᵀ·scale + mask)·v, head by head";
  let description = [{
    `q` is `[B, N, heads·d]`, `k` `[B, M, heads·d]`, `v` `[B, M, heads·dv]`, the result `[B, N, heads·dv]`: heads stand side
    by side in the last axis. `mask` is additive and broadcasts: `[B or 1, N or 1, M]`. `causal` hides keys after the query
    (N = M). No score matrix exists in memory at any phase.

    The second result, `stats` `[B, heads, 2, N]`, is there for the gradient only: with s the row of masked scores of a query in base 2
    (times log2 e), `stats[…, 0, n]` is m = max s and `stats[…, 1, n]` is Σ 2^(s − m). The pair instead of one log-sum-exp: rounding
    m + log2 Σ to float32 would cost more than all else (m + log2 Σ ≈ 13 has an ulp of 1e-6), and it loses Σ for queries that see no key.

    * (C1) `q`, `k` and `v` have three axes.
    * (C2) `heads` ≥ 1 divides both widths.
    * (C3) batch, keys and `heads·d` agree.
    * (C4) `mask` is `[B or 1, N or 1, M]`.
    * (C5) `causal` needs N = M.
    * (C6) the result is `[B, N, heads·dv]`.
    * (C7) `stats` is `[B, heads, 2, N]`.

    ```mlir
    %y = nn.attention %q, %k, %v {heads = 10 : i64, scale = 0.125 : f64} : (tensor<2x4096x640xf32>, tensor<2x77x640xf32>, tensor<2x77x640xf32>) -> tensor<2x4096x640xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$q, Nn_Float:$k, Nn_Float:$v, Optional<Nn_Float>:$mask, I64Attr:$heads, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Nn_Float:$result, Optional<Nn_Float>:$stats);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_GroupNormOp : Nn_PartlySmoothOp<"group_norm"> {
  let summary = "normalises groups of channels of a picture (population variance), then scales and shifts";
  let description = [{
    * (C1) `x` has four axes.
    * (C2) `groups` ≥ 1 divides the channels.
    * (C3) `weight` and `bias` have one element per channel.
    * (C4) the result has the shape of `x`.

    ```mlir
    %y = nn.group_norm %x, %w, %b {groups = 32 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<2x320x8x8xf32>, tensor<320xf16>, tensor<320xf16>) -> tensor<2x320x8x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Nn_Float:$bias, I64Attr:$groups, F64Attr:$eps, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_LayerNormOp : Nn_PartlySmoothOp<"layer_norm"> {
  let summary = "normalises the last axis (population variance), then scales and shifts";
  let description = [{
    * (C1) `x` has at least one axis.
    * (C2) `weight` and `bias` are as long as the last axis.
    * (C3) the result has the shape of `x`.

    ```mlir
    %y = nn.layer_norm %x, %w, %b {eps = 1.0e-5 : f64} : (tensor<2x77x768xf32>, tensor<768xf16>, tensor<768xf16>) -> tensor<2x77x768xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Nn_Float:$bias, F64Attr:$eps);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_SoftmaxOp : Nn_SmoothOp<"softmax", [SameOperandsAndResultType]> {
  let summary = "exp(x − max) / Σ over the last axis";
  let description = [{
    ```mlir
    %p = nn.softmax %logits : tensor<2x2xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Nn_L2NormalizeOp : Nn_SmoothOp<"l2_normalize", [SameOperandsAndResultType]> {
  let summary = "v / max(‖v‖₂, eps) over the last axis";
  let description = [{
    ```mlir
    %y = nn.l2_normalize %x {eps = 1.0e-12 : f64} : tensor<2x256xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, F64Attr:$eps);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

def Nn_ReduceOp : Nn_SmoothOp<"reduce"> {
  let summary = "sum, mean or maximum over some axes";
  let description = [{
    The reduced axes disappear from the result.

    * (C1) `axes` ascend within the rank of `x`.
    * (C2) the result has the other axes in order.

    ```mlir
    %y = nn.reduce max %x {axes = array<i64: 1>} : tensor<2x32xf32> -> tensor<2xf32>
    ```
  }];
  let arguments = (ins Nn_ReduceKindAttr:$kind, Nn_Float:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$kind $x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_ArgmaxOp : Nn_PureOp<"argmax"> {
  let summary = "index of the first maximum over the last axis";
  let description = [{
    * (C1) the last axis is not empty.
    * (C2) the result has the other axes.

    ```mlir
    %i = nn.argmax %ids : tensor<2x77xi64> -> tensor<2xi64>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Int:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_ConcatOp : Nn_SmoothOp<"concat"> {
  let summary = "tensors side by side along an axis";
  let description = [{
    * (C1) at least one input; all have the result's element type.
    * (C2) `axis` is an axis of the inputs.
    * (C3) the inputs agree on all other axes.
    * (C4) the result's extent along `axis` is the sum of theirs.

    ```mlir
    %y = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x8x4x4xf32>, tensor<2x4x4x4xf32>) -> tensor<2x12x4x4xf32>
    ```
  }];
  let arguments = (ins Variadic<Nn_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_SliceOp : Nn_SmoothOp<"slice"> {
  let summary = "a contiguous part of a tensor; the result's shape gives the sizes";
  let description = [{
    * (C1) the element type stays.
    * (C2) one offset and one result axis for each axis of `x`.
    * (C3) offset ≥ 0 and offset + size ≤ extent on every axis.

    ```mlir
    %y = nn.slice %x {offsets = array<i64: 0, 4>} : tensor<2x8xf32> -> tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, DenseI64ArrayAttr:$offsets);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nn_ReshapeOp : Nn_SmoothOp<"reshape"> {
  let summary = "the same elements in row-major order under another shape";
  let description = [{
    * (C1) the element type stays.
    * (C2) the number of elements stays.

    ```mlir
    %y = nn.reshape %x : tensor<2x8x8x320xf32> -> tensor<2x64x320xf32>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nn_TransposeOp : Nn_SmoothOp<"transpose"> {
  let summary = "reorders axes: result axis i is axis permutation[i] of the operand";
  let description = [{
    * (C1) the element type stays.
    * (C2) `permutation` names each axis once.
    * (C3) the result's axes are those of `x` in that order.

    ```mlir
    %y = nn.transpose %x {permutation = array<i64: 0, 2, 3, 1>} : tensor<2x320x8x8xf32> -> tensor<2x8x8x320xf32>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nn_BroadcastOp : Nn_SmoothOp<"broadcast"> {
  let summary = "repeats a tensor along axes of extent 1 and along new leading axes";
  let description = [{
    * (C1) the element type stays.
    * (C2) the shape of `x` broadcasts to the result's, aligned at the last axis.

    ```mlir
    %y = nn.broadcast %x : tensor<1x8x64xf32> -> tensor<2x8x64xf32>
    ```
  }];
  let arguments = (ins Nn_Tensor:$x);
  let results = (outs Nn_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Nn_GatherOp : Nn_PureOp<"gather"> {
  let summary = "rows of a table picked by index";
  let description = [{
    With `batch_dims` = 0: `table` `[V, D…]`, `index` `[I…]`, result `[I…, D…]` (an embedding, a row of a schedule).
    With `batch_dims` = 1: `table` `[B, T, D…]`, `index` `[B]`, result `[B, D…]`: one row of each batch entry.
    An index outside the table is an error that the runtime reports for program inputs before anything runs.

    * (C1) `batch_dims` is 0 or 1.
    * (C2) `table` has at least `batch_dims` + 1 axes.
    * (C3) with `batch_dims` = 1 `index` is `[B]`.
    * (C4) the result is `[I…, D…]`.

    ```mlir
    %e = nn.gather %table, %ids {batch_dims = 0 : i64} : (tensor<49408x768xf16>, tensor<2x77xi64>) -> tensor<2x77x768xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$table, Nn_Int:$index, I64Attr:$batch_dims);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$table `,` $index attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_ResizeNearestOp : Nn_SmoothOp<"resize_nearest"> {
  let summary = "nearest-neighbour resize of a picture: source index = ⌊i·in/out⌋";
  let description = [{
    * (C1) `x` and the result have four axes.
    * (C2) batch and channels stay.

    ```mlir
    %y = nn.resize_nearest %x {layout = #nn.layout<nchw>} : tensor<2x64x8x8xf32> -> tensor<2x64x16x16xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_AdaptiveAvgPoolOp : Nn_SmoothOp<"adaptive_avg_pool"> {
  let summary = "mean over bins [⌊i·in/out⌋, ⌈(i+1)·in/out⌉) of height and width (torch's adaptive_avg_pool2d)";
  let description = [{
    * (C1) `x` and the result have four axes.
    * (C2) batch and channels stay.

    ```mlir
    %y = nn.adaptive_avg_pool %x {layout = #nn.layout<nchw>} : tensor<2x3x96x96xf32> -> tensor<2x3x56x56xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_RepeatOp : Nn_Op<"repeat", [SingleBlock, AttrSizedOperandSegments, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<LoopLikeOpInterface, ["getRegionIterArgs", "getYieldedValuesMutable", "getLoopResults"]>]> {
  let summary = "a counted loop that carries tensors";
  let description = [{
    The body's first argument is the iteration (a scalar `i64` tensor, from 0), the others the carried values. The trip
    count is `count` (a run-time scalar tensor) or, without one, `max_trip_count`, which otherwise bounds it and is what
    tables indexed by the iteration are sized for.

    * (C1) `count` is a scalar and `max` ≥ 0.
    * (C2) the first block argument is `tensor<i64>`.
    * (C3) the other block arguments have the types of `inits`.
    * (C4) so have the results.
    * (C5) so have the values of the body's `nn.yield`.

    ```mlir
    %x = nn.repeat count(%steps) max 100 inits(%x0) : (tensor<i64>, tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xf32>) {
    ^bb0(%i: tensor<i64>, %c: tensor<1x4x8x8xf32>):
      nn.yield %c : tensor<1x4x8x8xf32>
    }
    ```
  }];
  let arguments = (ins Optional<Nn_Int>:$count, Variadic<Nn_Tensor>:$inits, I64Attr:$max_trip_count);
  let results = (outs Variadic<Nn_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`count` `(` $count^ `)`)? `max` $max_trip_count (`inits` `(` $inits^ `)`)? attr-dict `:` functional-type(operands, results) $body";
  let hasVerifier = 1;
}

def Nn_YieldOp : Nn_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"RepeatOp">]> {
  let summary = "ends the body of nn.repeat with the values for the next iteration";
  let description = [{
    ```mlir
    nn.yield %x : tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Variadic<Nn_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

include "dialects/nn/NnVjpOps.td"

#endif // HB_NN_OPS
