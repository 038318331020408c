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
    func.func @geglu(%x: tensor<2x64xf32>, %w: tensor<256x64xf16>) -> tensor<2x128xf32> {
      %y = nn.linear %x, %w : (tensor<2x64xf32>, tensor<256x64xf16>) -> tensor<2x256xf32>
      %u = nn.slice %y {offsets = array<i64: 0, 0>} : tensor<2x256xf32> -> tensor<2x128xf32>
      %g = nn.slice %y {offsets = array<i64: 0, 128>} : tensor<2x256xf32> -> tensor<2x128xf32>
      %f = nn.unary gelu %g : tensor<2x128xf32>
      %z = nn.binary mul %u, %f : (tensor<2x128xf32>, tensor<2x128xf32>) -> tensor<2x128xf32>
      return %z : tensor<2x128xf32>
    }
    // After.
    func.func @geglu(%x: tensor<2x64xf32>, %w: tensor<256x64xf16>) -> tensor<2x128xf32> {
      %z = nn.gated_linear gelu %x, %w : (tensor<2x64xf32>, tensor<256x64xf16>) -> tensor<2x128xf32>
      return %z : tensor<2x128xf32>
    }
    ```
  }];
  let statistics = [Statistic<"fused", "gates-fused", "nn.gated_linear ops made">];
}

def HbMergeProjections : Pass<"hb-merge-projections", "::mlir::func::FuncOp"> {
  let summary = "linears of one input become one, with their weights stacked";
  let description = [{
    Q, K and V of self-attention, K and V of cross-attention, and the time-embedding projections of all blocks read one input.
    One product with the stacked weights reads it once. Only linears of `nn.param` weights of one stored type merge, with
    biases on all or on none. Where some of them are adapted (`nn.lora_linear`), those come first, their factors are stacked too, and
    `blocks` says which rows belong to which. Ops merge when one op reads all their results, or
    when the input has at most `few-rows` rows: the results of all merged ops are alive from then on, which is cheap only there.

    ```mlir
    // Before.
    func.func @keys_values(%x: tensor<2x77x64xf32>) -> (tensor<2x77x32xf32>, tensor<2x77x32xf32>) {
      %wk = nn.param "unet" "to_k.weight" : tensor<32x64xf16>
      %wv = nn.param "unet" "to_v.weight" : tensor<32x64xf16>
      %k = nn.linear %x, %wk : (tensor<2x77x64xf32>, tensor<32x64xf16>) -> tensor<2x77x32xf32>
      %v = nn.linear %x, %wv : (tensor<2x77x64xf32>, tensor<32x64xf16>) -> tensor<2x77x32xf32>
      return %k, %v : tensor<2x77x32xf32>, tensor<2x77x32xf32>
    }
    // After.
    func.func @keys_values(%x: tensor<2x77x64xf32>) -> (tensor<2x77x32xf32>, tensor<2x77x32xf32>) {
      %wv = nn.param "unet" "to_v.weight" : tensor<32x64xf16>
      %wk = nn.param "unet" "to_k.weight" : tensor<32x64xf16>
      %w = nn.concat %wk, %wv {axis = 0 : i64} : (tensor<32x64xf16>, tensor<32x64xf16>) -> tensor<64x64xf16>
      %y = nn.linear %x, %w : (tensor<2x77x64xf32>, tensor<64x64xf16>) -> tensor<2x77x64xf32>
      %k = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<2x77x64xf32> -> tensor<2x77x32xf32>
      %v = nn.slice %y {offsets = array<i64: 0, 0, 32>} : tensor<2x77x64xf32> -> tensor<2x77x32xf32>
      return %k, %v : tensor<2x77x32xf32>, tensor<2x77x32xf32>
    }
    ```

    Keys and values of cross-attention, of which the values take an adapter:

    ```mlir
    // Before.
    func.func @keys_values(%x: tensor<2x77x64xf32>) -> (tensor<2x77x32xf32>, tensor<2x77x32xf32>) {
      %wk = nn.param "unet" "to_k.weight" : tensor<32x64xf16>
      %wv = nn.param "unet" "to_v.weight" : tensor<32x64xf16>
      %a = nn.param "adapter:unet" "to_v.lora_A" : tensor<4x64xf32>
      %b = nn.param "adapter:unet" "to_v.lora_B" : tensor<32x4xf32>
      %s = nn.param "adapter:unet" "to_v.lora_scale" : tensor<4xf32>
      %k = nn.linear %x, %wk : (tensor<2x77x64xf32>, tensor<32x64xf16>) -> tensor<2x77x32xf32>
      %v = nn.lora_linear %x, %wv, lora(%a, %b, %s) : (tensor<2x77x64xf32>, tensor<32x64xf16>, tensor<4x64xf32>, tensor<32x4xf32>, tensor<4xf32>) -> tensor<2x77x32xf32>
      return %k, %v : tensor<2x77x32xf32>, tensor<2x77x32xf32>
    }
    // After.
    func.func @keys_values(%x: tensor<2x77x64xf32>) -> (tensor<2x77x32xf32>, tensor<2x77x32xf32>) {
      %s = nn.param "adapter:unet" "to_v.lora_scale" : tensor<4xf32>
      %b = nn.param "adapter:unet" "to_v.lora_B" : tensor<32x4xf32>
      %a = nn.param "adapter:unet" "to_v.lora_A" : tensor<4x64xf32>
      %wv = nn.param "unet" "to_v.weight" : tensor<32x64xf16>
      %wk = nn.param "unet" "to_k.weight" : tensor<32x64xf16>
      %w = nn.concat %wv, %wk {axis = 0 : i64} : (tensor<32x64xf16>, tensor<32x64xf16>) -> tensor<64x64xf16>
      %aa = nn.concat %a {axis = 0 : i64} : (tensor<4x64xf32>) -> tensor<4x64xf32>
      %bb = nn.concat %b {axis = 0 : i64} : (tensor<32x4xf32>) -> tensor<32x4xf32>
      %ss = nn.concat %s {axis = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
      %y = nn.lora_linear %x, %w, lora(%aa, %bb, %ss) {blocks = array<i64: 32>} : (tensor<2x77x64xf32>, tensor<64x64xf16>, tensor<4x64xf32>, tensor<32x4xf32>, tensor<4xf32>) -> tensor<2x77x64xf32>
      %v = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<2x77x64xf32> -> tensor<2x77x32xf32>
      %k = nn.slice %y {offsets = array<i64: 0, 0, 32>} : tensor<2x77x64xf32> -> tensor<2x77x32xf32>
      return %k, %v : tensor<2x77x32xf32>, tensor<2x77x32xf32>
    }
    ```
  }];
  let options = [Option<"fewRows", "few-rows", "int64_t", "16", "inputs with at most this many rows merge whoever reads the results">];
  let statistics = [Statistic<"merged", "linears-merged", "nn.linear ops that became part of another">];
}

#endif // HB_FUSE_PASSES
