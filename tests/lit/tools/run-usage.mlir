// Wrong command lines of hb-rt: a numbered error and its exit code, before any file is opened that is not the cause.
// RUN: not hb-rt run %t.hbm f --inputs %t.in --outputs %t.out --device mars 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: not hb-rt run %t.hbm f --inputs %t.in --outputs %t.out 2>&1 | FileCheck %s --check-prefix=MODULE
// RUN: not hb-rt generate -m %t.hbm --from-png %S/../../runtime/formats/images/rgb.png 2>&1 | FileCheck %s --check-prefix=PNG
// RUN: not ls %t.out

// DEVICE: error HB0904: --device: expected cpu, cuda, cuda:N or cuda:sim; found 'mars'
// MODULE: error HB0902: {{.*}}.hbm
// PNG: error HB0642: {{.*}}rgb.png: expected a picture with a 'hummingbird' text; found none
