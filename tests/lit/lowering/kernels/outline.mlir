// Equal kernels are one kernel.def; what they cost and where they come from is written on it.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels),hb-outline-kernels)' | FileCheck %s

// 2 · 2 · 32 · 32 multiply-adds; x, weight and result once each.
// CHECK: kernel.def @contract_0
// CHECK-SAME: bytes = 2560 : i64
// CHECK-SAME: flops = 4096 : i64
// CHECK: kernel.def @map_0
// CHECK-SAME: inplace = {{\[}}[0, 0]]
// CHECK: math.exp
// CHECK: kernel.def @map_1
// CHECK-SAME: inplace = {{\[}}[0, 0], [1, 0]]
// CHECK: kernel.def @map_2
// CHECK-NOT: inplace
// CHECK: kernel.yield

// CHECK-LABEL: func.func @f
// CHECK: kernel.launch @contract_0
// CHECK: kernel.launch @map_0
// CHECK: kernel.launch @contract_0
// CHECK: kernel.launch @map_1
// CHECK: kernel.launch @map_2
func.func @f(%x: tensor<2x32xf32>) -> tensor<32x2xf32> {
  %w = nn.param "" "a" : tensor<32x32xf16>
  %v = nn.param "" "b" : tensor<32x32xf16>
  %0 = nn.linear %x, %w : (tensor<2x32xf32>, tensor<32x32xf16>) -> tensor<2x32xf32>
  %1 = nn.unary exp %0 : tensor<2x32xf32>
  %2 = nn.linear %1, %v : (tensor<2x32xf32>, tensor<32x32xf16>) -> tensor<2x32xf32>
  %3 = nn.binary sub %1, %2 : (tensor<2x32xf32>, tensor<2x32xf32>) -> tensor<2x32xf32>
  %4 = nn.transpose %3 {permutation = array<i64: 1, 0>} : tensor<2x32xf32> -> tensor<32x2xf32>
  return %4 : tensor<32x2xf32>
}

// The same ops wired differently are two kernels.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels),hb-outline-kernels)' | FileCheck %s --check-prefix=WIRED
// WIRED: func.func @g
// WIRED: kernel.launch @map_3
// WIRED: kernel.launch @map_4
func.func @g(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = kernel.map (%x, %y : tensor<4xf32>, tensor<4xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.subf %a, %b : f32
    kernel.yield %c : f32
  }
  %1 = kernel.map (%0, %y : tensor<4xf32>, tensor<4xf32>) [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>] -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.subf %b, %a : f32
    kernel.yield %c : f32
  }
  return %1 : tensor<4xf32>
}
