# SPDX-License-Identifier: Apache-2.0
# The instructions each kernel file may use. The library chooses among the files at run time; a file
# whose flags the compiler does not know, or made for other processors, compiles to an empty list.
include(CheckCCompilerFlag)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(espalier_avx2 -mavx2 -mbmi2)
  set(espalier_avx512 -mavx2 -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl)
  set(espalier_avx512_vbmi ${espalier_avx512} -mavx512vbmi)
  foreach(level avx2 avx512 avx512_vbmi)
    string(REPLACE ";" " " flags "${espalier_${level}}")
    check_c_compiler_flag("${flags}" ESPALIER_COMPILER_HAS_${level})
    if(ESPALIER_COMPILER_HAS_${level})
      set_source_files_properties(
        engine/kernels/kernel_${level}.c PROPERTIES COMPILE_OPTIONS "${espalier_${level}}")
    endif()
  endforeach()
endif()
