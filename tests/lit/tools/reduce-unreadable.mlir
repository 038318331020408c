// What hb-reduce cannot read is an error with a number, after the parser's own.
// RUN: not hb-reduce %s --quiet -- true 2>&1 | FileCheck %s
// RUN: not hb-reduce %t.none --quiet -- true 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: error: {{.*}}
// CHECK: error HB0740: {{.*}}reduce-unreadable.mlir: expected a module that can be read
// NONE: error HB0740
func.func @f(
