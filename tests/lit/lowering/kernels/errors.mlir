// What earlier phases must have rewritten.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels))' -split-input-file -verify-diagnostics

func.func @f(%x: tensor<1x16x8x8xf32>) -> tensor<1x32x8x8xf32> {
  %w = nn.param "" "w" : tensor<32x16x1x1xf16>
  // expected-error@+1 {{HB0801: expected a picture with channels last (simplify makes it so); found layout nchw}}
  %y = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x16x8x8xf32>, tensor<32x16x1x1xf16>) -> tensor<1x32x8x8xf32>
  return %y : tensor<1x32x8x8xf32>
}

// -----

func.func @f(%x: tensor<1x8x8x16xf32>, %w: tensor<32x16x1x1xf32>) -> tensor<1x8x8x32xf32> {
  // expected-error@+1 {{HB0801: expected a parameter as weight; found a computed one}}
  %y = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x8x8x16xf32>, tensor<32x16x1x1xf32>) -> tensor<1x8x8x32xf32>
  return %y : tensor<1x8x8x32xf32>
}
