// 3x3 convolutions of enough channels; the epilogue moves to the output transform.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd))' | FileCheck %s
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd{large-tiles=true}))' | FileCheck %s --check-prefix=LARGE
// A module that was compiled with --math fast takes the large tiles without being told.
// RUN: sed -e 's/^module {/module attributes {nn.math = "fast"} {/' %s | hb-opt --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd))' | FileCheck %s --check-prefix=LARGE
// RUN: sed -e 's/^module {/module attributes {nn.math = "strict"} {/' %s | hb-opt --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd))' | FileCheck %s
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd{least-channels=65}))' | FileCheck %s --check-prefix=NONE
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd{most-plane-mib=0}))' | FileCheck %s --check-prefix=NONE
// NONE-NOT: winograd

module {
// CHECK-LABEL: func.func @both_tiles
// CHECK: kernel.weight [#kernel.source<"", "w", tensor<96x64x3x3xf16>>] : tensor<96x64x3x3xf32, #kernel.packed<winograd_f2>>
// CHECK: kernel.winograd_input %{{.*}} {m = array<i64: 2, 2>} : tensor<2x10x10x64xf32> -> tensor<16x32x64xf32>
// CHECK: kernel.contract planes a(%{{.*}} : tensor<16x32x64xf32>) {{.*}} -> tensor<16x32x96xf32>
// CHECK: kernel.winograd_output %{{.*}} extras(%{{.*}}, %{{.*}} : tensor<96xf32>, tensor<2x8x8x96xf32>) {m = array<i64: 2, 2>
// CHECK: arith.addf
// CHECK: arith.addf
//
// LARGE-LABEL: func.func @both_tiles
// LARGE: kernel.weight [#kernel.source<"", "w", tensor<96x64x3x3xf16>>] : tensor<96x64x3x3xf32, #kernel.packed<winograd_f4x2>>
// LARGE: kernel.winograd_input %{{.*}} {m = array<i64: 4, 2>} : tensor<2x10x10x64xf32> -> tensor<24x16x64xf32>
// LARGE: kernel.contract planes a(%{{.*}} : tensor<24x16x64xf32>) {{.*}} -> tensor<24x16x96xf32>
// LARGE: kernel.winograd_output %{{.*}} extras(%{{.*}}, %{{.*}} : tensor<96xf32>, tensor<2x8x8x96xf32>) {m = array<i64: 4, 2>
// LARGE: arith.addf
// LARGE: arith.addf
func.func @both_tiles(%x: tensor<2x8x8x64xf32>, %r: tensor<2x8x8x96xf32>) -> tensor<2x8x8x96xf32> {
  %w = nn.param "" "w" : tensor<96x64x3x3xf16>
  %b = nn.param "" "b" : tensor<96xf16>
  %0 = nn.conv2d %x, %w, %b {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<2x8x8x64xf32>, tensor<96x64x3x3xf16>, tensor<96xf16>) -> tensor<2x8x8x96xf32>
  %1 = nn.binary add %0, %r : (tensor<2x8x8x96xf32>, tensor<2x8x8x96xf32>) -> tensor<2x8x8x96xf32>
  return %1 : tensor<2x8x8x96xf32>
}

// Six rows are no multiple of four.
// LARGE-LABEL: func.func @square_tiles
// LARGE: kernel.winograd_input %{{.*}} {m = array<i64: 2, 2>}
// CHECK-LABEL: func.func @square_tiles
// CHECK: tensor<64x64x3x3xf32, #kernel.packed<winograd_f2>>
// CHECK: kernel.winograd_input %{{.*}} {m = array<i64: 2, 2>} : tensor<1x8x8x64xf32> -> tensor<16x9x64xf32>
func.func @square_tiles(%x: tensor<1x6x6x64xf32>) -> tensor<1x6x6x64xf32> {
  %w = nn.param "" "w" : tensor<64x64x3x3xf16>
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x6x6x64xf32>, tensor<64x64x3x3xf16>) -> tensor<1x6x6x64xf32>
  return %0 : tensor<1x6x6x64xf32>
}

// Strides, odd sizes, few channels: direct.
// CHECK-LABEL: func.func @direct
// CHECK-NOT: winograd
// CHECK: return
func.func @direct(%x: tensor<1x8x8x64xf32>, %y: tensor<1x7x7x64xf32>, %z: tensor<1x8x8x4xf32>) {
  %w = nn.param "" "w" : tensor<64x64x3x3xf16>
  %v = nn.param "" "v" : tensor<64x4x3x3xf16>
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 2, 2>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x64xf32>, tensor<64x64x3x3xf16>) -> tensor<1x4x4x64xf32>
  %1 = nn.conv2d %y, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x7x7x64xf32>, tensor<64x64x3x3xf16>) -> tensor<1x7x7x64xf32>
  %2 = nn.conv2d %z, %v {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<64x4x3x3xf16>) -> tensor<1x8x8x64xf32>
  return
}
}
