// Every numbered constraint of the nn ops, violated once.
// RUN: hb-opt %s -split-input-file -verify-diagnostics

func.func @f(%a: tensor<2xf32>, %b: tensor<2xi64>) {
  // expected-error@+1 {{(C1) expected two float operands or two of ids; found f32 and i64}}
  %0 = nn.binary add %a, %b : (tensor<2xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%a: tensor<2xf32>) {
  // expected-error@+1 {{(C1) expected i64 operands of eq; found f32}}
  %0 = nn.binary eq %a, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @f(%a: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected a float result; found i64}}
  %0 = nn.binary add %a, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @f(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error@+1 {{(C3) expected operands that broadcast; found 2 and 3}}
  %0 = nn.binary add %a, %b : (tensor<2xf32>, tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @f(%a: tensor<2xf32>) {
  // expected-error@+1 {{(C4) expected the result of shape 2; found 1x2}}
  %0 = nn.binary add %a, %a : (tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return
}

// -----

func.func @f(%a: tensor<2xf32>) {
  // expected-error@+1 {{(C1) expected the result of shape 2; found 3}}
  %0 = nn.cast %a : tensor<2xf32> to tensor<3xf16>
  return
}

// -----

func.func @f(%a: tensor<2xf32>) {
  // expected-error@+1 {{(C2) expected a float result of a float; found i64}}
  %0 = nn.cast %a : tensor<2xf32> to tensor<2xi64>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x5xf32>) {
  // expected-error@+1 {{(C1) expected weight as [N, K] with K = 4; found 3x5}}
  %0 = nn.linear %x, %w : (tensor<2x4xf32>, tensor<3x5xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>, %w: tensor<3x5xf32>) {
  // expected-error@+1 {{(C1) expected x as [..., K]; found scalar}}
  %0 = nn.linear %x, %w : (tensor<f32>, tensor<3x5xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C2) expected bias of shape 3; found 4}}
  %0 = nn.linear %x, %w, %b : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error@+1 {{(C3) expected the result of shape 2x3; found 2x4}}
  %0 = nn.linear %x, %w : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x5xf32>, %b: tensor<3x2xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C4) expected a as [R, K] with K = 4; found 2x5}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x5xf32>, tensor<3x2xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<3x3xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C4) expected b of shape 3x2; found 3x3}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<3x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<3x2xf32>, %s: tensor<3xf32>) {
  // expected-error@+1 {{(C4) expected scale of shape 2; found 3}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<3x2xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C5) expected at least one block; found none}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<3x2xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<1x1xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C5) expected ends of blocks that ascend; found 1 after 2}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 2, 1>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<1x1xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<4x1xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C5) expected blocks inside the 3 rows, and a rank that they share equally; found 4 rows and rank 2}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 2, 4>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<4x1xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<3x4xf32>, %b: tensor<3x1xf32>, %s: tensor<3xf32>) {
  // expected-error@+1 {{(C5) expected blocks inside the 3 rows, and a rank that they share equally; found 3 rows and rank 3}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 2, 3>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>, tensor<3x1xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<2x1xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{(C5) expected b of shape 3x1; found 2x1}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) {blocks = array<i64: 2, 3>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error@+1 {{(C1) expected weight as [2N, K] with K = 4; found 3x4}}
  %0 = nn.gated_linear gelu %x, %w : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error@+1 {{(C3) expected the result of shape 2x3; found 2x6}}
  %0 = nn.gated_linear gelu %x, %w : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<3x4x5xf32>) {
  // expected-error@+1 {{(C1) expected a and b of equal rank of at least 2 with equal leading axes; found 2x4 and 3x4x5}}
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<3x4x5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<5x4xf32>) {
  // expected-error@+1 {{(C2) expected b with K = 4; found 5x4}}
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<5x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+1 {{(C3) expected the result of shape 2x5; found 2x4}}
  %0 = nn.matmul %a, %b : (tensor<2x4xf32>, tensor<4x5xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C1) expected x of 4 axes; found 4x8x8}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x5x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C2) expected weight of 5 input channels; found 6x4x3x3}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x5x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C3) expected bias of shape 6; found 4}}
  %0 = nn.conv2d %x, %w, %b {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>, tensor<4xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C4) expected two strides of at least 1; found 0x1}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 0, 1>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C4) expected four paddings of at least 0; found 1x1}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x2x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C5) expected a kernel no larger than the padded picture; found 6x4x3x3 over 1x4x2x8}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>} : (tensor<1x4x2x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x0x6xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{(C6) expected the result of shape 1x6x4x4; found 1x6x8x8}}
  %0 = nn.conv2d %x, %w {layout = #nn.layout<nchw>, strides = array<i64: 2, 2>, padding = array<i64: 1, 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<6x4x3x3xf32>) -> tensor<1x6x8x8xf32>
  return
}

// -----

func.func @f(%q: tensor<4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x3x8xf32>) {
  // expected-error@+1 {{(C1) expected q as [B, N, heads*d]; found 4x8}}
  %0 = nn.attention %q, %k, %v {heads = 2 : i64, scale = 1.0 : f64} : (tensor<4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x3x8xf32>) {
  // expected-error@+1 {{(C2) expected widths that are multiples of heads = 3; found 1x4x8 and 1x3x8}}
  %0 = nn.attention %q, %k, %v {heads = 3 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x6xf32>, %v: tensor<1x3x8xf32>) {
  // expected-error@+1 {{(C3) expected k of shape 1x3x8; found 1x3x6}}
  %0 = nn.attention %q, %k, %v {heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x6xf32>, tensor<1x3x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x5x8xf32>) {
  // expected-error@+1 {{(C3) expected v of shape 1x3x8; found 1x5x8}}
  %0 = nn.attention %q, %k, %v {heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x5x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x3x8xf32>, %m: tensor<1x2x3xf32>) {
  // expected-error@+1 {{(C4) expected mask as [1 or 1, 4 or 1, 3]; found 1x2x3}}
  %0 = nn.attention %q, %k, %v, %m {heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x2x3xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x3x8xf32>) {
  // expected-error@+1 {{(C5) expected as many keys as queries with causal; found 3 keys and 4 queries}}
  %0 = nn.attention %q, %k, %v {causal, heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %v: tensor<1x3x4xf32>) {
  // expected-error@+1 {{(C6) expected the result of shape 1x4x4; found 1x4x8}}
  %0 = nn.attention %q, %k, %v {heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x4xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>) {
  // expected-error@+1 {{(C7) expected stats of shape 1x2x2x4; found 1x2x4}}
  %0, %1 = nn.attention %q, %k, %k {heads = 2 : i64, scale = 1.0 : f64} : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> (tensor<1x4x8xf32>, tensor<1x2x4xf32>)
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %s: tensor<1x2x4xf32>) {
  // expected-error@+1 {{(C1) expected stats of shape 1x2x2x4; found 1x2x4}}
  %0:3 = nn.attention_vjp q(%q) k(%k) v(%k) y(%q) stats(%s) dy(%q) {heads = 2 : i64, scale = 1.0 : f64}
      : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x4x8xf32>, tensor<1x2x4xf32>, tensor<1x4x8xf32>) -> (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>)
  return
}

// -----

func.func @f(%q: tensor<1x4x8xf32>, %k: tensor<1x3x8xf32>, %s: tensor<1x2x2x4xf32>) {
  // expected-error@+1 {{(C2) expected dk of shape 1x3x8; found 1x4x8}}
  %0:3 = nn.attention_vjp q(%q) k(%k) v(%k) y(%q) stats(%s) dy(%q) {heads = 2 : i64, scale = 1.0 : f64}
      : (tensor<1x4x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x4x8xf32>, tensor<1x2x2x4xf32>, tensor<1x4x8xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x3x8xf32>)
  return
}

// -----

func.func @f(%x: tensor<1x4x8xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C1) expected x of 4 axes; found 1x4x8}}
  %0 = nn.group_norm %x, %w, %b {groups = 2 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<1x4x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C2) expected groups that divide 4 channels; found 3}}
  %0 = nn.group_norm %x, %w, %b {groups = 3 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<4xf32>, %b: tensor<5xf32>) {
  // expected-error@+1 {{(C3) expected bias of shape 4; found 5}}
  %0 = nn.group_norm %x, %w, %b {groups = 2 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<5xf32>) -> tensor<1x4x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<1x4x8x8xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C4) expected the result of shape 1x4x8x8; found 1x4x8x7}}
  %0 = nn.group_norm %x, %w, %b {groups = 2 : i64, eps = 1.0e-5 : f64, layout = #nn.layout<nchw>} : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x7xf32>
  return
}

// -----

func.func @f(%x: tensor<f32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C1) expected x as [..., D]; found scalar}}
  %0 = nn.layer_norm %x, %w, %b {eps = 1.0e-5 : f64} : (tensor<f32>, tensor<4xf32>, tensor<4xf32>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<5xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C2) expected weight of shape 4; found 5}}
  %0 = nn.layer_norm %x, %w, %b {eps = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<5xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{(C3) expected the result of shape 2x4; found 2x5}}
  %0 = nn.layer_norm %x, %w, %b {eps = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C1) expected ascending axes of 2; found 1x1}}
  %0 = nn.reduce sum %x {axes = array<i64: 1, 1>} : tensor<2x4xf32> -> tensor<2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C2) expected the result of shape 2; found 4}}
  %0 = nn.reduce sum %x {axes = array<i64: 1>} : tensor<2x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<i64>) {
  // expected-error@+1 {{(C1) expected a last axis of at least one element; found scalar}}
  %0 = nn.argmax %x : tensor<i64> -> tensor<i64>
  return
}

// -----

func.func @f(%x: tensor<2x4xi64>) {
  // expected-error@+1 {{(C2) expected the result of shape 2; found 4}}
  %0 = nn.argmax %x : tensor<2x4xi64> -> tensor<4xi64>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C1) expected a result of element type f32; found f16}}
  %0 = nn.slice %x {offsets = array<i64: 0, 0>} : tensor<2x4xf32> -> tensor<2x4xf16>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C2) expected one offset and one result axis for each of 2 axes; found 1 offsets and 2x4}}
  %0 = nn.slice %x {offsets = array<i64: 0>} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C3) expected axis 1 within 0 to 4; found 2 to 5}}
  %0 = nn.slice %x {offsets = array<i64: 0, 2>} : tensor<2x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C1) expected a result of element type f32; found f16}}
  %0 = nn.reshape %x : tensor<2x4xf32> -> tensor<8xf16>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C2) expected a result of 8 elements; found 9}}
  %0 = nn.reshape %x : tensor<2x4xf32> -> tensor<9xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C1) expected a result of element type f32; found f16}}
  %0 = nn.transpose %x {permutation = array<i64: 1, 0>} : tensor<2x4xf32> -> tensor<4x2xf16>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C2) expected a permutation of 2 axes; found 1x1}}
  %0 = nn.transpose %x {permutation = array<i64: 1, 1>} : tensor<2x4xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error@+1 {{(C3) expected the result of shape 4x2; found 2x4}}
  %0 = nn.transpose %x {permutation = array<i64: 1, 0>} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x1xf32>) {
  // expected-error@+1 {{(C1) expected a result of element type f32; found f16}}
  %0 = nn.broadcast %x : tensor<2x1xf32> -> tensor<2x4xf16>
  return
}

// -----

func.func @f(%x: tensor<2x1xf32>) {
  // expected-error@+1 {{(C2) expected a result that x broadcasts to; found 2x1 to 3x4}}
  %0 = nn.broadcast %x : tensor<2x1xf32> -> tensor<3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x4xf32>) {
  // expected-error@+1 {{(C1) expected x of 4 axes; found 2x4x4}}
  %0 = nn.resize_nearest %x {layout = #nn.layout<nchw>} : tensor<2x4x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x4x4xf32>) {
  // expected-error@+1 {{(C2) expected batch 2 and 4 channels in the result; found 2x5x8x8}}
  %0 = nn.resize_nearest %x {layout = #nn.layout<nchw>} : tensor<2x4x4x4xf32> -> tensor<2x5x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x4x4xf32>) {
  // expected-error@+1 {{(C2) expected batch 2 and 4 channels in the result; found 2x4x4x3}}
  %0 = nn.adaptive_avg_pool %x {layout = #nn.layout<nhwc>} : tensor<2x4x4x4xf32> -> tensor<2x4x4x3xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{(C1) expected at least one input; found none}}
  %0 = nn.concat {axis = 0 : i64} : () -> tensor<2xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<2x4xf16>) {
  // expected-error@+1 {{(C1) expected inputs of element type f32; found f16}}
  %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x4xf32>, tensor<2x4xf16>) -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>) {
  // expected-error@+1 {{(C2) expected an axis from 0 to 1; found 2}}
  %0 = nn.concat %a, %b {axis = 2 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<3x4xf32>) {
  // expected-error@+1 {{(C3) expected inputs equal on all axes but 1; found 2x4 and 3x4}}
  %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>) {
  // expected-error@+1 {{(C4) expected the result of shape 2x8; found 2x7}}
  %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x7xf32>
  return
}

// -----

func.func @f(%t: tensor<9x4xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{(C1) expected batch_dims of 0 or 1; found 2}}
  %0 = nn.gather %t, %i {batch_dims = 2 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%t: tensor<9xf32>, %i: tensor<9xi64>) {
  // expected-error@+1 {{(C2) expected table as [B, T, D...]; found 9}}
  %0 = nn.gather %t, %i {batch_dims = 1 : i64} : (tensor<9xf32>, tensor<9xi64>) -> tensor<9xf32>
  return
}

// -----

func.func @f(%t: tensor<9x4xf32>, %i: tensor<8xi64>) {
  // expected-error@+1 {{(C3) expected index as [9]; found 8}}
  %0 = nn.gather %t, %i {batch_dims = 1 : i64} : (tensor<9x4xf32>, tensor<8xi64>) -> tensor<9xf32>
  return
}

// -----

func.func @f(%t: tensor<9x4xf32>, %i: tensor<2xi64>) {
  // expected-error@+1 {{(C4) expected the result of shape 2x4; found 2x5}}
  %0 = nn.gather %t, %i {batch_dims = 0 : i64} : (tensor<9x4xf32>, tensor<2xi64>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>, %n: tensor<1xi64>) {
  // expected-error@+1 {{(C1) expected count of shape scalar; found 1}}
  %0 = nn.repeat count(%n) max 3 inits(%x) : (tensor<1xi64>, tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<2xf32>):
    nn.yield %c : tensor<2xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>, %n: tensor<1xi64>) {
  // expected-error@+1 {{(C2) expected a first block argument of tensor<i64>; found tensor<2xf32>}}
  %0 = nn.repeat max 3 inits(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%c: tensor<2xf32>):
    nn.yield %c : tensor<2xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>, %n: tensor<1xi64>) {
  // expected-error@+1 {{(C3) expected one further block argument of the type of each init; found 0 arguments for 1 inits or other types}}
  %0 = nn.repeat max 3 inits(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%i: tensor<i64>):
    nn.yield %x : tensor<2xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>, %n: tensor<1xi64>) {
  // expected-error@+1 {{(C4) expected one result of the type of each init; found 1 results for 1 inits or other types}}
  %0 = nn.repeat max 3 inits(%x) : (tensor<2xf32>) -> tensor<3xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<2xf32>):
    nn.yield %c : tensor<2xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>, %n: tensor<1xi64>) {
  // expected-error@+1 {{(C5) expected nn.yield of one value of the type of each init; found other types or another number}}
  %0 = nn.repeat max 3 inits(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<2xf32>):
    nn.yield %y : tensor<3xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2xf32>) {
  // expected-error@+1 {{(C1) expected a max of at least 0; found -1}}
  %0 = nn.repeat max -1 inits(%x) : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%i: tensor<i64>, %c: tensor<2xf32>):
    nn.yield %c : tensor<2xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C1) expected a float scalar and three i64 scalars (probability, seed, step, site); found tensor<f32>, tensor<i64>}}
  %0 = nn.dropout %x drop(%p, %n) : (tensor<2x4xf32>, tensor<f32>, tensor<i64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<65536x65537xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C1) expected at most 2^32 elements under one mask; found 4295032832}}
  %0 = nn.dropout %x drop(%p, %n, %n, %n) : (tensor<65536x65537xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<65536x65537xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C2) expected the result of shape 2x4; found 4x2}}
  %0 = nn.dropout %x drop(%p, %n, %n, %n) : (tensor<2x4xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<4x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %a: tensor<2x4xf32>, %b: tensor<3x1xf32>, %s: tensor<2xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C6) expected no blocks with drop; found 2x3}}
  %0 = nn.lora_linear %x, %w, lora(%a, %b, %s) drop(%p, %n, %n, %n) {blocks = array<i64: 2, 3>} : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<2x4xf32>, tensor<3x1xf32>, tensor<2xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C5) expected drop with adapters only; found no adapter}}
  %0 = nn.gated_linear gelu %x, %w drop(%p, %n, %n, %n) : (tensor<2x4xf32>, tensor<6x4xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %w: tensor<3x4xf32>, %p: tensor<f32>, %n: tensor<i64>) {
  // expected-error@+1 {{(C4) expected drop with adapters only; found no adapter}}
  %0 = nn.linear_vjp %x, %w drop(%p, %n, %n, %n) : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<f32>, tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2x4xf32>
  return
}
