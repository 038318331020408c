// What the verifiers of the kernel ops refuse.
// RUN: hb-opt %s -split-input-file -verify-diagnostics

func.func @f() {
  // expected-error@+1 {{expected sources of 64 elements; found 32}}
  %w = kernel.weight [#kernel.source<"", "w", tensor<4x8xf16>>] : tensor<8x8xf16, #kernel.packed<panel16>>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error@+1 {{expected elements inside the operand; found element 32 of 32}}
  %v = kernel.view %x : tensor<4x8xf32> -> tensor<4x4xf32, #kernel.strided<5, [8, 1]>>
  return
}

// -----

func.func @f(%x: tensor<4x8xf32>) {
  // expected-error@+1 {{expected as many elements as the operand has; found 4x4}}
  %v = kernel.view %x : tensor<4x8xf32> -> tensor<4x4xf32>
  return
}

// -----

// expected-error@+1 {{expected one family op and kernel.return; found 1 ops}}
kernel.def @empty(%x: tensor<8xf32>) -> tensor<8xf32> {
  kernel.return %x : tensor<8xf32>
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{expected a kernel.def of this name; found none}}
  %y = kernel.launch @nowhere(%x) : (tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x32xf16, #kernel.packed<panel16>>) {
  // expected-error@+1 {{expected a as [..., K] and weight as [N, K]; found 2x64 and 96x32}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x32xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16>) {
  // expected-error@+1 {{expected a weight packed for this form; found dense}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %b: tensor<96xf32>) {
  // expected-error@+1 {{expected one map per operand; found 0 maps for 1 operands}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) extras(%b : tensor<96xf32>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32, %bias: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x8x32xf32>, %w: tensor<32xf32>) {
  // expected-error@+1 {{expected statistics for a group norm and for nothing else; found none}}
  %y = kernel.normalize group %x weight(%w, %w : tensor<32xf32>, tensor<32xf32>) {eps = 1.0e-5 : f64, groups = 8 : i64} : tensor<2x8x8x32xf32> -> tensor<2x8x8x32xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{expected one scalar region argument per accumulator and operand, of its element type; found other arguments}}
  %y = kernel.map (%x : tensor<8xf32>) [affine_map<(d0) -> (d0)>] -> tensor<8xf32> {
  ^bb0(%a: f16):
    %b = arith.extf %a : f16 to f32
    kernel.yield %b : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x8xf32>) {
  // expected-error@+1 {{expected extents that begin with the result's; found 3x8}}
  %y = kernel.reduce sum (%x : tensor<2x8xf32>) [affine_map<(d0, d1) -> (d0, d1)>] {extents = array<i64: 3, 8>} -> tensor<2xf32> {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>) {
  // expected-error@+1 {{expected a norm for its operands; found none}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<64xf32>) {
  // expected-error@+1 {{expected a prologue that is a layer or a group norm; found l2}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) norm(l2 weight %g, %g : tensor<64xf32>, tensor<64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<64xf32>) {
  // expected-error@+1 {{expected statistics for a group norm and for nothing else; found none}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) norm(group weight %g, %g : tensor<64xf32>, tensor<64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<64xf32>) {
  // expected-error@+1 {{expected weight, bias and eps of the norm; found some of them}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) norm(layer weight %g, %g : tensor<64xf32>, tensor<64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<32xf32>) {
  // expected-error@+1 {{expected the norm's weight of shape 64; found 32}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) norm(layer weight %g, %g : tensor<32xf32>, tensor<32xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %g: tensor<64xf32>, %s: tensor<3x2x8x2xf32>) {
  // expected-error@+1 {{expected statistics [B, chunks, groups, 2] of images and groups that divide a; found 3x2x8x2 and 2x64}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) norm(group stats %s : tensor<3x2x8x2xf32> weight %g, %g : tensor<64xf32>, tensor<64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {eps = 1.0e-5 : f64, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<1x8x8x64xf32>, %w: tensor<96x64x3x3xf16, #kernel.packed<panel16>>) {
  // expected-error@+1 {{expected a prologue on a linear contraction only; found conv2d}}
  %y = kernel.contract conv2d a(%x : tensor<1x8x8x64xf32>) weight(%w : tensor<96x64x3x3xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<1x6x6x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  } prologue {
  ^bb0(%v: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>) {
  // expected-error@+1 {{expected one scalar region argument per accumulator and operand, of its element type; found other arguments}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  } prologue {
  ^bb0(%v: f32, %u: f32):
    kernel.yield %v : f32
  }
  return
}

// -----

func.func @f(%q: tensor<1x64x32xf32>, %s: tensor<1x2x2x64xf32>, %d: tensor<1x2x64xf32>) {
  // expected-error@+1 {{expected delta of shape 1x64x2; found 1x2x64}}
  %0:3 = kernel.attention_vjp q(%q : tensor<1x64x32xf32>) k(%q : tensor<1x64x32xf32>) v(%q : tensor<1x64x32xf32>) dy(%q : tensor<1x64x32xf32>) stats(%s : tensor<1x2x2x64xf32>)
      delta(%d : tensor<1x2x64xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>, tensor<1x64x32xf32>, tensor<1x64x32xf32>
  return
}

// -----

func.func @slab_of_half_a_row(%x: tensor<1x18x18x32xf32>, %row: tensor<i64>) {
  // expected-error@+1 {{a slab of whole rows of 8 tiles, at most 64}}
  %v = kernel.winograd_input %x slab(%row : tensor<i64>) {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x12x32xf32>
  return
}

// -----

func.func @f(%q: tensor<1x64x32xf32>) {
  // expected-error@+1 {{expected stats of shape 1x2x2x64; found 1x2x64}}
  %0:2 = kernel.attention q(%q : tensor<1x64x32xf32>) k(%q : tensor<1x64x32xf32>) v(%q : tensor<1x64x32xf32>) {heads = 2 : i64, scale = 0.25 : f64} -> tensor<1x64x32xf32>, tensor<1x2x64xf32>
  return
}

// -----

func.func @slab_number(%x: tensor<1x18x18x32xf32>, %row: tensor<f32>) {
  // expected-error@+1 {{the first row of a slab as a scalar i64}}
  %v = kernel.winograd_input %x slab(%row : tensor<f32>) {m = array<i64: 2, 2>} : tensor<1x18x18x32xf32> -> tensor<16x16x32xf32>
  return
}

// -----

func.func @into_without_slab(%p: tensor<16x64x32xf32>, %y: tensor<1x16x16x32xf32>) {
  // expected-error@+1 {{a slab that goes into a picture of the result's type}}
  %r = kernel.winograd_output %p into(%y : tensor<1x16x16x32xf32>) {m = array<i64: 2, 2>, maps = []} : tensor<16x64x32xf32> -> tensor<1x16x16x32xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %a: tensor<4x64xf32, #kernel.packed<panel16>>, %b: tensor<96x4xf32, #kernel.packed<panel16>>, %s: tensor<4xf32>) {
  // expected-error@+1 {{expected ends of adapter blocks that ascend to at most 96; found 97}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) lora(%a : tensor<4x64xf32, #kernel.packed<panel16>>, %b : tensor<96x4xf32, #kernel.packed<panel16>>, %s : tensor<4xf32>) {lora_blocks = array<i64: 40, 97>, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %a: tensor<4x64xf32, #kernel.packed<panel16>>, %b: tensor<96x4xf32, #kernel.packed<panel16>>, %s: tensor<4xf32>) {
  // expected-error@+1 {{expected ends of adapter blocks that ascend to at most 96; found 40}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) lora(%a : tensor<4x64xf32, #kernel.packed<panel16>>, %b : tensor<96x4xf32, #kernel.packed<panel16>>, %s : tensor<4xf32>) {lora_blocks = array<i64: 40, 40>, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %a: tensor<4x64xf32, #kernel.packed<panel16>>, %b: tensor<96x4xf32, #kernel.packed<panel16>>, %s: tensor<4xf32>) {
  // expected-error@+1 {{expected adapter blocks that share the rank equally; found 3 blocks of rank 4}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) lora(%a : tensor<4x64xf32, #kernel.packed<panel16>>, %b : tensor<96x4xf32, #kernel.packed<panel16>>, %s : tensor<4xf32>) {lora_blocks = array<i64: 8, 16, 24>, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<192x64xf16, #kernel.packed<gated_panel16>>, %a: tensor<4x64xf32, #kernel.packed<panel16>>, %b: tensor<192x4xf32, #kernel.packed<gated_panel16>>, %s: tensor<4xf32>) {
  // expected-error@+1 {{expected blocks of an adapter without a gate; found a gated contraction}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<192x64xf16, #kernel.packed<gated_panel16>>) lora(%a : tensor<4x64xf32, #kernel.packed<panel16>>, %b : tensor<192x4xf32, #kernel.packed<gated_panel16>>, %s : tensor<4xf32>) {gated, lora_blocks = array<i64: 32>, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32, %gate: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>) {
  // expected-error@+1 {{expected blocks and dropout of an adapter only; found no adapter}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) {lora_blocks = array<i64: 32>, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{expected matrices that fit along the diagonal of 40x8; found 48 rows and 8 columns}}
  %w = kernel.weight [#kernel.source<"adapter:u", "q.lora_B", tensor<24x4xf32>>, #kernel.source<"adapter:u", "v.lora_B", tensor<24x4xf32>>] : tensor<40x8xf32, #kernel.packed<diagonal_panel16>>
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<96x64xf16, #kernel.packed<panel16>>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{expected blocks and dropout of an adapter only; found no adapter}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<96x64xf16, #kernel.packed<panel16>>) drop(%p, %n, %n, %n : tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) {maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %w: tensor<192x64xf16, #kernel.packed<gated_panel16>>, %a: tensor<4x64xf32, #kernel.packed<panel16>>, %b: tensor<192x4xf32, #kernel.packed<gated_panel16>>, %s: tensor<4xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{expected dropout at the one adapter of a linear contraction; found another form}}
  %y = kernel.contract linear a(%x : tensor<2x64xf32>) weight(%w : tensor<192x64xf16, #kernel.packed<gated_panel16>>) lora(%a : tensor<4x64xf32, #kernel.packed<panel16>>, %b : tensor<192x4xf32, #kernel.packed<gated_panel16>>, %s : tensor<4xf32>) drop(%p, %n, %n, %n : tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) {gated, drop_result, maps = []} -> tensor<2x96xf32> {
  ^bb0(%acc: f32, %gate: f32):
    kernel.yield %acc : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x64xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{expected a float scalar and three i64 scalars for dropout; found 3 operands or others}}
  %y = kernel.dropout %x drop(%p, %n, %n : tensor<f32>, tensor<i64>, tensor<i64>) : tensor<2x64xf32> -> tensor<2x64xf32>
  return
}
