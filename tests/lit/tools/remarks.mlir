// --remarks: one sentence per kernel with the line of the program; a pattern selects; a bad pattern is a usage error.
// RUN: split-file %s %t
// RUN: cd %t && hbc compile m.hb --entry f -o m.hbm --remarks 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: cd %t && hbc compile m.hb --entry f -o m.hbm --remarks=attention 2>&1 | FileCheck %s --check-prefix=SOME
// RUN: cd %t && not hbc compile m.hb --entry f -o m.hbm --remarks='(' 2>&1 | FileCheck %s --check-prefix=PATTERN

// ALL: remark: m.hb:2{{.*}}: attention_0: attention of 7 queries to 7 keys, 2 heads, causal; no score matrix in memory
// ALL: remark: m.hb:3{{.*}}: element-wise pass over 1×7×8
// ALL: remark: f: needs {{[0-9]+}} bytes of working memory
// SOME: remark: {{.*}}attention
// SOME-NOT: element-wise
// PATTERN: error HB0716

//--- m.hb
entry f (x: tensor[B, N, D]) where B = 1, N = 7, D = 8 -> (y: tensor[B, N, D]) {
  let a = attention(x, x, x, heads: 2, causal: true)
  silu(a)
}
