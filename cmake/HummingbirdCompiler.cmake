# Settings of everything that sees MLIR. One precompiled header serves all of it: the usual MLIR headers cost 24-40 s per
# source file on one core, 1.5 s with the header (docs/architecture.md, "Building it").
find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})

add_library(hb_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/Pch.cpp)
target_include_directories(hb_pch SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_options(hb_pch PRIVATE -w)
target_precompile_headers(hb_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/Pch.h)

# hb_compiler_library(target): a library that sees MLIR.
function(hb_compiler_library target)
  target_include_directories(${target} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_options(${target} PRIVATE -w)
  target_precompile_headers(${target} REUSE_FROM hb_pch)
endfunction()

# hb_compiler_executable(target): a tool or a test that sees MLIR. Compiled as a library's code is, or else the precompiled
# header would not fit.
function(hb_compiler_executable target)
  hb_compiler_library(${target})
  target_compile_options(${target} PRIVATE -fPIC)
endfunction()
