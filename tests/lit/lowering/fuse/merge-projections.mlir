// Linears of one input become one.
// RUN: hb-opt %s -hb-merge-projections -split-input-file | FileCheck %s

// Q, K and V of one attention; the output projection has another input.
// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // CHECK-DAG: %[[Q:.*]] = nn.param "" "q"
  // CHECK-DAG: %[[K:.*]] = nn.param "" "k"
  // CHECK-DAG: %[[V:.*]] = nn.param "" "v"
  // CHECK: %[[W:.*]] = nn.concat %[[Q]], %[[K]], %[[V]] {axis = 0 : i64} {{.*}} -> tensor<24x8xf16>
  // CHECK: %[[Y:.*]] = nn.linear %arg0, %[[W]] : (tensor<2x64x8xf32>, tensor<24x8xf16>) -> tensor<2x64x24xf32>
  // CHECK: %[[SQ:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 0>}
  // CHECK: %[[SK:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 8>}
  // CHECK: %[[SV:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 16>}
  // CHECK: %[[A:.*]] = nn.attention %[[SQ]], %[[SK]], %[[SV]]
  // CHECK: nn.linear %[[A]]
  %wq = nn.param "" "q" : tensor<8x8xf16>
  %q = nn.linear %x, %wq : (tensor<2x64x8xf32>, tensor<8x8xf16>) -> tensor<2x64x8xf32>
  %wk = nn.param "" "k" : tensor<8x8xf16>
  %k = nn.linear %x, %wk : (tensor<2x64x8xf32>, tensor<8x8xf16>) -> tensor<2x64x8xf32>
  %wv = nn.param "" "v" : tensor<8x8xf16>
  %v = nn.linear %x, %wv : (tensor<2x64x8xf32>, tensor<8x8xf16>) -> tensor<2x64x8xf32>
  %a = nn.attention %q, %k, %v {heads = 2 : i64, scale = 0.5 : f64} : (tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) -> tensor<2x64x8xf32>
  %wo = nn.param "" "o" : tensor<8x8xf16>
  %o = nn.linear %a, %wo : (tensor<2x64x8xf32>, tensor<8x8xf16>) -> tensor<2x64x8xf32>
  return %o : tensor<2x64x8xf32>
}

// -----

// Two rows: merged whoever reads the results; biases are stacked too. The one without bias stays apart.
// CHECK-LABEL: func.func @time
func.func @time(%t: tensor<2x4xf32>) -> (tensor<2x6xf32>, tensor<2x8xf32>, tensor<2x6xf32>) {
  // CHECK-DAG: nn.concat {{.*}} -> tensor<14x4xf32>
  // CHECK-DAG: nn.concat {{.*}} -> tensor<14xf32>
  // CHECK: nn.linear {{.*}} -> tensor<2x14xf32>
  // CHECK: nn.linear {{.*}} -> tensor<2x6xf32>
  // CHECK-NOT: nn.linear
  %w0 = nn.param "" "w0" : tensor<6x4xf32>
  %b0 = nn.param "" "b0" : tensor<6xf32>
  %w1 = nn.param "" "w1" : tensor<8x4xf32>
  %b1 = nn.param "" "b1" : tensor<8xf32>
  %0 = nn.linear %t, %w0, %b0 : (tensor<2x4xf32>, tensor<6x4xf32>, tensor<6xf32>) -> tensor<2x6xf32>
  %1 = nn.linear %t, %w1, %b1 : (tensor<2x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %2 = nn.linear %t, %w0 : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<2x6xf32>
  return %0, %1, %2 : tensor<2x6xf32>, tensor<2x8xf32>, tensor<2x6xf32>
}

// -----

// Different readers and many rows; different stored types; a weight that is computed: nothing merges.
// CHECK-LABEL: func.func @apart
func.func @apart(%x: tensor<64x8xf32>, %y: tensor<2x8xf32>, %w: tensor<8x8xf32>) -> (tensor<64x8xf32>, tensor<64x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>) {
  // CHECK-NOT: nn.concat
  // CHECK: return
  %w0 = nn.param "" "w0" : tensor<8x8xf32>
  %w1 = nn.param "" "w1" : tensor<8x8xf32>
  %w2 = nn.param "" "w2" : tensor<8x8xbf16>
  %0 = nn.linear %x, %w0 : (tensor<64x8xf32>, tensor<8x8xf32>) -> tensor<64x8xf32>
  %1 = nn.linear %x, %w1 : (tensor<64x8xf32>, tensor<8x8xf32>) -> tensor<64x8xf32>
  %2 = nn.unary silu %0 : tensor<64x8xf32>
  %3 = nn.unary gelu %1 : tensor<64x8xf32>
  %4 = nn.linear %y, %w0 : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
  %5 = nn.linear %y, %w2 : (tensor<2x8xf32>, tensor<8x8xbf16>) -> tensor<2x8xf32>
  %6 = nn.linear %y, %w : (tensor<2x8xf32>, tensor<8x8xf32>) -> tensor<2x8xf32>
  return %2, %3, %4, %5, %6 : tensor<64x8xf32>, tensor<64x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>, tensor<2x8xf32>
}

// -----

// Adapters on Q and V: theirs are the first rows, and their factors are stacked in that order. K comes last.
// CHECK-LABEL: func.func @adapted
func.func @adapted(%x: tensor<2x64x8xf32>) -> tensor<2x64x8xf32> {
  // CHECK-DAG: %[[Q:.*]] = nn.param "" "q" : tensor<8x8xf16>
  // CHECK-DAG: %[[K:.*]] = nn.param "" "k" : tensor<8x8xf16>
  // CHECK-DAG: %[[V:.*]] = nn.param "" "v" : tensor<8x8xf16>
  // CHECK-DAG: %[[QA:.*]] = nn.param "adapter:" "q.lora_A"
  // CHECK-DAG: %[[VA:.*]] = nn.param "adapter:" "v.lora_A"
  // CHECK-DAG: %[[QB:.*]] = nn.param "adapter:" "q.lora_B"
  // CHECK-DAG: %[[VB:.*]] = nn.param "adapter:" "v.lora_B"
  // CHECK-DAG: %[[QS:.*]] = nn.param "adapter:" "q.lora_scale"
  // CHECK-DAG: %[[VS:.*]] = nn.param "adapter:" "v.lora_scale"
  // CHECK: %[[W:.*]] = nn.concat %[[Q]], %[[V]], %[[K]] {axis = 0 : i64} {{.*}} -> tensor<24x8xf16>
  // CHECK: %[[A:.*]] = nn.concat %[[QA]], %[[VA]] {axis = 0 : i64} {{.*}} -> tensor<4x8xf32>
  // CHECK: %[[B:.*]] = nn.concat %[[QB]], %[[VB]] {axis = 0 : i64} {{.*}} -> tensor<16x2xf32>
  // CHECK: %[[S:.*]] = nn.concat %[[QS]], %[[VS]] {axis = 0 : i64} {{.*}} -> tensor<4xf32>
  // CHECK: %[[Y:.*]] = nn.lora_linear %arg0, %[[W]], lora(%[[A]], %[[B]], %[[S]]) {blocks = array<i64: 8, 16>}
  // CHECK: %[[SQ:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 0>}
  // CHECK: %[[SV:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 8>}
  // CHECK: %[[SK:.*]] = nn.slice %[[Y]] {offsets = array<i64: 0, 0, 16>}
  // CHECK: nn.attention %[[SQ]], %[[SK]], %[[SV]]
  %wq = nn.param "" "q" : tensor<8x8xf16>
  %aq = nn.param "adapter:" "q.lora_A" : tensor<2x8xf32>
  %bq = nn.param "adapter:" "q.lora_B" : tensor<8x2xf32>
  %sq = nn.param "adapter:" "q.lora_scale" : tensor<2xf32>
  %q = nn.lora_linear %x, %wq, lora(%aq, %bq, %sq) : (tensor<2x64x8xf32>, tensor<8x8xf16>, tensor<2x8xf32>, tensor<8x2xf32>, tensor<2xf32>) -> tensor<2x64x8xf32>
  %wk = nn.param "" "k" : tensor<8x8xf16>
  %k = nn.linear %x, %wk : (tensor<2x64x8xf32>, tensor<8x8xf16>) -> tensor<2x64x8xf32>
  %wv = nn.param "" "v" : tensor<8x8xf16>
  %av = nn.param "adapter:" "v.lora_A" : tensor<2x8xf32>
  %bv = nn.param "adapter:" "v.lora_B" : tensor<8x2xf32>
  %sv = nn.param "adapter:" "v.lora_scale" : tensor<2xf32>
  %v = nn.lora_linear %x, %wv, lora(%av, %bv, %sv) : (tensor<2x64x8xf32>, tensor<8x8xf16>, tensor<2x8xf32>, tensor<8x2xf32>, tensor<2xf32>) -> tensor<2x64x8xf32>
  %a = nn.attention %q, %k, %v {heads = 2 : i64, scale = 0.5 : f64} : (tensor<2x64x8xf32>, tensor<2x64x8xf32>, tensor<2x64x8xf32>) -> tensor<2x64x8xf32>
  return %a : tensor<2x64x8xf32>
}
