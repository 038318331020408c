// Every op parses, verifies and prints: the examples of KernelOps.td.
// RUN: hb-opt %s | hb-opt | FileCheck %s

// CHECK-LABEL: kernel.def @map_0(%{{.*}}: tensor<8xf32>) -> (tensor<8xf32>)
kernel.def @map_0(%x: tensor<8xf32>) -> tensor<8xf32> {
  %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    kernel.yield %b : f32
  }
  // CHECK: kernel.return %{{.*}} : tensor<8xf32>
  kernel.return %y : tensor<8xf32>
}

// CHECK-LABEL: func.func @structure
func.func @structure(%x: tensor<8xf32>, %qkv: tensor<2x64x96xf32>) {
  // CHECK: kernel.weight [#kernel.source<"unet", "conv_in.weight", tensor<320x4x3x3xf16>>] : tensor<320x4x3x3xf16, #kernel.packed<panel16>>
  %w = kernel.weight [#kernel.source<"unet", "conv_in.weight", tensor<320x4x3x3xf16>>] : tensor<320x4x3x3xf16, #kernel.packed<panel16>>
  // CHECK: kernel.constant dense<5.000000e-01> : tensor<f32>
  %t = kernel.constant dense<0.5> : tensor<f32>
  // CHECK: kernel.view %{{.*}} : tensor<2x64x96xf32> -> tensor<2x64x32xf32, #kernel.strided<32, [6144, 96, 1]>>
  %q = kernel.view %qkv : tensor<2x64x96xf32> -> tensor<2x64x32xf32, #kernel.strided<32, [6144, 96, 1]>>
  // CHECK: kernel.launch @map_0(%{{.*}}) : (tensor<8xf32>) -> tensor<8xf32>
  %y = kernel.launch @map_0(%x) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// CHECK-LABEL: func.func @contract
func.func @contract(%x: tensor<2x77x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<192x64xf16, #kernel.packed<gated_panel16>>,
                    %b: tensor<96xf32>, %la: tensor<4x64xf32, #kernel.packed<panel16>>, %lb: tensor<96x4xf32, #kernel.packed<panel16>>, %ls: tensor<4xf32>,
                    %ld: tensor<96x4xf32, #kernel.packed<diagonal_panel16>>, %n: tensor<64xf32>, %stats: tensor<2x3x8x2xf32>, %p: tensor<1x18x18x32xf32>, %c: tensor<8x32x3x3xf32, #kernel.packed<panel16>>) {
  // CHECK: kernel.contract linear a(%{{.*}} : tensor<2x77x64xf32>) weight(%{{.*}} : tensor<96x64xf16, #kernel.packed<panel16>>)
  // CHECK-SAME: extras(%{{.*}} : tensor<96xf32>) {maps = [#{{.*}}]} -> tensor<2x77x96xf32>
  %0 = kernel.contract linear a(%x : tensor<2x77x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>)
         extras(%b : tensor<96xf32>) {maps = [affine_map<(d0, d1, d2) -> (d2)>]} -> tensor<2x77x96xf32> {
  ^bb0(%acc: f32, %bias: f32):
    %s = arith.addf %acc, %bias : f32
    kernel.yield %s : f32
  }
  // CHECK: kernel.contract linear {{.*}} lora(%{{.*}} : tensor<4x64xf32, #kernel.packed<panel16>>, %{{.*}} : tensor<96x4xf32, #kernel.packed<panel16>>, %{{.*}} : tensor<4xf32>)
  %1 = kernel.contract linear a(%x : tensor<2x77x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>)
         lora(%la : tensor<4x64xf32, #kernel.packed<panel16>>, %lb : tensor<96x4xf32, #kernel.packed<panel16>>, %ls : tensor<4xf32>) {maps = []} -> tensor<2x77x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  // CHECK: kernel.contract linear {{.*}} {lora_blocks = array<i64: 32, 64>, maps = []} -> tensor<2x77x96xf32>
  %6 = kernel.contract linear a(%x : tensor<2x77x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>)
         lora(%la : tensor<4x64xf32, #kernel.packed<panel16>>, %ld : tensor<96x4xf32, #kernel.packed<diagonal_panel16>>, %ls : tensor<4xf32>)
         {lora_blocks = array<i64: 32, 64>, maps = []} -> tensor<2x77x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  // CHECK: kernel.contract linear {{.*}} {gated, maps = []} -> tensor<2x77x96xf32>
  %2 = kernel.contract linear a(%x : tensor<2x77x64xf32>) weight(%g : tensor<192x64xf16, #kernel.packed<gated_panel16>>) {gated, maps = []} -> tensor<2x77x96xf32> {
  ^bb0(%value: f32, %gate: f32):
    %s = arith.mulf %value, %gate : f32
    kernel.yield %s : f32
  }
  // CHECK: kernel.contract linear a(%{{.*}} : tensor<2x77x64xf32>) norm(layer weight %{{.*}}, %{{.*}} : tensor<64xf32>, tensor<64xf32>)
  // CHECK-SAME: weight(%{{.*}} : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.000000e-05 : f64, maps = []} -> tensor<2x77x96xf32>
  // CHECK: } prologue {
  %4 = kernel.contract linear a(%x : tensor<2x77x64xf32>) norm(layer weight %n, %n : tensor<64xf32>, tensor<64xf32>)
         weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x77x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  } prologue {
  ^bb0(%v: f32):
    %r = arith.negf %v : f32
    kernel.yield %r : f32
  }
  // CHECK: kernel.contract linear a(%{{.*}}) norm(group stats %{{.*}} : tensor<2x3x8x2xf32> weight %{{.*}}, %{{.*}} : tensor<64xf32>, tensor<64xf32>) weight
  %5 = kernel.contract linear a(%x : tensor<2x77x64xf32>) norm(group stats %stats : tensor<2x3x8x2xf32> weight %n, %n : tensor<64xf32>, tensor<64xf32>)
         weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x77x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  // CHECK: kernel.contract conv2d {{.*}} strides = array<i64: 2, 2>} -> tensor<1x8x8x8xf32>
  %3 = kernel.contract conv2d a(%p : tensor<1x18x18x32xf32>) weight(%c : tensor<8x32x3x3xf32, #kernel.packed<panel16>>) {maps = [], strides = array<i64: 2, 2>} -> tensor<1x8x8x8xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// CHECK-LABEL: func.func @normalisation
func.func @normalisation(%q: tensor<1x64x32xf32>, %k: tensor<1x77x32xf32>, %delta: tensor<1x64x2xf32>, %x: tensor<2x32x32x640xf32>, %y: tensor<2x77x64xf32>, %g: tensor<64xf32>,
                         %w: tensor<640xf32>) {
  // CHECK: kernel.attention q({{.*}}) k({{.*}}) v({{.*}}) {heads = 2 : i64, scale = 2.500000e-01 : f64} -> tensor<1x64x32xf32>
  %0 = kernel.attention q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%k : tensor<1x77x32xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>
  // CHECK: %[[Y:.*]], %[[STATS:.*]] = kernel.attention q({{.*}}) k({{.*}}) v({{.*}}) {heads = 2 : i64, scale = 2.500000e-01 : f64} -> tensor<1x64x32xf32>, tensor<1x2x2x64xf32>
  %y1, %stats = kernel.attention q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%k : tensor<1x77x32xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>, tensor<1x2x2x64xf32>
  // CHECK: kernel.attention_vjp q({{.*}}) k({{.*}}) v({{.*}}) dy(%[[Y]] : tensor<1x64x32xf32>) stats(%[[STATS]] : tensor<1x2x2x64xf32>) delta({{.*}}) {heads = 2 : i64
  %dq, %dk, %dv = kernel.attention_vjp q(%q : tensor<1x64x32xf32>) k(%k : tensor<1x77x32xf32>) v(%k : tensor<1x77x32xf32>) dy(%y1 : tensor<1x64x32xf32>)
      stats(%stats : tensor<1x2x2x64xf32>) delta(%delta : tensor<1x64x2xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>, tensor<1x77x32xf32>, tensor<1x77x32xf32>
  // CHECK: kernel.group_stats %{{.*}} {chunks = 8 : i64, groups = 32 : i64} : tensor<2x32x32x640xf32> -> tensor<2x8x32x2xf32>
  %1 = kernel.group_stats %x {groups = 32 : i64, chunks = 8 : i64} : tensor<2x32x32x640xf32> -> tensor<2x8x32x2xf32>
  // CHECK: kernel.normalize group %{{.*}} stats({{.*}}) weight({{.*}}) {eps = 1.000000e-05 : f64, groups = 32 : i64, pad = array<i64: 1, 1, 1, 1>}
  %2 = kernel.normalize group %x stats(%1 : tensor<2x8x32x2xf32>) weight(%w, %w : tensor<640xf32>, tensor<640xf32>)
         {eps = 1.0e-5 : f64, groups = 32 : i64, pad = array<i64: 1, 1, 1, 1>} : tensor<2x32x32x640xf32> -> tensor<2x34x34x640xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: kernel.normalize layer
  %3 = kernel.normalize layer %y weight(%g, %g : tensor<64xf32>, tensor<64xf32>) {eps = 1.0e-5 : f64} : tensor<2x77x64xf32> -> tensor<2x77x64xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// CHECK-LABEL: func.func @maps
func.func @maps(%x: tensor<1x8x8x16xf32>, %a: tensor<2x8x8x16xf32>, %b: tensor<2x8x8x8xf32>, %t: tensor<100x64xf16>, %i: tensor<2x7xi64>, %r: tensor<2x64xf32>,
                %p: tensor<2x96x96x3xf32>, %w: tensor<1x18x18x32xf32>) {
  // CHECK: kernel.map(%{{.*}} : tensor<1x8x8x16xf32>) [#{{.*}}] {zero_outside = array<i1: true>} -> tensor<1x10x10x16xf32>
  %0 = kernel.map (%x : tensor<1x8x8x16xf32>) [affine_map<(b, h, w, c) -> (b, h - 1, w - 1, c)>] {zero_outside = array<i1: true>} -> tensor<1x10x10x16xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: kernel.concat(%{{.*}}, %{{.*}} : tensor<2x8x8x16xf32>, tensor<2x8x8x8xf32>) {axis = 3 : i64} -> tensor<2x8x8x24xf32>
  %1 = kernel.concat (%a, %b : tensor<2x8x8x16xf32>, tensor<2x8x8x8xf32>) {axis = 3 : i64} -> tensor<2x8x8x24xf32>
  // CHECK: kernel.gather %{{.*}}, %{{.*}} {batch_dims = 0 : i64} : (tensor<100x64xf16>, tensor<2x7xi64>) -> tensor<2x7x64xf32>
  %2 = kernel.gather %t, %i {batch_dims = 0 : i64} : (tensor<100x64xf16>, tensor<2x7xi64>) -> tensor<2x7x64xf32>
  // CHECK: kernel.reduce sum(%{{.*}} : tensor<2x64xf32>) [#{{.*}}] {extents = array<i64: 2, 64>} -> tensor<2xf32>
  %3 = kernel.reduce sum (%r : tensor<2x64xf32>) [affine_map<(d0, d1) -> (d0, d1)>] {extents = array<i64: 2, 64>} -> tensor<2xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: kernel.adaptive_pool %{{.*}} : tensor<2x96x96x3xf32> -> tensor<2x56x56x3xf32>
  %4 = kernel.adaptive_pool %p : tensor<2x96x96x3xf32> -> tensor<2x56x56x3xf32>
  // CHECK: kernel.winograd_input %{{.*}} {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x64x32xf32>
  %5 = kernel.winograd_input %w {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x64x32xf32>
  // CHECK: kernel.winograd_output %{{.*}} {m = array<i64: 2, 2>, maps = []} : tensor<16x64x32xf32> -> tensor<1x16x16x32xf32>
  %6 = kernel.winograd_output %5 {m = array<i64: 2, 2>, maps = []} : tensor<16x64x32xf32> -> tensor<1x16x16x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  %row = kernel.constant dense<2> : tensor<i64>
  // CHECK: kernel.winograd_input %{{.*}} slab(%[[ROW:.*]] : tensor<i64>) {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x16x32xf32>
  %slab = kernel.winograd_input %w slab(%row : tensor<i64>) {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x16x32xf32>
  // CHECK: kernel.winograd_output %{{.*}} slab(%[[ROW]] : tensor<i64>) into(%{{.*}} : tensor<1x16x16x32xf32>) {m = array<i64: 2, 2>, maps = []} : tensor<16x16x32xf32> -> tensor<1x16x16x32xf32>
  %both = kernel.winograd_output %slab slab(%row : tensor<i64>) into(%6 : tensor<1x16x16x32xf32>) {m = array<i64: 2, 2>, maps = []} : tensor<16x16x32xf32> -> tensor<1x16x16x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}
