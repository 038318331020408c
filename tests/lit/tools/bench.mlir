// hb-rt bench: kernels in classes, in the table and in the JSON, with the FLOPs that their shapes imply.
// RUN: split-file %s %t
// RUN: cd %t && hbc compile m.hb --entry f -o m.hbm
// RUN: hb-rt bench %t/m.hbm --threads 1 --repeat 1 --warmup 0 | FileCheck %s --check-prefix=TABLE
// RUN: hb-rt bench %t/m.hbm --threads 1 --repeat 1 --warmup 0 --json > %t/m.json
// RUN: FileCheck %s --check-prefix=JSON < %t/m.json
// RUN: FileCheck %s --check-prefix=CONTRACT < %t/m.json

// TABLE: class launches GFLOP executed CPU ms GFLOP/s share
// TABLE-NOT: GEMMs
// TABLE: self-attention  1  0.0
// TABLE-NEXT: cross-attention / few keys  1
// TABLE-NEXT: everything  2

// 2 products of 2·128·128·32, and 2·128·77·32.
// JSON: "classes":[{"cpu_ms":{{[^,]+}},"flops":2097152.0,"flops_executed":2097152.0,"gflops":{{[^,]+}},"launches":1,"ms":{{[^,]+}},"name":"self-attention","share":{{[^}]+}}},
// JSON-SAME: "flops":1261568.0,{{[^}]+}}"name":"cross-attention / few keys"
// JSON-SAME: "flops":3358720.0,{{[^}]+}}"launches":2,{{[^}]+}}"name":"everything"

// CONTRACT-DAG: "probe_gflops":
// CONTRACT-DAG: "ms_min":
// CONTRACT-DAG: "ms_median":
// CONTRACT-DAG: "gflops":
// CONTRACT-DAG: "share_of_probe":
// CONTRACT-DAG: "peak_rss_bytes":
// CONTRACT-DAG: "planned_peak_bytes":
// CONTRACT-DAG: "kernels":[{"count":1,"cpu_ms":{{[^,]+}},"family":"attention","flops":{{[^,]+}},"flops_executed":{{[^,]+}},"gbytes_per_s":{{[^,]+}},"gflops":{{[^,]+}},"ms":{{[^,]+}},"name":"attention_{{[01]}}","share":

//--- m.hb
entry f (x: tensor[B, N, D], c: tensor[B, M, D]) where B = 1, N = 128, M = 77, D = 32 -> (y: tensor[B, N, D]) {
  let a = attention(x, x, x, heads: 2)
  attention(a, c, c, heads: 2)
}
