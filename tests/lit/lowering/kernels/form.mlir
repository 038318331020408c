// One nn op, one or two kernel ops, nothing fused.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels))' | FileCheck %s

// CHECK-DAG: #[[VALUE:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[GATE:.*]] = affine_map<(d0, d1) -> (d1 + 8)>

// CHECK-LABEL: func.func @embedding
// CHECK-SAME: kernel.range = array<i64: 0, 100>
// CHECK-SAME: kernel.ops = 2 : i64
// A table is read in place as stored, positions are widened by the runtime.
// CHECK: kernel.weight [#kernel.source<"", "tok", tensor<100x32xf16>>] : tensor<100x32xf16>
// CHECK: kernel.weight [#kernel.source<"", "pos", tensor<7x32xf16>>] : tensor<7x32xf32>
// CHECK: kernel.gather
// CHECK: kernel.map(%{{.*}}, %{{.*}} : tensor<1x7x32xf32>, tensor<7x32xf32>)
// CHECK: arith.addf
func.func @embedding(%ids: tensor<1x7xi64>) -> tensor<1x7x32xf32> {
  %t = nn.param "" "tok" : tensor<100x32xf16>
  %p = nn.param "" "pos" : tensor<7x32xf16>
  %e = nn.gather %t, %ids {batch_dims = 0 : i64} : (tensor<100x32xf16>, tensor<1x7xi64>) -> tensor<1x7x32xf32>
  %x = nn.binary add %e, %p : (tensor<1x7x32xf32>, tensor<7x32xf16>) -> tensor<1x7x32xf32>
  return %x : tensor<1x7x32xf32>
}

// Parameters side by side are one weight of several sources; slices of the last axis that attention reads are views.
// CHECK-LABEL: func.func @merged
// CHECK: kernel.weight [#kernel.source<"", "q", tensor<32x32xf16>>, #kernel.source<"", "k", tensor<32x32xf16>>, #kernel.source<"", "v", tensor<32x32xf16>>] : tensor<96x32xf16, #kernel.packed<panel16>>
// CHECK: kernel.contract linear
// CHECK: kernel.view %{{.*}} : tensor<1x7x96xf32> -> tensor<1x7x32xf32, #kernel.strided<0, [672, 96, 1]>>
// CHECK: kernel.view %{{.*}} : tensor<1x7x96xf32> -> tensor<1x7x32xf32, #kernel.strided<32, [672, 96, 1]>>
// CHECK: kernel.view %{{.*}} : tensor<1x7x96xf32> -> tensor<1x7x32xf32, #kernel.strided<64, [672, 96, 1]>>
// CHECK: kernel.attention {{.*}} {causal, heads = 2 : i64, scale = 2.500000e-01 : f64}
func.func @merged(%x: tensor<1x7x32xf32>) -> tensor<1x7x32xf32> {
  %wq = nn.param "" "q" : tensor<32x32xf16>
  %wk = nn.param "" "k" : tensor<32x32xf16>
  %wv = nn.param "" "v" : tensor<32x32xf16>
  %w = nn.concat %wq, %wk, %wv {axis = 0 : i64} : (tensor<32x32xf16>, tensor<32x32xf16>, tensor<32x32xf16>) -> tensor<96x32xf16>
  %y = nn.linear %x, %w : (tensor<1x7x32xf32>, tensor<96x32xf16>) -> tensor<1x7x96xf32>
  %q = nn.slice %y {offsets = array<i64: 0, 0, 0>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %k = nn.slice %y {offsets = array<i64: 0, 0, 32>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %v = nn.slice %y {offsets = array<i64: 0, 0, 64>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %a = nn.attention %q, %k, %v {heads = 2 : i64, scale = 0.25 : f64, causal} : (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>) -> tensor<1x7x32xf32>
  return %a : tensor<1x7x32xf32>
}

// CHECK-LABEL: func.func @adapter
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_A", tensor<4x32xf32>>] : tensor<4x32xf32, #kernel.packed<panel16>>
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_B", tensor<16x4xf32>>] : tensor<16x4xf32, #kernel.packed<panel16>>
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_scale", tensor<4xf32>>] : tensor<4xf32>
// CHECK: kernel.contract linear {{.*}} lora(
func.func @adapter(%x: tensor<2x32xf32>) -> tensor<2x16xf32> {
  %w = nn.param "unet" "to_q.weight" : tensor<16x32xf16>
  %a = nn.param "adapter:unet" "to_q.lora_A" : tensor<4x32xf32>
  %b = nn.param "adapter:unet" "to_q.lora_B" : tensor<16x4xf32>
  %s = nn.param "adapter:unet" "to_q.lora_scale" : tensor<4xf32>
  %y = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x32xf32>, tensor<16x32xf16>, tensor<4x32xf32>, tensor<16x4xf32>, tensor<4xf32>) -> tensor<2x16xf32>
  return %y : tensor<2x16xf32>
}

// The gate's half of the bias starts 8 rows further.
// CHECK-LABEL: func.func @gated
// CHECK: tensor<16x32xf16, #kernel.packed<gated_panel16>>
// CHECK: kernel.contract linear {{.*}} extras(%[[B:.*]], %[[B]] : tensor<16xf32>, tensor<16xf32>) {gated, maps = [#[[VALUE]], #[[GATE]]]} -> tensor<2x8xf32>
// CHECK: math.erf
func.func @gated(%x: tensor<2x32xf32>) -> tensor<2x8xf32> {
  %w = nn.param "unet" "ff.weight" : tensor<16x32xf16>
  %b = nn.param "unet" "ff.bias" : tensor<16xf16>
  %y = nn.gated_linear gelu %x, %w bias(%b) : (tensor<2x32xf32>, tensor<16x32xf16>, tensor<16xf16>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// Padding is a map in front; 1x1 kernels are linears on pixels.
// CHECK-LABEL: func.func @convolution
// CHECK: kernel.map({{.*}} : tensor<1x8x8x16xf32>) [#{{.*}}] {zero_outside = array<i1: true>} -> tensor<1x10x10x16xf32>
// CHECK: kernel.contract conv2d a(%{{.*}} : tensor<1x10x10x16xf32>) weight(%{{.*}} : tensor<32x16x3x3xf16, #kernel.packed<panel16>>)
// CHECK: kernel.contract linear a(%{{.*}} : tensor<1x8x8x32xf32>) weight(%{{.*}} : tensor<8x32xf16, #kernel.packed<panel16>>)
func.func @convolution(%x: tensor<1x8x8x16xf32>) -> tensor<1x8x8x8xf32> {
  %w = nn.param "" "conv.weight" : tensor<32x16x3x3xf16>
  %y = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x16xf32>, tensor<32x16x3x3xf16>) -> tensor<1x8x8x32xf32>
  %v = nn.param "" "short.weight" : tensor<8x32x1x1xf16>
  %z = nn.conv2d %y, %v {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x8x8x32xf32>, tensor<8x32x1x1xf16>) -> tensor<1x8x8x8xf32>
  return %z : tensor<1x8x8x8xf32>
}

// CHECK-LABEL: func.func @norms
// CHECK: kernel.group_stats %{{.*}} {chunks = 4 : i64, groups = 8 : i64} : tensor<1x32x32x32xf32> -> tensor<1x4x8x2xf32>
// CHECK: kernel.normalize group
// CHECK: kernel.normalize layer
// CHECK: kernel.normalize softmax
// CHECK: kernel.normalize l2
func.func @norms(%x: tensor<1x32x32x32xf32>) -> tensor<1x32x32x32xf32> {
  %w = nn.param "" "w" : tensor<32xf16>
  %0 = nn.group_norm %x, %w, %w {groups = 8 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nhwc>} : (tensor<1x32x32x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<1x32x32x32xf32>
  %1 = nn.layer_norm %0, %w, %w {eps = 1.0e-5 : f64} : (tensor<1x32x32x32xf32>, tensor<32xf16>, tensor<32xf16>) -> tensor<1x32x32x32xf32>
  %2 = nn.softmax %1 : tensor<1x32x32x32xf32>
  %3 = nn.l2_normalize %2 {eps = 1.0e-12 : f64} : tensor<1x32x32x32xf32>
  return %3 : tensor<1x32x32x32xf32>
}

// A reduction's dimensions follow the result's; a transposition of unit axes moves nothing.
// CHECK-LABEL: func.func @reductions
// CHECK: kernel.reduce mean({{.*}} : tensor<2x8x4xf32>) [#{{.*}}] {extents = array<i64: 2, 4, 8>} -> tensor<2x4xf32>
// CHECK: kernel.reduce sum({{.*}} : tensor<2x4xf32>, tensor<3x4xf32>) {{.*}} {extents = array<i64: 2, 3, 4>} -> tensor<2x3xf32>
// CHECK: kernel.reduce argmax({{.*}} : tensor<2x3xf32>) {{.*}} -> tensor<2xi64>
// CHECK: kernel.view %{{.*}} : tensor<2x1x4xf32> -> tensor<1x2x4xf32>
func.func @reductions(%x: tensor<2x8x4xf32>, %y: tensor<3x4xf32>, %z: tensor<2x1x4xf32>) -> (tensor<2xi64>, tensor<1x2x4xf32>) {
  %0 = nn.reduce mean %x {axes = array<i64: 1>} : tensor<2x8x4xf32> -> tensor<2x4xf32>
  %1 = nn.matmul %0, %y {transpose_b} : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  %2 = nn.argmax %1 : tensor<2x3xf32> -> tensor<2xi64>
  %3 = nn.transpose %z {permutation = array<i64: 1, 0, 2>} : tensor<2x1x4xf32> -> tensor<1x2x4xf32>
  return %2, %3 : tensor<2xi64>, tensor<1x2x4xf32>
}

// A run-time count may not exceed what tables are sized for.
// CHECK-LABEL: func.func @loop
// CHECK-SAME: kernel.range = array<i64: 0, 4>
// CHECK: nn.repeat
// CHECK: kernel.map
// CHECK: nn.yield
func.func @loop(%n: tensor<i64>, %x: tensor<8xf32>) -> tensor<8xf32> {
  %y = nn.repeat count(%n) max 3 inits(%x) : (tensor<i64>, tensor<8xf32>) -> tensor<8xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<8xf32>):
    %e = nn.unary exp %c : tensor<8xf32>
    nn.yield %e : tensor<8xf32>
  }
  return %y : tensor<8xf32>
}

// The gradient reads views as attention does; Σ dy∘y is a reduction of its own, the statistics come from the forward kernel.
// CHECK-LABEL: func.func @attention_gradient
// CHECK-SAME: kernel.ops = 5 : i64
// CHECK: %[[Q:.*]] = kernel.view %arg0 : tensor<1x7x96xf32> -> tensor<1x7x32xf32, #kernel.strided<0, [672, 96, 1]>>
// CHECK: %[[Y:.*]], %[[STATS:.*]] = kernel.attention q(%[[Q]] {{.*}} -> tensor<1x7x32xf32>, tensor<1x2x2x7xf32>
// CHECK: %[[DELTA:.*]] = kernel.reduce sum({{.*}} : tensor<1x7x2x16xf32>, tensor<1x7x2x16xf32>) {{.*}} -> tensor<1x7x2xf32>
// CHECK: %[[DQ:.*]], %[[DK:.*]], %[[DV:.*]] = kernel.attention_vjp q(%[[Q]] {{.*}} dy(%arg1 {{.*}} stats(%[[STATS]] {{.*}} delta(%[[DELTA]]
// CHECK: return %[[DQ]], %[[DK]], %[[DV]]
func.func @attention_gradient(%x: tensor<1x7x96xf32>, %dy: tensor<1x7x32xf32>) -> (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>) {
  %q = nn.slice %x {offsets = array<i64: 0, 0, 0>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %k = nn.slice %x {offsets = array<i64: 0, 0, 32>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %v = nn.slice %x {offsets = array<i64: 0, 0, 64>} : tensor<1x7x96xf32> -> tensor<1x7x32xf32>
  %y, %s = nn.attention %q, %k, %v {heads = 2 : i64, scale = 0.25 : f64} : (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>) -> (tensor<1x7x32xf32>, tensor<1x2x2x7xf32>)
  %g:3 = nn.attention_vjp q(%q) k(%k) v(%v) y(%y) stats(%s) dy(%dy) {heads = 2 : i64, scale = 0.25 : f64}
      : (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x2x2x7xf32>, tensor<1x7x32xf32>)
        -> (tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>)
  return %g#0, %g#1, %g#2 : tensor<1x7x32xf32>, tensor<1x7x32xf32>, tensor<1x7x32xf32>
}

// Merged linears of which two are adapted: factors one after the other, B along the diagonal.
// CHECK-LABEL: func.func @merged_adapters
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "q.lora_A", tensor<4x32xf32>>, #kernel.source<"adapter:unet", "v.lora_A", tensor<4x32xf32>>] : tensor<8x32xf32, #kernel.packed<panel16>>
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "q.lora_B", tensor<16x4xf32>>, #kernel.source<"adapter:unet", "v.lora_B", tensor<16x4xf32>>] : tensor<48x8xf32, #kernel.packed<diagonal_panel16>>
// CHECK-DAG: kernel.weight [#kernel.source<"adapter:unet", "q.lora_scale", tensor<4xf32>>, #kernel.source<"adapter:unet", "v.lora_scale", tensor<4xf32>>] : tensor<8xf32>
// CHECK: kernel.contract linear {{.*}} lora({{.*}}) {lora_blocks = array<i64: 16, 32>, maps = []} -> tensor<2x48xf32>
func.func @merged_adapters(%x: tensor<2x32xf32>) -> tensor<2x48xf32> {
  %w = nn.param "unet" "qvk" : tensor<48x32xf16>
  %aq = nn.param "adapter:unet" "q.lora_A" : tensor<4x32xf32>
  %av = nn.param "adapter:unet" "v.lora_A" : tensor<4x32xf32>
  %bq = nn.param "adapter:unet" "q.lora_B" : tensor<16x4xf32>
  %bv = nn.param "adapter:unet" "v.lora_B" : tensor<16x4xf32>
  %sq = nn.param "adapter:unet" "q.lora_scale" : tensor<4xf32>
  %sv = nn.param "adapter:unet" "v.lora_scale" : tensor<4xf32>
  %a = nn.concat %aq, %av {axis = 0 : i64} : (tensor<4x32xf32>, tensor<4x32xf32>) -> tensor<8x32xf32>
  %b = nn.concat %bq, %bv {axis = 0 : i64} : (tensor<16x4xf32>, tensor<16x4xf32>) -> tensor<32x4xf32>
  %s = nn.concat %sq, %sv {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %y = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 16, 32>} : (tensor<2x32xf32>, tensor<48x32xf16>, tensor<8x32xf32>, tensor<32x4xf32>, tensor<8xf32>) -> tensor<2x48xf32>
  return %y : tensor<2x48xf32>
}
