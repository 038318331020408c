// Ops of the kernel dialect: structure (weight, view, def, launch, return, yield), then the families.
#ifndef HB_KERNEL_OPS
#define HB_KERNEL_OPS

include "dialects/kernel/KernelDialect.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Tensor : StaticShapeTensorOf<[F64, F32, F16, BF16, I64]>;

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;
class Kernel_PureOp<string mnemonic, list<Trait> traits = []> : Kernel_Op<mnemonic, !listconcat([Pure], traits)>;

// ---------------------------------------------------------------- structure

def Kernel_WeightOp : Kernel_PureOp<"weight"> {
  let summary = "a weight as kernels read it: one or several checkpoint tensors, concatenated along axis 0, in a layout";
  let description = [{
    The runtime packs it once, from the user's files. With layout `diagonal_panel16` the sources lie along the diagonal instead, each
    beginning behind the last row and column of the one before; the rest of the matrix is zero. Scopes that start with `adapter:` are LoRA factors in float32, filled
    from adapter files. A dense weight of one source in its stored type is used in place.

    With `transposed` (panels and Winograd planes only) axes 0 and 1 of the concatenated sources are exchanged and the taps of a
    convolution reversed: the weight of the adjoint contraction, read from the same checkpoint tensors.

    ```mlir
    %w = kernel.weight [#kernel.source<"unet", "conv_in.weight", tensor<320x4x3x3xf16>>] : tensor<320x4x3x3xf16, #kernel.packed<panel16>>
    ```
  }];
  let arguments = (ins ArrayAttr:$sources, UnitAttr:$transposed);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$sources attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Kernel_ConstantOp : Kernel_PureOp<"constant", [AllTypesMatch<["value", "result"]>]> {
  let summary = "a table that is part of the module file";
  let description = [{
    ```mlir
    %t = kernel.constant dense<0.5> : tensor<f32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
}

def Kernel_ViewOp : Kernel_PureOp<"view"> {
  let summary = "the same buffer under another shape, offset or strides; never a launch";
  let description = [{
    ```mlir
    %q = kernel.view %qkv : tensor<2x64x96xf32> -> tensor<2x64x32xf32, #kernel.strided<32, [6144, 96, 1]>>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$x);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_DefOp : Kernel_Op<"def", [IsolatedFromAbove, Symbol, SingleBlock]> {
  let summary = "one compiled kernel: a single family op over the kernel's arguments";
  let description = [{
    The body holds one family op and `kernel.return` of its results. Equal kernels are one `kernel.def`. The emitter sets
    `grid` (number of independent tasks), `scratch_bytes` (private memory of one task) and `flops_executed` (what the target's code really does);
    `flops` and `bytes` are set by the kernels phase.

    ```mlir
    kernel.def @map_0(%x: tensor<8xf32>) -> tensor<8xf32> {
      %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
      ^bb0(%a: f32):
        %b = arith.addf %a, %a : f32
        kernel.yield %b : f32
      }
      kernel.return %y : tensor<8xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Kernel_ReturnOp : Kernel_Op<"return", [Pure, Terminator, ReturnLike, HasParent<"DefOp">]> {
  let summary = "ends a kernel.def";
  let description = [{
    ```mlir
    kernel.return %y : tensor<8xf32>
    ```
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Kernel_LaunchOp : Kernel_PureOp<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel.def on tensors";
  let description = [{
    ```mlir
    %y = kernel.launch @map_0(%x) : (tensor<8xf32>) -> tensor<8xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Kernel_Tensor>:$operands);
  let results = (outs Variadic<Kernel_Tensor>:$results);
  let assemblyFormat = "$kernel `(` $operands `)` attr-dict `:` functional-type($operands, $results)";
}

def Kernel_YieldOp : Kernel_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "ends a scalar region with the value that is stored (or combined)";
  let description = [{
    ```mlir
    kernel.yield %y : f32
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values `:` type($values) attr-dict";
}

// ---------------------------------------------------------------- families

def Kernel_ContractOp : Kernel_PureOp<"contract", [AttrSizedOperandSegments]> {
  let summary = "family 1: rows times packed weight, with a prologue on the rows and a scalar epilogue; GEMM, convolution, Winograd planes, LoRA";
  let description = [{
    * `linear`: `a` is `[…, K]` (any leading axes; the last axis contiguous), `weight` logically `[N, K]`.
    * `conv2d`: `a` is `[B, H, W, C]` and already padded, `weight` logically `[O, C, kh, kw]`, `strides` as given, no padding.
    * `planes`: `a` is `[P, T, K]`, `weight` logically `[N, K, 3, 3]`, packed as P transformed planes (Winograd), the result
      `[P, T, N]`, no epilogue.
    * `outer`: `a` is `[T, M]`, `weight` a computed tensor `[T, N]`, the result `[M, N]`: the sum of T outer products of rows, aᵀ·weight. Both
      may be strided with a contiguous last axis; no epilogue. Gradients of LoRA factors.

    With `gated`, the weight has layout `gated_panel16` and 2·N rows; the epilogue's first two arguments are the value and
    the gate accumulator and the result is `[…, N]`; otherwise its first argument is the accumulator. The further arguments
    are elements of `extras`, addressed by `maps` from the result's indices; broadcasting is a map that drops dimensions.
    The bias of a gated contraction is one vector read twice, the second time with a map that adds N.
    The LoRA operands add ((a·Aᵀ)∘scale)·Bᵀ as one more segment of the same reduction: `lora_a` is `[R, K]` panel16,
    `lora_b` `[N, R]` in the weight's layout, `lora_scale` `[R]` dense, all f32. Accumulation is f32, K in chunks.
    With `adjoint`, the weight is that of the product whose gradient this is, in its own packing, so that both directions share one copy: axes 0
    and 1 of its logical shape are exchanged and its taps reversed. `linear` then sums over the weight's rows, `conv2d` over its output
    channels; of the planes, only those of `winograd_f2` contain their reversal.
    With `lora_blocks`, ends of runs of result columns, `lora_b` is block-diagonal: run i differs from zero in the i-th equal share of the
    rank only, and columns behind the last run nowhere. An emitter may leave out what is zero.
    `drop` (probability, seed, step, site; see `nn.dropout`) masks the rows as the LoRA term sees them, and nothing else, or, with
    `drop_result`, the LoRA term itself (a gradient). With probability 0 the sum is that without it, bit by bit.

    A `linear` contraction may have a prologue, which says what its rows are made of: `norm` normalises a row of `a` (`layer`), or
    applies statistics of `kernel.group_stats` to it (`group`: the rows are the pixels of `stats`' images, one after the other);
    then the region `prologue`, if there is one, is applied to each element in f32. Neither is ever stored as a tensor: a task
    prepares its rows once, in memory of its own.

    ```mlir
    %y = kernel.contract linear a(%x : tensor<2x77x64xf32>) norm(layer weight %g, %h : tensor<64xf32>, tensor<64xf32>)
         weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x77x96xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    } prologue {
    ^bb0(%v: f32):
      %r = arith.negf %v : f32
      kernel.yield %r : f32
    }
    ```

    ```mlir
    %db = kernel.contract outer a(%dy : tensor<154x96xf32>) weight(%u : tensor<154x8xf32>) {maps = []} -> tensor<96x8xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    ```

    ```mlir
    %dx = kernel.contract linear a(%dy : tensor<2x77x96xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {adjoint, maps = []} -> tensor<2x77x64xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    ```

    ```mlir
    %y = kernel.contract linear a(%x : tensor<2x77x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>)
         extras(%b : tensor<96xf32>) {maps = [affine_map<(d0, d1, d2) -> (d2)>]} -> tensor<2x77x96xf32> {
    ^bb0(%acc: f32, %bias: f32):
      %s = arith.addf %acc, %bias : f32
      kernel.yield %s : f32
    }
    ```
  }];
  let arguments = (ins Kernel_ContractFormAttr:$form, Kernel_Tensor:$a, Kernel_Tensor:$weight, Optional<Kernel_Tensor>:$lora_a,
                       Optional<Kernel_Tensor>:$lora_b, Optional<Kernel_Tensor>:$lora_scale, Variadic<Kernel_Tensor>:$drop, Variadic<Kernel_Tensor>:$extras,
                       Optional<Kernel_Tensor>:$stats, Optional<Kernel_Tensor>:$norm_weight, Optional<Kernel_Tensor>:$norm_bias,
                       AffineMapArrayAttr:$maps, DefaultValuedAttr<DenseI64ArrayAttr, "{1, 1}">:$strides, UnitAttr:$gated,
                       OptionalAttr<Kernel_NormKindAttr>:$norm, OptionalAttr<F64Attr>:$eps, OptionalAttr<DenseI64ArrayAttr>:$lora_blocks, UnitAttr:$adjoint, UnitAttr:$drop_result);
  let results = (outs Kernel_Tensor:$result);
  let regions = (region SizedRegion<1>:$epilogue, AnyRegion:$prologue);
  let builders = [
    // Without a prologue.
    OpBuilder<(ins "::mlir::Type":$result, "ContractForm":$form, "::mlir::Value":$a, "::mlir::Value":$weight, "::mlir::Value":$loraA,
                   "::mlir::Value":$loraB, "::mlir::Value":$loraScale, "::mlir::ValueRange":$extras, "::mlir::ArrayAttr":$maps,
                   CArg<"::llvm::ArrayRef<int64_t>", "{1, 1}">:$strides, CArg<"bool", "false">:$gated), [{
      build($_builder, $_state, result, form, a, weight, loraA, loraB, loraScale, {}, extras, {}, {}, {}, maps, strides, gated, {}, {}, {}, false, false);
    }]>,
  ];
  let assemblyFormat = [{
    custom<Enum>($form) `a` `(` $a `:` type($a) `)`
    (`norm` `(` custom<Enum>($norm)^ (`stats` $stats^ `:` type($stats))? `weight` $norm_weight `,` $norm_bias `:` type($norm_weight) `,` type($norm_bias) `)`)?
    `weight` `(` $weight `:` type($weight) `)`
    (`lora` `(` $lora_a^ `:` type($lora_a) `,` $lora_b `:` type($lora_b) `,` $lora_scale `:` type($lora_scale) `)`)?
    (`drop` `(` $drop^ `:` type($drop) `)`)? (`extras` `(` $extras^ `:` type($extras) `)`)? attr-dict `->` type($result) $epilogue (`prologue` $prologue^)?
  }];
  let extraClassDeclaration = [{
    /// Whether the rows that are multiplied are not those of `a` but made from them.
    bool hasPrologue() { return getNorm() || !getPrologue().empty(); }
    /// The weight's logical shape as this product reads it: `[N, K, …]`.
    ::llvm::SmallVector<int64_t> weightShape();
    /// Whether the sums may go through a region and an adapter before they are stored.
    bool hasEpilogue() { return getForm() != ContractForm::planes && getForm() != ContractForm::outer; }
  }];
  let hasVerifier = 1;
}

def Kernel_AttentionOp : Kernel_PureOp<"attention"> {
  let summary = "family 2: flash attention, heads side by side in the last axis, no score matrix in memory";
  let description = [{
    `q` `[B, N, heads·d]`, `k` `[B, M, heads·d]`, `v` `[B, M, heads·dv]`, result `[B, N, heads·dv]`; each may be strided
    with a contiguous last axis. `mask` (f32, additive) is `[B or 1, N or 1, M]`. Softmax statistics and accumulation in f32.
    The second result, for the gradient, is `[B, heads, 2, N]`: maximum of the scores in base 2 and Σ 2^(score − maximum) of each query.

    ```mlir
    %y = kernel.attention q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%v : tensor<1x77x32xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>
    %z, %stats = kernel.attention q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%v : tensor<1x77x32xf32>) {heads = 2 : i64, scale = 0.25 : f64}
        -> tensor<1x64x32xf32>, tensor<1x2x2x64xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$q, Kernel_Tensor:$k, Kernel_Tensor:$v, Optional<Kernel_Tensor>:$mask, I64Attr:$heads, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Kernel_Tensor:$result, Optional<Kernel_Tensor>:$stats);
  let assemblyFormat = [{
    `q` `(` $q `:` type($q) `)` `k` `(` $k `:` type($k) `)` `v` `(` $v `:` type($v) `)` (`mask` `(` $mask^ `:` type($mask) `)`)?
    attr-dict `->` type($result) (`,` type($stats)^)?
  }];
  let hasVerifier = 1;
}

def Kernel_AttentionVjpOp : Kernel_PureOp<"attention_vjp"> {
  let summary = "family 2: gradients of attention with respect to q, k and v, no score matrix in memory";
  let description = [{
    `q`, `k`, `v`, `mask` and attributes as in `kernel.attention`, `stats` its second result; `dy` `[B, N, heads·dv]` is the cotangent of its
    first; `delta` `[B, N, heads]` is Σ dy∘y over each head. Any of `q`, `k`, `v` and `dy` may be strided with a contiguous last axis.
    Scores and probabilities are computed again block by block. How the work is cut into tasks depends on the shapes alone and every sum
    has a fixed order, so that the bits do not depend on the number of threads. One op for the three gradients, not one for `dq` and one
    for `dk`, `dv`: a target with room for a running `dq` needs five products then instead of seven, and one that wants two kinds of task
    can have both in one grid.

    ```mlir
    %dq, %dk, %dv = kernel.attention_vjp q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%v : tensor<1x77x32xf32>) dy(%dy : tensor<1x64x32xf32>)
        stats(%s : tensor<1x2x2x64xf32>) delta(%d : tensor<1x64x2xf32>) {heads = 2 : i64, scale = 0.25 : f64}
        -> tensor<1x64x32xf32>, tensor<1x77x32xf32>, tensor<1x77x32xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$q, Kernel_Tensor:$k, Kernel_Tensor:$v, Kernel_Tensor:$dy, Kernel_Tensor:$stats, Kernel_Tensor:$delta,
                       Optional<Kernel_Tensor>:$mask, I64Attr:$heads, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Kernel_Tensor:$dq, Kernel_Tensor:$dk, Kernel_Tensor:$dv);
  let assemblyFormat = [{
    `q` `(` $q `:` type($q) `)` `k` `(` $k `:` type($k) `)` `v` `(` $v `:` type($v) `)` `dy` `(` $dy `:` type($dy) `)`
    `stats` `(` $stats `:` type($stats) `)` `delta` `(` $delta `:` type($delta) `)` (`mask` `(` $mask^ `:` type($mask) `)`)?
    attr-dict `->` type($dq) `,` type($dk) `,` type($dv)
  }];
  let hasVerifier = 1;
}

def Kernel_GroupStatsOp : Kernel_PureOp<"group_stats"> {
  let summary = "family 3: partial statistics of groups of channels";
  let description = [{
    `x` is `[B, H, W, C]`; the pixels of one image are cut into `chunks` equal runs (the last may be shorter: run length
    ceil(H·W/chunks)); the result is `[B, chunks, groups, 2]`: mean and sum of squared deviations of each run, from which
    `kernel.normalize group` combines exactly (Chan et al. 1979).

    ```mlir
    %s = kernel.group_stats %x {groups = 32 : i64, chunks = 8 : i64} : tensor<2x32x32x640xf32> -> tensor<2x8x32x2xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$x, I64Attr:$groups, I64Attr:$chunks);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_NormalizeOp : Kernel_PureOp<"normalize", [AttrSizedOperandSegments]> {
  let summary = "family 3: layer norm, group norm (from statistics), softmax, l2; with a scalar epilogue";
  let description = [{
    `layer`, `softmax` and `l2` work over the last axis; `group` applies statistics of `kernel.group_stats` to
    `[B, H, W, C]`. The epilogue's argument is the normalised, scaled and shifted element (softmax, l2: the plain result).
    With `pad` (top, bottom, left, right; `group` only) the result is that much larger in H and W and its border is zero.

    ```mlir
    %y = kernel.normalize layer %x weight(%g, %b : tensor<64xf32>, tensor<64xf32>) {eps = 1.0e-5 : f64} : tensor<2x77x64xf32> -> tensor<2x77x64xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    ```
  }];
  let arguments = (ins Kernel_NormKindAttr:$kind, Kernel_Tensor:$x, Optional<Kernel_Tensor>:$stats, Optional<Kernel_Tensor>:$weight,
                       Optional<Kernel_Tensor>:$bias, F64Attr:$eps, DefaultValuedAttr<I64Attr, "0">:$groups,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{0, 0, 0, 0}">:$pad);
  let results = (outs Kernel_Tensor:$result);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    custom<Enum>($kind) $x (`stats` `(` $stats^ `:` type($stats) `)`)? (`weight` `(` $weight^ `,` $bias `:` type($weight) `,` type($bias) `)`)?
    attr-dict `:` type($x) `->` type($result) $epilogue
  }];
  let hasVerifier = 1;
}

def Kernel_MapOp : Kernel_PureOp<"map"> {
  let summary = "family 4: one scalar expression per result element; elementwise, broadcast, transpose, slice, pad, resize, cast";
  let description = [{
    `maps[i]` takes the result's indices to operand i's (dims, constants, `floordiv`, `mod`, integer multiples). Where
    `zero_outside[i]` is true an index outside the operand reads as zero (padding). Region arguments have the operands'
    element types, the yielded value the result's.

    ```mlir
    %y = kernel.map (%x : tensor<1x8x8x16xf32>) [affine_map<(b, h, w, c) -> (b, h - 1, w - 1, c)>] {zero_outside = array<i1: true>} -> tensor<1x10x10x16xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    ```
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$inputs, AffineMapArrayAttr:$maps, OptionalAttr<DenseBoolArrayAttr>:$zero_outside);
  let results = (outs Kernel_Tensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` ($inputs^ `:` type($inputs))? `)` $maps attr-dict `->` type($result) $body";
  let hasVerifier = 1;
}

def Kernel_ConcatOp : Kernel_PureOp<"concat"> {
  let summary = "family 4: tensors side by side along an axis";
  let description = [{
    Inputs of other float types than the result's are converted.

    ```mlir
    %y = kernel.concat (%a, %b : tensor<2x8x8x16xf32>, tensor<2x8x8x8xf32>) {axis = 3 : i64} -> tensor<2x8x8x24xf32>
    ```
  }];
  let arguments = (ins Variadic<Kernel_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "`(` $inputs `:` type($inputs) `)` attr-dict `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_GatherOp : Kernel_PureOp<"gather"> {
  let summary = "family 4: rows of a table by index (semantics of nn.gather), converted to the result's type";
  let description = [{
    ```mlir
    %y = kernel.gather %t, %i {batch_dims = 0 : i64} : (tensor<100x64xf16>, tensor<2x7xi64>) -> tensor<2x7x64xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$table, Kernel_Tensor:$index, I64Attr:$batch_dims);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$table `,` $index attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Kernel_DropoutOp : Kernel_PureOp<"dropout"> {
  let summary = "family 4: elements masked by chance (semantics of nn.dropout)";
  let description = [{
    `drop` is probability (f32), seed, step and site (i64), all scalars; an element's number is its row-major index in `x`.

    ```mlir
    %y = kernel.dropout %x drop(%p, %seed, %step, %site : tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) : tensor<2x77x64xf32> -> tensor<2x77x64xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$x, Variadic<Kernel_Tensor>:$drop);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$x `drop` `(` $drop `:` type($drop) `)` attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_ReduceOp : Kernel_PureOp<"reduce"> {
  let summary = "family 5: combines a scalar expression over some axes; sums, means, maxima, first-argmax, small matrix products";
  let description = [{
    The iteration space has `extents` dimensions: first the result's, then the reduced ones. `maps` take its indices to the
    operands'. The body yields f32, which is combined and converted to the result's type (`argmax` yields the i64 index along the one
    reduced dimension).

    ```mlir
    %y = kernel.reduce sum (%x : tensor<2x64xf32>) [affine_map<(d0, d1) -> (d0, d1)>] {extents = array<i64: 2, 64>} -> tensor<2xf32> {
    ^bb0(%v: f32):
      kernel.yield %v : f32
    }
    ```
  }];
  let arguments = (ins Kernel_CombineAttr:$combine, Variadic<Kernel_Tensor>:$inputs, AffineMapArrayAttr:$maps, DenseI64ArrayAttr:$extents);
  let results = (outs Kernel_Tensor:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "custom<Enum>($combine) `(` $inputs `:` type($inputs) `)` $maps attr-dict `->` type($result) $body";
  let hasVerifier = 1;
}

def Kernel_AdaptivePoolOp : Kernel_PureOp<"adaptive_pool"> {
  let summary = "family 5: mean over torch's adaptive bins of H and W of a [B, H, W, C] picture";
  let description = [{
    ```mlir
    %y = kernel.adaptive_pool %x : tensor<2x96x96x3xf32> -> tensor<2x56x56x3xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$x);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_WinogradInputOp : Kernel_PureOp<"winograd_input"> {
  let summary = "family 6: transforms tiles of a padded [B, H, W, C] picture into planes [P, T, C]";
  let description = [{
    `m` is the output tile (rows, columns): 2×2 gives 16 planes, 4×2 gives 24. T = B·tiles, tiles row by row. With `slab` the planes
    hold some rows of tiles only, counted over all pictures from the number in `first` on: as many as T says.

    ```mlir
    %v = kernel.winograd_input %x {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x64x32xf32>
    ```
  }];
  let arguments = (ins Kernel_Tensor:$x, Optional<Kernel_Tensor>:$first, DenseI64ArrayAttr:$m);
  let results = (outs Kernel_Tensor:$result);
  let assemblyFormat = "$x (`slab` `(` $first^ `:` type($first) `)`)? attr-dict `:` type($x) `->` type($result)";
  let hasVerifier = 1;
}

def Kernel_WinogradOutputOp : Kernel_PureOp<"winograd_output", [AttrSizedOperandSegments]> {
  let summary = "family 6: transforms planes [P, T, N] back to a [B, H, W, N] picture, with contract's epilogue";
  let description = [{
    With `slab` the planes hold some rows of tiles only (see `kernel.winograd_input`), and only their points are written; `into` is the
    picture that earlier slabs have written, of which the result takes the place.

    ```mlir
    %y = kernel.winograd_output %p {m = array<i64: 2, 2>, maps = []} : tensor<16x64x32xf32> -> tensor<1x16x16x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    ```
  }];
  let arguments = (ins Kernel_Tensor:$planes, Optional<Kernel_Tensor>:$first, Optional<Kernel_Tensor>:$into, Variadic<Kernel_Tensor>:$extras,
                       AffineMapArrayAttr:$maps, DenseI64ArrayAttr:$m);
  let results = (outs Kernel_Tensor:$result);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = "$planes (`slab` `(` $first^ `:` type($first) `)`)? (`into` `(` $into^ `:` type($into) `)`)? (`extras` `(` $extras^ `:` type($extras) `)`)? attr-dict `:` type($planes) `->` type($result) $epilogue";
  let hasVerifier = 1;
}

#endif // HB_KERNEL_OPS
