# Settings of everything that must not see LLVM or MLIR: runtime/ and the language's front half.
find_package(nlohmann_json REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)

# hb_runtime_library(target): warnings, sanitizers, 2-wide visibility rules of the runtime.
function(hb_runtime_library target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wno-unused-parameter)
  if(HB_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${HB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${HB_SANITIZE})
  endif()
  if(HB_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link) # the libraries report coverage to the fuzz targets
  endif()
endfunction()
