// What the kernels phase has not turned into launches cannot be planned.
// RUN: hb-opt %s --hb-make-plan -split-input-file -verify-diagnostics

func.func @f(%x: tensor<4xf32> {nn.name = "x"}) -> (tensor<4xf32> {nn.name = "y"}) {
  // expected-error@+1 {{HB0820: expected launches, views, weights, constants and loops; found this; run the kernels phase first}}
  %y = nn.unary relu %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
