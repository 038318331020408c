// hb-reduce keeps what the command looks for and drops the rest; what it is not given a reason to shrink, it refuses.
// RUN: hb-reduce %s --quiet -- sh -c "grep -q nn.gather {}" | FileCheck %s --implicit-check-not=nn.linear --implicit-check-not=@other
// RUN: not hb-reduce %s --quiet -- sh -c "grep -q no_such_name {}" 2>&1 | FileCheck %s --check-prefix=DULL
// RUN: not hb-reduce %s --quiet -- no-such-program-anywhere 2>&1 | FileCheck %s --check-prefix=PROGRAM

// CHECK: func.func @f(%[[A:[a-z0-9]+]]: {{.*}}, %[[B:[a-z0-9]+]]: {{.*}}) {
// CHECK-NEXT: nn.gather
// CHECK-NEXT: return{{$}}
// DULL: error HB0742
// PROGRAM: error HB0741
func.func @f(%x: tensor<3x4xf32>, %ids: tensor<1x7xi64> {nn.name = "ids"}) -> (tensor<1x7x8xf32> {nn.name = "y"}) {
  %w = nn.param "" "a.weight" : tensor<100x4xf32>
  %v = nn.param "" "b.weight" : tensor<8x4xf32>
  %e = nn.gather %w, %ids {batch_dims = 0 : i64} : (tensor<100x4xf32>, tensor<1x7xi64>) -> tensor<1x7x4xf32>
  %y = nn.linear %e, %v : (tensor<1x7x4xf32>, tensor<8x4xf32>) -> tensor<1x7x8xf32>
  return %y : tensor<1x7x8xf32>
}
func.func @other(%x: tensor<2x4xf32>) -> tensor<2x3xf32> {
  %w = nn.param "" "c.weight" : tensor<3x4xf32>
  %y = nn.linear %x, %w : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
