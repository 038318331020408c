// Every op parses, verifies and prints: the examples of NnOps.td.
// RUN: hb-opt %s | hb-opt | FileCheck %s

// CHECK-LABEL: func.func @sources
func.func @sources() -> (tensor<320x4x3x3xf16>, tensor<f32>) {
  // CHECK: nn.param "unet" "conv_in.weight" : tensor<320x4x3x3xf16>
  %w = nn.param "unet" "conv_in.weight" : tensor<320x4x3x3xf16>
  // CHECK: nn.constant dense<5.000000e-01> : tensor<f32>
  %half = nn.constant dense<0.5> : tensor<f32>
  return %w, %half : tensor<320x4x3x3xf16>, tensor<f32>
}

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<2x64x64x320xf32>, %shift: tensor<2x1x1x320xf32>, %ids: tensor<2x12xi64>) {
  // CHECK: nn.unary silu %{{.*}} : tensor<2x64x64x320xf32>
  %0 = nn.unary silu %x : tensor<2x64x64x320xf32>
  // CHECK: nn.binary add %{{.*}}, %{{.*}} : (tensor<2x64x64x320xf32>, tensor<2x1x1x320xf32>) -> tensor<2x64x64x320xf32>
  %1 = nn.binary add %0, %shift : (tensor<2x64x64x320xf32>, tensor<2x1x1x320xf32>) -> tensor<2x64x64x320xf32>
  // CHECK: nn.clamp %{{.*}}[0.000000e+00, 1.000000e+00] : tensor<2x64x64x320xf32>
  %2 = nn.clamp %1 [0.0, 1.0] : tensor<2x64x64x320xf32>
  // CHECK: nn.cast %{{.*}} : tensor<2x12xi64> to tensor<2x12xf32>
  %3 = nn.cast %ids : tensor<2x12xi64> to tensor<2x12xf32>
  return
}

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<2x77x768xf32>, %w: tensor<3072x768xf16>, %b: tensor<3072xf16>, %la: tensor<4x768xf32>, %lb: tensor<3072x4xf32>,
                    %s: tensor<4xf32>, %m: tensor<2x768x5xf32>) {
  // CHECK: nn.linear %{{.*}}, %{{.*}}, %{{.*}} : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<3072xf16>) -> tensor<2x77x3072xf32>
  %0 = nn.linear %x, %w, %b : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<3072xf16>) -> tensor<2x77x3072xf32>
  // CHECK: nn.linear %{{.*}}, %{{.*}} : (tensor<2x77x768xf32>, tensor<3072x768xf16>) -> tensor<2x77x3072xf32>
  %1 = nn.linear %x, %w : (tensor<2x77x768xf32>, tensor<3072x768xf16>) -> tensor<2x77x3072xf32>
  // CHECK: nn.lora_linear %{{.*}}, %{{.*}}, bias(%{{.*}}), lora(%{{.*}}, %{{.*}}, %{{.*}}) :
  %2 = nn.lora_linear %x, %w, bias(%b), lora(%la, %lb, %s) : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<3072xf16>, tensor<4x768xf32>, tensor<3072x4xf32>, tensor<4xf32>) -> tensor<2x77x3072xf32>
  // CHECK: nn.gated_linear gelu %{{.*}}, %{{.*}} bias(%{{.*}}) :
  %3 = nn.gated_linear gelu %x, %w bias(%b) : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<3072xf16>) -> tensor<2x77x1536xf32>
  // CHECK: nn.gated_linear silu %{{.*}}, %{{.*}} lora(%{{.*}}, %{{.*}}, %{{.*}}) :
  %4 = nn.gated_linear silu %x, %w lora(%la, %lb, %s) : (tensor<2x77x768xf32>, tensor<3072x768xf16>, tensor<4x768xf32>, tensor<3072x4xf32>, tensor<4xf32>) -> tensor<2x77x1536xf32>
  // CHECK: nn.matmul %{{.*}}, %{{.*}} : (tensor<2x77x768xf32>, tensor<2x768x5xf32>) -> tensor<2x77x5xf32>
  %5 = nn.matmul %x, %m : (tensor<2x77x768xf32>, tensor<2x768x5xf32>) -> tensor<2x77x5xf32>
  // CHECK: nn.matmul %{{.*}}, %{{.*}} {transpose_b} : (tensor<2x77x768xf32>, tensor<2x77x768xf32>) -> tensor<2x77x77xf32>
  %6 = nn.matmul %x, %x {transpose_b} : (tensor<2x77x768xf32>, tensor<2x77x768xf32>) -> tensor<2x77x77xf32>
  return
}

// CHECK-LABEL: func.func @pictures
func.func @pictures(%x: tensor<1x4x8x8xf32>, %w: tensor<16x4x3x3xf16>, %b: tensor<16xf16>, %last: tensor<1x8x8x4xf32>) {
  // CHECK: nn.conv2d {{.*}}layout = #nn.layout<nchw>{{.*}} -> tensor<1x16x8x8xf32>
  %0 = nn.conv2d %x, %w, %b {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<16x4x3x3xf16>, tensor<16xf16>) -> tensor<1x16x8x8xf32>
  // CHECK: nn.conv2d {{.*}}layout = #nn.layout<nhwc>{{.*}} -> tensor<1x4x4x16xf32>
  %1 = nn.conv2d %last, %w {layout = #nn.layout<nhwc>, strides = array<i64: 2, 2>, padding = array<i64: 0, 1, 0, 1>} : (tensor<1x8x8x4xf32>, tensor<16x4x3x3xf16>) -> tensor<1x4x4x16xf32>
  // CHECK: nn.group_norm {{.*}}groups = 4
  %2 = nn.group_norm %0, %b, %b {groups = 4 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<1x16x8x8xf32>, tensor<16xf16>, tensor<16xf16>) -> tensor<1x16x8x8xf32>
  // CHECK: nn.resize_nearest {{.*}} -> tensor<1x16x16x16xf32>
  %3 = nn.resize_nearest %2 {layout = #nn.layout<nchw>} : tensor<1x16x8x8xf32> -> tensor<1x16x16x16xf32>
  // CHECK: nn.adaptive_avg_pool {{.*}} -> tensor<1x16x5x3xf32>
  %4 = nn.adaptive_avg_pool %3 {layout = #nn.layout<nchw>} : tensor<1x16x16x16xf32> -> tensor<1x16x5x3xf32>
  return
}

// CHECK-LABEL: func.func @sequences
func.func @sequences(%q: tensor<2x64x40xf32>, %k: tensor<2x7x40xf32>, %mask: tensor<2x1x7xf32>, %w: tensor<40xf16>, %table: tensor<99x40xf16>, %ids: tensor<2x7xi64>, %row: tensor<2xi64>) {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {heads = 5 : i64, scale = 1.250000e-01 : f64}
  %0 = nn.attention %q, %k, %k, %mask {heads = 5 : i64, scale = 0.125 : f64} : (tensor<2x64x40xf32>, tensor<2x7x40xf32>, tensor<2x7x40xf32>, tensor<2x1x7xf32>) -> tensor<2x64x40xf32>
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, heads = 5 : i64
  %1 = nn.attention %k, %k, %k {causal, heads = 5 : i64, scale = 0.125 : f64} : (tensor<2x7x40xf32>, tensor<2x7x40xf32>, tensor<2x7x40xf32>) -> tensor<2x7x40xf32>
  // CHECK: %[[Y:.*]], %[[STATS:.*]] = nn.attention {{.*}} -> (tensor<2x64x40xf32>, tensor<2x5x2x64xf32>)
  %y, %stats = nn.attention %q, %k, %k, %mask {heads = 5 : i64, scale = 0.125 : f64}
      : (tensor<2x64x40xf32>, tensor<2x7x40xf32>, tensor<2x7x40xf32>, tensor<2x1x7xf32>) -> (tensor<2x64x40xf32>, tensor<2x5x2x64xf32>)
  // CHECK: nn.attention_vjp q({{.*}}) k({{.*}}) v({{.*}}) y(%[[Y]]) stats(%[[STATS]]) dy({{.*}}) mask({{.*}}) {heads = 5 : i64
  %dq, %dk, %dv = nn.attention_vjp q(%q) k(%k) v(%k) y(%y) stats(%stats) dy(%q) mask(%mask) {heads = 5 : i64, scale = 0.125 : f64}
      : (tensor<2x64x40xf32>, tensor<2x7x40xf32>, tensor<2x7x40xf32>, tensor<2x64x40xf32>, tensor<2x5x2x64xf32>, tensor<2x64x40xf32>, tensor<2x1x7xf32>)
        -> (tensor<2x64x40xf32>, tensor<2x7x40xf32>, tensor<2x7x40xf32>)
  // CHECK: nn.layer_norm
  %2 = nn.layer_norm %0, %w, %w {eps = 1.0e-5 : f64} : (tensor<2x64x40xf32>, tensor<40xf16>, tensor<40xf16>) -> tensor<2x64x40xf32>
  // CHECK: nn.softmax
  %3 = nn.softmax %2 : tensor<2x64x40xf32>
  // CHECK: nn.l2_normalize
  %4 = nn.l2_normalize %3 {eps = 1.0e-12 : f64} : tensor<2x64x40xf32>
  // CHECK: nn.reduce max %{{.*}} {axes = array<i64: 1>} : tensor<2x64x40xf32> -> tensor<2x40xf32>
  %5 = nn.reduce max %4 {axes = array<i64: 1>} : tensor<2x64x40xf32> -> tensor<2x40xf32>
  // CHECK: nn.argmax %{{.*}} : tensor<2x7xi64> -> tensor<2xi64>
  %6 = nn.argmax %ids : tensor<2x7xi64> -> tensor<2xi64>
  // CHECK: nn.gather {{.*}} {batch_dims = 0 : i64} {{.*}} -> tensor<2x7x40xf32>
  %7 = nn.gather %table, %ids {batch_dims = 0 : i64} : (tensor<99x40xf16>, tensor<2x7xi64>) -> tensor<2x7x40xf32>
  // CHECK: nn.gather {{.*}} {batch_dims = 1 : i64} {{.*}} -> tensor<2x40xf32>
  %8 = nn.gather %7, %row {batch_dims = 1 : i64} : (tensor<2x7x40xf32>, tensor<2xi64>) -> tensor<2x40xf32>
  return
}

// CHECK-LABEL: func.func @movement
func.func @movement(%a: tensor<2x8x4x4xf32>, %b: tensor<2x4x4x4xf32>) {
  // CHECK: nn.concat %{{.*}}, %{{.*}} {axis = 1 : i64}
  %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x8x4x4xf32>, tensor<2x4x4x4xf32>) -> tensor<2x12x4x4xf32>
  // CHECK: nn.slice %{{.*}} {offsets = array<i64: 0, 4, 0, 0>} : tensor<2x12x4x4xf32> -> tensor<2x4x4x4xf32>
  %1 = nn.slice %0 {offsets = array<i64: 0, 4, 0, 0>} : tensor<2x12x4x4xf32> -> tensor<2x4x4x4xf32>
  // CHECK: nn.reshape %{{.*}} : tensor<2x4x4x4xf32> -> tensor<2x4x16xf32>
  %2 = nn.reshape %1 : tensor<2x4x4x4xf32> -> tensor<2x4x16xf32>
  // CHECK: nn.transpose %{{.*}} {permutation = array<i64: 0, 2, 1>}
  %3 = nn.transpose %2 {permutation = array<i64: 0, 2, 1>} : tensor<2x4x16xf32> -> tensor<2x16x4xf32>
  // CHECK: nn.broadcast %{{.*}} : tensor<2x16x4xf32> -> tensor<3x2x16x4xf32>
  %4 = nn.broadcast %3 : tensor<2x16x4xf32> -> tensor<3x2x16x4xf32>
  return
}

// CHECK-LABEL: func.func @loops
func.func @loops(%steps: tensor<i64>, %x0: tensor<1x4xf32>) -> tensor<1x4xf32> {
  // CHECK: nn.repeat count(%{{.*}}) max 100 inits(%{{.*}}) : (tensor<i64>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %x = nn.repeat count(%steps) max 100 inits(%x0) : (tensor<i64>, tensor<1x4xf32>) -> (tensor<1x4xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<1x4xf32>):
    // CHECK: nn.yield %{{.*}} : tensor<1x4xf32>
    nn.yield %c : tensor<1x4xf32>
  }
  // CHECK: nn.repeat max 3 inits(%{{.*}}) : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %y = nn.repeat max 3 inits(%x) : (tensor<1x4xf32>) -> (tensor<1x4xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<1x4xf32>):
    nn.yield %c : tensor<1x4xf32>
  }
  return %y : tensor<1x4xf32>
}
