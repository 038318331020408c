// Passes of the fuse phase, in the order in which buildFusePhase runs them.
#ifndef HB_FUSE_PASSES
#define HB_FUSE_PASSES

include "mlir/Pass/PassBase.td"

def HbFuseGatedLinear : Pass<"hb-fuse-gated-linear", "::mlir::func::FuncOp"> {
  let summary = "a linear whose second half gates its first becomes nn.gated_linear";
  let description = [{
    GEGLU and its kin: both halves are computed tile by tile next to each other, and the gate is applied before anything is
    stored. Matches when the two halves and the activation have no other reader.

    ```mlir
    // Before.
    %y = nn.linear %x, %w, %b : (tensor<2x64x320xf32>, tensor<2560x320xf16>, tensor<2560xf16>) -> tensor<2x64x2560xf32>
    %u = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<2x64x2560xf32> -> tensor<2x64x1280xf32>
    %g = nn.slice %y {offsets = array<i64: 0, 0, 1280>} : tensor<2x64x2560xf32> -> tensor<2x64x1280xf32>
    %f = nn.unary gelu %g : tensor<2x64x1280xf32>
    %z = nn.binary mul %u, %f : (tensor<2x64x1280xf32>, tensor<2x64x1280xf32>) -> tensor<2x64x1280xf32>
    // After.
    %z = nn.gated_linear gelu %x, %w bias(%b) : (tensor<2x64x320xf32>, tensor<2560x320xf16>, tensor<2560xf16>) -> tensor<2x64x1280xf32>
    ```
  }];
  let statistics = [Statistic<"fused", "gates-fused", "nn.gated_linear ops made">];
}

def HbMergeProjections : Pass<"hb-merge-projections", "::mlir::func::FuncOp"> {
  let summary = "linears of one input become one, with their weights stacked";
  let description = [{
    Q, K and V of self-attention, K and V of cross-attention, and the time-embedding projections of all blocks read one input.
    One product with the stacked weights reads it once. Only `nn.linear` of `nn.param` weights of one stored type merge, with
    biases on all or on none; adapted linears (`nn.lora_linear`) stay apart. Ops merge when one op reads all their results, or
    when the input has at most `few-rows` rows: the results of all merged ops are alive from then on, which is cheap only there.

    ```mlir
    // Before.
    %q = nn.linear %x, %wq : (tensor<2x64x320xf32>, tensor<320x320xf16>) -> tensor<2x64x320xf32>
    %k = nn.linear %x, %wk : (tensor<2x64x320xf32>, tensor<320x320xf16>) -> tensor<2x64x320xf32>
    // After.
    %w = nn.concat %wq, %wk {axis = 0 : i64} : (tensor<320x320xf16>, tensor<320x320xf16>) -> tensor<640x320xf16>
    %y = nn.linear %x, %w : (tensor<2x64x320xf32>, tensor<640x320xf16>) -> tensor<2x64x640xf32>
    %q = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<2x64x640xf32> -> tensor<2x64x320xf32>
    %k = nn.slice %y {offsets = array<i64: 0, 0, 320>} : tensor<2x64x640xf32> -> tensor<2x64x320xf32>
    ```
  }];
  let options = [Option<"fewRows", "few-rows", "int64_t", "16", "inputs with at most this many rows merge whoever reads the results">];
  let statistics = [Statistic<"merged", "linears-merged", "nn.linear ops that became part of another">];
}

#endif // HB_FUSE_PASSES
