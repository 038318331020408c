// The evaluator's own limits: an op of another dialect, a constant that is no list of elements, a function that is not there.
// RUN: split-file %s %t
// RUN: printf '\002\000\000\000\000\000\000\000{}' > %t/in
// RUN: not hbc eval %t/op.mlir f --inputs %t/in --outputs %t/out 2>&1 | FileCheck %s --check-prefix=OP
// RUN: not hbc eval %t/constant.mlir f --inputs %t/in --outputs %t/out 2>&1 | FileCheck %s --check-prefix=CONSTANT
// RUN: not ls %t/out

// OP: error HB0812: {{.*}}op.mlir{{.*}}expected an op of the nn dialect; found func.constant
// CONSTANT: error HB0812: {{.*}}constant.mlir{{.*}}expected a dense constant; found another form of constant

//--- op.mlir
func.func @f() -> (tensor<f32> {nn.name = "y"}) {
  %f = func.constant @f : () -> tensor<f32>
  %a = nn.constant dense<0.5> : tensor<f32>
  return %a : tensor<f32>
}
//--- constant.mlir
func.func @f() -> (tensor<2xf32> {nn.name = "y"}) {
  %a = nn.constant dense_resource<weights> : tensor<2xf32>
  return %a : tensor<2xf32>
}
{-#
  dialect_resources: { builtin: { weights: "0x040000000000803f00000040" } }
#-}
