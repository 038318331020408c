// The evaluator from the command line: 0.5 + 1 in float64 is 3ff8 0000 0000 0000; the empty input file is 8 bytes and {}.
// RUN: printf '\002\000\000\000\000\000\000\000{}' > %t.in
// RUN: hbc eval %s f --inputs %t.in --outputs %t.out
// RUN: od -A n -t x1 %t.out | FileCheck %s
// RUN: hbc eval %s f --inputs %t.in --outputs %t.fused --after fuse
// RUN: cmp %t.out %t.fused
// RUN: not hbc eval %s g --inputs %t.in --outputs %t.none 2>&1 | FileCheck %s --check-prefix=ENTRY

// CHECK: 00 00 00 00 00 00 f8 3f
func.func @f() -> (tensor<f32> {nn.name = "y"}) {
  %a = nn.constant dense<0.5> : tensor<f32>
  %b = nn.constant dense<1.0> : tensor<f32>
  %y = nn.binary add %a, %b : (tensor<f32>, tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}
// ENTRY: error HB0703: {{.*}}an entry of the model; found "g"
