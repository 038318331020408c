// hb-narrow-storage: what is stored narrow, what stays f32, and how the scalar regions convert.
// RUN: hb-opt %s --split-input-file --hb-narrow-storage=dtype=bf16 | FileCheck %s
// RUN: not hb-opt %s --split-input-file --hb-narrow-storage=dtype=f8 2>&1 | FileCheck %s --check-prefix=TYPE
// TYPE: error: HB0802: expected the storage type f32, bf16 or f16; found 'f8'
// RUN: hb-opt %s --split-input-file --hb-narrow-storage | FileCheck %s --check-prefix=NONE
// NONE-NOT: bf16

#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>

// Weights: an f32 one is narrowed; stored in 16 bits, of an adapter or a vector: as it is. The residual is read narrow, the output written wide.
// CHECK-LABEL: func.func @weights
// CHECK-SAME: (%[[X:.*]]: tensor<1x64x32xf32>) -> tensor<1x64x32xf32>
// CHECK-DAG: "wide.weight", tensor<32x32xf32>>] : tensor<32x32xbf16, #kernel.packed<panel16>>
// CHECK-DAG: "half.weight", tensor<32x32xf16>>] : tensor<32x32xf16, #kernel.packed<panel16>>
// CHECK-DAG: "mixed.weight", tensor<16x32xf16>>, {{.*}}] : tensor<32x32xf32, #kernel.packed<panel16>>
// CHECK-DAG: "adapter:unet", "to_q.lora_A", tensor<4x32xf32>>] : tensor<4x32xf32, #kernel.packed<panel16>>
// CHECK-DAG: "wide.bias", tensor<32xf32>>] : tensor<32xf32>
func.func @weights(%x: tensor<1x64x32xf32>) -> tensor<1x64x32xf32> {
  %w = kernel.weight [#kernel.source<"unet", "wide.weight", tensor<32x32xf32>>] : tensor<32x32xf32, #kernel.packed<panel16>>
  %h = kernel.weight [#kernel.source<"unet", "half.weight", tensor<32x32xf16>>] : tensor<32x32xf16, #kernel.packed<panel16>>
  %m = kernel.weight [#kernel.source<"unet", "mixed.weight", tensor<16x32xf16>>, #kernel.source<"unet", "more.weight", tensor<16x32xf32>>] : tensor<32x32xf32, #kernel.packed<panel16>>
  %la = kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_A", tensor<4x32xf32>>] : tensor<4x32xf32, #kernel.packed<panel16>>
  %lb = kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_B", tensor<32x4xf32>>] : tensor<32x4xf32, #kernel.packed<panel16>>
  %ls = kernel.weight [#kernel.source<"adapter:unet", "to_q.lora_scale", tensor<4xf32>>] : tensor<4xf32>
  %b = kernel.weight [#kernel.source<"unet", "wide.bias", tensor<32xf32>>] : tensor<32xf32>
  // CHECK: %[[Y:.*]] = kernel.contract linear a(%[[X]] : tensor<1x64x32xf32>) {{.*}} -> tensor<1x64x32xbf16> {
  // CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[BIAS:.*]]: f32):
  // CHECK-NEXT: %[[S:.*]] = arith.addf %[[ACC]], %[[BIAS]] : f32
  // CHECK-NEXT: %[[T:.*]] = arith.truncf %[[S]] : f32 to bf16
  // CHECK-NEXT: kernel.yield %[[T]] : bf16
  %y = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf32, #kernel.packed<panel16>>)
       lora(%la : tensor<4x32xf32, #kernel.packed<panel16>>, %lb : tensor<32x4xf32, #kernel.packed<panel16>>, %ls : tensor<4xf32>)
       extras(%b : tensor<32xf32>) {maps = [#last]} -> tensor<1x64x32xf32> {
  ^bb0(%acc: f32, %bias: f32):
    %s = arith.addf %acc, %bias : f32
    kernel.yield %s : f32
  }
  // CHECK: kernel.contract linear a(%[[Y]] : tensor<1x64x32xbf16>) {{.*}} -> tensor<1x64x32xbf16>
  %z = kernel.contract linear a(%y : tensor<1x64x32xf32>) weight(%m : tensor<32x32xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  // CHECK: extras(%[[Y]] : tensor<1x64x32xbf16>) {{.*}} -> tensor<1x64x32xf32> {
  // CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32, %[[R:.*]]: bf16):
  // CHECK-NEXT: %[[WIDE:.*]] = arith.extf %[[R]] : bf16 to f32
  // CHECK-NEXT: %[[S:.*]] = arith.addf %[[ACC]], %[[WIDE]] : f32
  // CHECK-NEXT: kernel.yield %[[S]] : f32
  %r = kernel.contract linear a(%z : tensor<1x64x32xf32>) weight(%h : tensor<32x32xf16, #kernel.packed<panel16>>)
       extras(%y : tensor<1x64x32xf32>) {maps = [#all]} -> tensor<1x64x32xf32> {
  ^bb0(%acc: f32, %residual: f32):
    %s = arith.addf %acc, %residual : f32
    kernel.yield %s : f32
  }
  return %r : tensor<1x64x32xf32>
}

// -----

#nhwc = affine_map<(d0, d1, d2, d3) -> (d0, d3, d1, d2)>
#nchw = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3, d1)>
#same = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>

// An input that is only moved stays f32, and so do statistics; what a normalisation makes is narrow, a moved narrow element keeps its bits;
// the chain of element-wise steps before the output is f32 back to the kernel that starts it.
// CHECK-LABEL: func.func @picture
func.func @picture(%x: tensor<1x32x8x8xf32>, %g: tensor<32xf32>) -> tensor<1x32x8x8xf32> {
  // CHECK: %[[IN:.*]] = kernel.map({{.*}}) {{.*}} -> tensor<1x8x8x32xf32>
  %in = kernel.map (%x : tensor<1x32x8x8xf32>) [#nhwc] -> tensor<1x8x8x32xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: kernel.group_stats {{.*}} -> tensor<1x1x8x2xf32>
  %s = kernel.group_stats %in {groups = 8 : i64, chunks = 1 : i64} : tensor<1x8x8x32xf32> -> tensor<1x1x8x2xf32>
  // CHECK: %[[N:.*]] = kernel.normalize group %[[IN]] {{.*}} : tensor<1x8x8x32xf32> -> tensor<1x8x8x32xbf16> {
  // CHECK-NEXT: ^bb0(%[[V:.*]]: f32):
  // CHECK-NEXT: %[[T:.*]] = arith.truncf %[[V]] : f32 to bf16
  %n = kernel.normalize group %in stats(%s : tensor<1x1x8x2xf32>) weight(%g, %g : tensor<32xf32>, tensor<32xf32>) {eps = 1.0e-5 : f64, groups = 8 : i64} : tensor<1x8x8x32xf32> -> tensor<1x8x8x32xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: %[[M:.*]] = kernel.map(%[[N]] : tensor<1x8x8x32xbf16>) {{.*}} -> tensor<1x8x8x32xbf16> {
  // CHECK-NEXT: ^bb0(%[[V:.*]]: bf16):
  // CHECK-NEXT: kernel.yield %[[V]] : bf16
  %m = kernel.map (%n : tensor<1x8x8x32xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d2, d1, d3)>] -> tensor<1x8x8x32xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  // CHECK: %[[A:.*]] = kernel.attention q(%{{.*}} : tensor<1x64x32xbf16>) k(%{{.*}} : tensor<1x64x32xbf16>) {{.*}} -> tensor<1x64x32xf32>
  %q = kernel.view %m : tensor<1x8x8x32xf32> -> tensor<1x64x32xf32>
  %a = kernel.attention q(%q : tensor<1x64x32xf32>) k(%q : tensor<1x64x32xf32>) v(%q : tensor<1x64x32xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>
  %p = kernel.view %a : tensor<1x64x32xf32> -> tensor<1x8x8x32xf32>
  // CHECK: kernel.map{{.*}} -> tensor<1x32x8x8xf32>
  %out = kernel.map (%p : tensor<1x8x8x32xf32>) [#nchw] -> tensor<1x32x8x8xf32> {
  ^bb0(%v: f32):
    %e = math.exp %v : f32
    kernel.yield %e : f32
  }
  return %out : tensor<1x32x8x8xf32>
}

// -----

#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// One vector per sample, the argument of a sine and what is made of it element by element, a mask of attention: f32. A sum is rounded behind the
// reduction, a concatenation may mix types.
// CHECK-LABEL: func.func @roles
func.func @roles(%i: tensor<2x7xi64>, %t: tensor<100x64xf16>, %c: tensor<2x1x64xf32>) -> tensor<2x8x64xf32> {
  // CHECK: %[[E:.*]] = kernel.gather {{.*}} -> tensor<2x7x64xbf16>
  %e = kernel.gather %t, %i {batch_dims = 0 : i64} : (tensor<100x64xf16>, tensor<2x7xi64>) -> tensor<2x7x64xf32>
  // CHECK: kernel.reduce mean{{.*}} -> tensor<2x64xf32>
  %v = kernel.reduce mean (%e : tensor<2x7x64xf32>) [affine_map<(d0, d1, d2) -> (d0, d2, d1)>] {extents = array<i64: 2, 64, 7>} -> tensor<2x64xf32> {
  ^bb0(%x: f32):
    kernel.yield %x : f32
  }
  // CHECK: %[[ANGLE:.*]] = kernel.reduce sum(%[[E]] : tensor<2x7x64xbf16>) {{.*}} -> tensor<2x7x64xf32> {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: bf16):
  // CHECK-NEXT: %[[W:.*]] = arith.extf %[[X]] : bf16 to f32
  // CHECK-NEXT: kernel.yield %[[W]] : f32
  %angle = kernel.reduce sum (%e : tensor<2x7x64xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>] {extents = array<i64: 2, 7, 64, 7>} -> tensor<2x7x64xf32> {
  ^bb0(%x: f32):
    kernel.yield %x : f32
  }
  // CHECK: %[[SINE:.*]] = kernel.map(%[[ANGLE]], %{{.*}} : tensor<2x7x64xf32>, tensor<2x64xf32>) {{.*}} -> tensor<2x7x64xf32>
  %sine = kernel.map (%angle, %v : tensor<2x7x64xf32>, tensor<2x64xf32>) [#all, affine_map<(d0, d1, d2) -> (d0, d2)>] -> tensor<2x7x64xf32> {
  ^bb0(%x: f32, %y: f32):
    %z = arith.addf %x, %y : f32
    %s = math.sin %z : f32
    kernel.yield %s : f32
  }
  // CHECK: %[[SUM:.*]] = kernel.reduce sum(%[[SINE]] : tensor<2x7x64xf32>) {{.*}} -> tensor<2x7x64xbf16> {
  // CHECK-NEXT: ^bb0(%[[X:.*]]: f32):
  // CHECK-NEXT: kernel.yield %[[X]] : f32
  %sum = kernel.reduce sum (%sine : tensor<2x7x64xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>] {extents = array<i64: 2, 7, 64, 7>} -> tensor<2x7x64xf32> {
  ^bb0(%x: f32):
    kernel.yield %x : f32
  }
  // CHECK: %[[MASK:.*]] = kernel.reduce max{{.*}} -> tensor<2x8x8xf32>
  %mask = kernel.reduce max (%e : tensor<2x7x64xf32>) [affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>] {extents = array<i64: 2, 8, 8, 7>} -> tensor<2x8x8xf32> {
  ^bb0(%x: f32):
    kernel.yield %x : f32
  }
  // CHECK: %[[CAT:.*]] = kernel.concat(%{{.*}}, %[[SUM]] : tensor<2x1x64xf32>, tensor<2x7x64xbf16>) {{.*}} -> tensor<2x8x64xbf16>
  %cat = kernel.concat (%c, %sum : tensor<2x1x64xf32>, tensor<2x7x64xf32>) {axis = 1 : i64} -> tensor<2x8x64xf32>
  // CHECK: kernel.attention {{.*}} mask(%[[MASK]] : tensor<2x8x8xf32>) {{.*}} -> tensor<2x8x64xf32>
  %a = kernel.attention q(%cat : tensor<2x8x64xf32>) k(%cat : tensor<2x8x64xf32>) v(%cat : tensor<2x8x64xf32>) mask(%mask : tensor<2x8x8xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<2x8x64xf32>
  return %a : tensor<2x8x64xf32>
}

// -----

#all = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// Values that a loop carries, and what only moves or combines them; the network between them is narrow.
// CHECK-LABEL: func.func @loop
func.func @loop(%x: tensor<1x16x32xf32>, %w: tensor<32x32xf16, #kernel.packed<panel16>>) -> tensor<1x16x32xf32> {
  // CHECK: nn.repeat {{.*}} -> tensor<1x16x32xf32>
  %y = nn.repeat max 4 inits(%x) : (tensor<1x16x32xf32>) -> tensor<1x16x32xf32> {
  ^bb0(%i: tensor<i64>, %latents: tensor<1x16x32xf32>):
    // CHECK: %[[H:.*]] = kernel.contract linear {{.*}} -> tensor<1x16x32xbf16>
    %h = kernel.contract linear a(%latents : tensor<1x16x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x16x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    // CHECK: %[[N:.*]] = kernel.contract linear a(%[[H]] : tensor<1x16x32xbf16>) {{.*}} -> tensor<1x16x32xf32>
    %n = kernel.contract linear a(%h : tensor<1x16x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x16x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    // CHECK: kernel.map{{.*}} -> tensor<1x16x32xf32>
    %next = kernel.map (%latents, %n : tensor<1x16x32xf32>, tensor<1x16x32xf32>) [#all, #all] -> tensor<1x16x32xf32> {
    ^bb0(%a: f32, %b: f32):
      %s = arith.subf %a, %b : f32
      kernel.yield %s : f32
    }
    nn.yield %next : tensor<1x16x32xf32>
  }
  return %y : tensor<1x16x32xf32>
}

// -----

// Winograd planes are f32 whatever their ends are.
// CHECK-LABEL: func.func @planes
func.func @planes(%x: tensor<1x64x32xf32>, %w: tensor<32x32xf16, #kernel.packed<panel16>>, %u: tensor<32x32x3x3xf32, #kernel.packed<winograd_f2>>) -> tensor<1x6x6x32xf32> {
  %y = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  %v = kernel.view %y : tensor<1x64x32xf32> -> tensor<1x8x8x32xf32>
  // CHECK: kernel.winograd_input {{.*}} : tensor<1x8x8x32xbf16> -> tensor<16x9x32xf32>
  %i = kernel.winograd_input %v {m = array<i64: 2, 2>} : tensor<1x8x8x32xf32> -> tensor<16x9x32xf32>
  // CHECK: kernel.contract planes a(%{{.*}} : tensor<16x9x32xf32>) {{.*}} -> tensor<16x9x32xf32>
  %p = kernel.contract planes a(%i : tensor<16x9x32xf32>) weight(%u : tensor<32x32x3x3xf32, #kernel.packed<winograd_f2>>) {maps = []} -> tensor<16x9x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  %o = kernel.winograd_output %p {m = array<i64: 2, 2>, maps = []} : tensor<16x9x32xf32> -> tensor<1x6x6x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return %o : tensor<1x6x6x32xf32>
}

// -----

// An entry that only scores: its activations stay f32, its weights do not.
// CHECK-LABEL: func.func @scores
func.func @scores(%x: tensor<1x64x32xf32>) -> tensor<1xf32> {
  // CHECK: kernel.weight {{.*}} : tensor<32x32xbf16, #kernel.packed<panel16>>
  %w = kernel.weight [#kernel.source<"", "wide.weight", tensor<32x32xf32>>] : tensor<32x32xf32, #kernel.packed<panel16>>
  // CHECK: kernel.contract {{.*}} -> tensor<1x64x32xf32>
  %y = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf32, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  %s = kernel.reduce max (%y : tensor<1x64x32xf32>) [affine_map<(d0, d1, d2) -> (d0, d1, d2)>] {extents = array<i64: 1, 64, 32>} -> tensor<1xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return %s : tensor<1xf32>
}

// -----

// A network that exceeds the type's range: everything from its first weight on is f32.
// CHECK-LABEL: module attributes
// CHECK-SAME: nn.wide_scopes
module attributes {nn.wide_scopes = ["vae"]} {
  // CHECK: func.func @wide
  func.func @wide(%x: tensor<1x64x32xf32>) -> tensor<1x64x32xf32> {
    %w = kernel.weight [#kernel.source<"unet", "a.weight", tensor<32x32xf16>>] : tensor<32x32xf16, #kernel.packed<panel16>>
    %v = kernel.weight [#kernel.source<"vae", "b.weight", tensor<32x32xf16>>] : tensor<32x32xf16, #kernel.packed<panel16>>
    // CHECK: kernel.contract {{.*}} -> tensor<1x64x32xbf16>
    %a = kernel.contract linear a(%x : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    // CHECK: kernel.contract {{.*}} -> tensor<1x64x32xf32>
    %b = kernel.contract linear a(%a : tensor<1x64x32xf32>) weight(%v : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    // CHECK: kernel.contract {{.*}} -> tensor<1x64x32xf32>
    %c = kernel.contract linear a(%b : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    // CHECK: kernel.contract {{.*}} -> tensor<1x64x32xf32>
    %d = kernel.contract linear a(%c : tensor<1x64x32xf32>) weight(%w : tensor<32x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x64x32xf32> {
    ^bb0(%acc: f32):
      kernel.yield %acc : f32
    }
    return %d : tensor<1x64x32xf32>
  }
}
