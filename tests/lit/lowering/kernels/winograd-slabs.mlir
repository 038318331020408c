// Pictures whose planes exceed the limit go through them in slabs.
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd{most-plane-mib=1}),hb-outline-kernels)' | FileCheck %s --check-prefix=SLABS
// RUN: hb-opt %s --pass-pipeline='builtin.module(func.func(hb-form-kernels,hb-fuse-epilogues,hb-select-winograd{most-plane-mib=1}),hb-outline-kernels,hb-make-plan,hb-verify-plan)' | FileCheck %s --check-prefix=PLACES

// 2 pictures of 48 rows, 24 rows of tiles each: 16 planes of a row of 12 tiles and 160 channels take 120 KiB, so that 1 MiB holds 8 rows.
// One kernel each transforms all slabs; the result of the first is the place of the others.
// SLABS: kernel.def @winograd_input_0(%arg0: tensor<2x50x26x160xf32>, %arg1: tensor<i64>) -> (tensor<16x96x160xf32>)
// SLABS-NOT: kernel.def @winograd_input_1
// SLABS: kernel.def @winograd_output_0(%arg0: tensor<16x96x160xf32>, %arg1: tensor<i64>, %arg2: tensor<2x48x24x160xf32>) -> (tensor<2x48x24x160xf32>)
// SLABS-NOT: tied
// SLABS: kernel.def @winograd_output_1(%arg0: tensor<16x96x160xf32>, %arg1: tensor<i64>, %arg2: tensor<2x48x24x160xf32>, %arg3: tensor<2x48x24x160xf32>) -> (tensor<2x48x24x160xf32>) attributes {{.*}}inplace = {{\[}}[2, 0]]{{.*}}tied = 2
// SLABS-LABEL: func.func @slabs
// SLABS: %[[N0:[0-9]+]] = kernel.constant dense<0> : tensor<i64>
// SLABS: %[[Y0:[0-9]+]] = kernel.launch @winograd_output_0(%{{[0-9]+}}, %[[N0]], %arg1)
// SLABS: %[[N1:[0-9]+]] = kernel.constant dense<8> : tensor<i64>
// SLABS: kernel.launch @winograd_input_0(%arg0, %[[N1]])
// SLABS: %[[Y1:[0-9]+]] = kernel.launch @winograd_output_1(%{{[0-9]+}}, %[[N1]], %[[Y0]], %arg1)
// SLABS: kernel.constant dense<40> : tensor<i64>
// SLABS: %[[Y5:[0-9]+]] = kernel.launch @winograd_output_1
// SLABS: return %[[Y5]]

// PLACES-LABEL: plan.program @slabs
// PLACES: plan.launch @winograd_output_0 {{.*}}#plan.input<1>, #plan.output<0>]
// PLACES-COUNT-5: plan.launch @winograd_output_1 {{.*}}#plan.output<0>, #plan.input<1>, #plan.output<0>]
// PLACES-NOT: plan.copy
func.func @slabs(%x: tensor<2x50x26x160xf32>, %r: tensor<2x48x24x160xf32>) -> tensor<2x48x24x160xf32> {
  %w = nn.param "" "w" : tensor<160x160x3x3xf16>
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nhwc>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<2x50x26x160xf32>, tensor<160x160x3x3xf16>) -> tensor<2x48x24x160xf32>
  %1 = nn.binary add %0, %r : (tensor<2x48x24x160xf32>, tensor<2x48x24x160xf32>) -> tensor<2x48x24x160xf32>
  return %1 : tensor<2x48x24x160xf32>
}
