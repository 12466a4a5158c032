# SPDX-License-Identifier: Apache-2.0
# The instructions each kernel file may use. The library chooses among the files at run time; a file
# whose flags the compiler does not know, or made for other processors, compiles to an empty list.
include(CheckCCompilerFlag)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(espalier_avx2 -mavx2 -mbmi2)
  set(espalier_avx512 -mavx2 -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  set(espalier_avx512_vbmi ${espalier_avx512} -mavx512vbmi)
  # gcc 12 writes the pattern of espalier_flags.cmake by aligned stores of 64 bytes, also where
  # AddressSanitizer has moved a frame to an address that is a multiple of 32 only.
  if(ESPALIER_SANITIZER MATCHES "address" AND CMAKE_C_COMPILER_ID STREQUAL "GNU"
     AND ESPALIER_HAS_PATTERN)
    list(APPEND espalier_avx512 -ftrivial-auto-var-init=uninitialized)
    list(APPEND espalier_avx512_vbmi -ftrivial-auto-var-init=uninitialized)
  endif()
  foreach(level avx2 avx512 avx512_vbmi)
    string(REPLACE ";" " " flags "${espalier_${level}}")
    check_c_compiler_flag("${flags}" ESPALIER_COMPILER_HAS_${level})
    if(ESPALIER_COMPILER_HAS_${level})
      set_source_files_properties(
        engine/kernels/kernel_${level}.c PROPERTIES COMPILE_OPTIONS "${espalier_${level}}")
    endif()
  endforeach()
endif()
