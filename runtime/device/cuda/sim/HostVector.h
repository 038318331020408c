// The interpreter's loops over 32 lanes are worth little without vectors. Modules for x86-64 need AVX2, FMA and F16C as well
// (x86-64-v3), so the functions between these two marks may use them; everything else, the standard library's templates included,
// stays plain, and Simulator refuses a processor without them.
#pragma once

#if defined(__clang__) && defined(__x86_64__)
#define HB_HOST_VECTOR_BEGIN _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt\"))), apply_to = function)")
#define HB_HOST_VECTOR_END _Pragma("clang attribute pop")
#else
#define HB_HOST_VECTOR_BEGIN
#define HB_HOST_VECTOR_END
#endif
