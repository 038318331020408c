// Vector-Jacobian products that stay whole ops until the kernels phase. Written by the rules of Gradients*.cpp, never by the
// importer; none of them is differentiable itself. Included by NnOps.td.
#ifndef HB_NN_VJP_OPS
#define HB_NN_VJP_OPS

def Nn_UnaryVjpOp : Nn_PureOp<"unary_vjp", [SameOperandsAndResultType]> {
  let summary = "dy · f′(x) of a named function; not differentiable";
  let description = [{
    At the corners of relu and abs the derivative is 0, as in torch.

    ```mlir
    %dx = nn.unary_vjp silu %x, %dy : tensor<2x320xf32>
    ```
  }];
  let arguments = (ins Nn_UnaryKindAttr:$kind, Nn_Float:$x, Nn_Float:$dy);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$kind $x `,` $dy attr-dict `:` type($x)";
}

def Nn_ClampVjpOp : Nn_PureOp<"clamp_vjp", [SameOperandsAndResultType]> {
  let summary = "dy where x lies in the closed interval, else 0 (torch.clamp); not differentiable";
  let description = [{
    ```mlir
    %dx = nn.clamp_vjp %x, %dy [0.0, 1.0] : tensor<1x3x64x64xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$dy, F64Attr:$low, F64Attr:$high);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x `,` $dy `[` $low `,` $high `]` attr-dict `:` type($x)";
}

def Nn_ExtremeVjpOp : Nn_PureOp<"extreme_vjp", [SameOperandsAndResultType]> {
  let summary = "the first operand's gradient of max or min: dy where it was taken, half of it on ties (torch.maximum); not differentiable";
  let description = [{
    * (C1) `kind` is max or min.

    ```mlir
    %da = nn.extreme_vjp max %a, %b, %dy : tensor<2x4xf32>
    ```
  }];
  let arguments = (ins Nn_BinaryKindAttr:$kind, Nn_Float:$a, Nn_Float:$b, Nn_Float:$dy);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$kind $a `,` $b `,` $dy attr-dict `:` type($a)";
  let hasVerifier = 1;
}

def Nn_LinearVjpOp : Nn_PureOp<"linear_vjp", [AttrSizedOperandSegments]> {
  let summary = "gradient of a linear with respect to its input: dy·W, with adapters + ((dy·B)∘s)·A; not differentiable";
  let description = [{
    `dy` is `[…, N]`, `weight` `[N, K]` as stored, the result `[…, K]`; `a` `[R, K]`, `b` `[N, R]`, `scale` `[R]` as in `nn.lora_linear`.
    With `drop` the term of the adapter, and only it, goes through `nn.dropout`: the mask of the linear's input.

    * (C1) `dy` has at least one axis, `weight` two, and `N` agrees.
    * (C2) the result is `[…, K]`.
    * (C3) `a` is `[R, K]`, `b` `[N, R]`, `scale` `[R]`: all three or none.
    * (C4) `drop` is as in `nn.dropout`, and only with adapters.

    ```mlir
    %dx = nn.linear_vjp %dy, %w lora(%a, %b, %s) : (tensor<2x32xf32>, tensor<32x64xf16>, tensor<4x64xf32>, tensor<32x4xf32>, tensor<4xf32>) -> tensor<2x64xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$dy, Nn_Float:$weight, Optional<Nn_Float>:$a, Optional<Nn_Float>:$b, Optional<Nn_Float>:$scale,
                       Variadic<Nn_Tensor>:$drop);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$dy `,` $weight (`lora` `(` $a^ `,` $b `,` $scale `)`)? (`drop` `(` $drop^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_Conv2dVjpOp : Nn_PureOp<"conv2d_vjp"> {
  let summary = "gradient of a convolution with respect to its picture; not differentiable";
  let description = [{
    The attributes are those of the `nn.conv2d` that is differentiated, `dy` has the shape of its result, the result that of its picture.

    * (C1) `dy`, `weight` and the result have four axes, as an `nn.conv2d` of the result by `weight` demands.

    ```mlir
    %dx = nn.conv2d_vjp %dy, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>}
        : (tensor<1x16x8x8xf32>, tensor<16x4x3x3xf16>) -> tensor<1x4x8x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$dy, Nn_Float:$weight, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_AttentionVjpOp : Nn_PureOp<"attention_vjp"> {
  let summary = "gradients of attention with respect to q, k and v; not differentiable";
  let description = [{
    Operands and attributes are those of the `nn.attention` that is differentiated, `y` and `stats` its results; `dy` is the cotangent of
    `y`. The probabilities are computed again from `q`, `k` and `stats` (Dao et al. 2022, FlashAttention); no score matrix exists in
    memory at any phase. With P the probabilities and D = Σ dy∘y of a query:
    dv = Pᵀ·dy, dS = P∘(dy·vᵀ − D)·scale, dq = dS·k, dk = dSᵀ·q.

    * (C1) the operands fit `nn.attention`; `y` and `dy` have the shape of its result, `stats` that of its statistics.
    * (C2) `dq`, `dk` and `dv` have the shapes of `q`, `k` and `v`.

    ```mlir
    %dq, %dk, %dv = nn.attention_vjp q(%q) k(%k) v(%v) y(%y) stats(%s) dy(%dy) {heads = 2 : i64, scale = 0.25 : f64}
        : (tensor<1x8x32xf32>, tensor<1x5x32xf32>, tensor<1x5x32xf32>, tensor<1x8x32xf32>, tensor<1x2x2x8xf32>, tensor<1x8x32xf32>)
          -> (tensor<1x8x32xf32>, tensor<1x5x32xf32>, tensor<1x5x32xf32>)
    ```
  }];
  let arguments = (ins Nn_Float:$q, Nn_Float:$k, Nn_Float:$v, Nn_Float:$y, Nn_Float:$stats, Nn_Float:$dy, Optional<Nn_Float>:$mask, I64Attr:$heads, F64Attr:$scale, UnitAttr:$causal);
  let results = (outs Nn_Float:$dq, Nn_Float:$dk, Nn_Float:$dv);
  let assemblyFormat = [{
    `q` `(` $q `)` `k` `(` $k `)` `v` `(` $v `)` `y` `(` $y `)` `stats` `(` $stats `)` `dy` `(` $dy `)` (`mask` `(` $mask^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Nn_GroupNormVjpOp : Nn_PureOp<"group_norm_vjp"> {
  let summary = "gradient of group_norm with respect to its picture; not differentiable";
  let description = [{
    * (C1) the operands fit `nn.group_norm`; `dy` and the result have the shape of `x`.

    ```mlir
    %dx = nn.group_norm_vjp %x, %w, %dy {groups = 32 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<2x320x8x8xf32>, tensor<320xf16>, tensor<2x320x8x8xf32>) -> tensor<2x320x8x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Nn_Float:$dy, I64Attr:$groups, F64Attr:$eps, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_LayerNormVjpOp : Nn_PureOp<"layer_norm_vjp"> {
  let summary = "gradient of layer_norm with respect to its input; not differentiable";
  let description = [{
    * (C1) the operands fit `nn.layer_norm`; `dy` and the result have the shape of `x`.

    ```mlir
    %dx = nn.layer_norm_vjp %x, %w, %dy {eps = 1.0e-5 : f64} : (tensor<2x77x768xf32>, tensor<768xf16>, tensor<2x77x768xf32>) -> tensor<2x77x768xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$weight, Nn_Float:$dy, F64Attr:$eps);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_SoftmaxVjpOp : Nn_PureOp<"softmax_vjp", [SameOperandsAndResultType]> {
  let summary = "y ∘ (dy − Σ y∘dy) over the last axis, from the softmax's result y; not differentiable";
  let description = [{
    ```mlir
    %dx = nn.softmax_vjp %y, %dy : tensor<2x2xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$y, Nn_Float:$dy);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$y `,` $dy attr-dict `:` type($y)";
}

def Nn_L2NormalizeVjpOp : Nn_PureOp<"l2_normalize_vjp", [SameOperandsAndResultType]> {
  let summary = "gradient of l2_normalize; not differentiable";
  let description = [{
    (dy − y·Σ y∘dy) / n with n = ‖x‖₂ and y = x/n over the last axis; dy / eps where n ≤ eps.

    ```mlir
    %dx = nn.l2_normalize_vjp %x, %dy {eps = 1.0e-12 : f64} : tensor<2x256xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$dy, F64Attr:$eps);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$x `,` $dy attr-dict `:` type($x)";
}

def Nn_ReduceMaxVjpOp : Nn_PureOp<"reduce_max_vjp"> {
  let summary = "dy at the first maximum along an axis, else 0 (torch.max over a dimension); not differentiable";
  let description = [{
    * (C1) `axis` is an axis of `x`.
    * (C2) `dy` has the other axes of `x`.
    * (C3) the result has the shape of `x`.

    ```mlir
    %dx = nn.reduce_max_vjp %x, %dy {axis = 1 : i64} : (tensor<2x32xf32>, tensor<2xf32>) -> tensor<2x32xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$x, Nn_Float:$dy, I64Attr:$axis);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Nn_SliceVjpOp : Nn_PureOp<"slice_vjp"> {
  let summary = "a tensor in the place it was sliced from, zeros around it; not differentiable";
  let description = [{
    * (C1) one offset for each axis; `dy` at the offsets lies within the result.

    ```mlir
    %dx = nn.slice_vjp %dy {offsets = array<i64: 0, 4>} : tensor<2x4xf32> -> tensor<2x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$dy, DenseI64ArrayAttr:$offsets);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$dy attr-dict `:` type($dy) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_ResizeNearestVjpOp : Nn_PureOp<"resize_nearest_vjp"> {
  let summary = "sums of the elements that one source element was copied to; not differentiable";
  let description = [{
    * (C1) the result resized is of the shape of `dy`.

    ```mlir
    %dx = nn.resize_nearest_vjp %dy {layout = #nn.layout<nchw>} : tensor<2x64x16x16xf32> -> tensor<2x64x8x8xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$dy, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$dy attr-dict `:` type($dy) `->` type($result)";
  let hasVerifier = 1;
}

def Nn_AdaptiveAvgPoolVjpOp : Nn_PureOp<"adaptive_avg_pool_vjp"> {
  let summary = "every bin's cotangent spread evenly over its elements; not differentiable";
  let description = [{
    * (C1) the result pooled is of the shape of `dy`.

    ```mlir
    %dx = nn.adaptive_avg_pool_vjp %dy {layout = #nn.layout<nchw>} : tensor<2x3x56x56xf32> -> tensor<2x3x96x96xf32>
    ```
  }];
  let arguments = (ins Nn_Float:$dy, Nn_LayoutAttr:$layout);
  let results = (outs Nn_Float:$result);
  let assemblyFormat = "$dy attr-dict `:` type($dy) `->` type($result)";
  let hasVerifier = 1;
}

#endif // HB_NN_VJP_OPS
