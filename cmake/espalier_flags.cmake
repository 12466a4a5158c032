# SPDX-License-Identifier: Apache-2.0
# espalier_flags: compile and link flags of our own targets. Never exported: users of the
# libraries get none of it.
add_library(espalier_flags INTERFACE)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)

# Bit-exact results: no fused multiply-add may replace a multiply and an add.
target_compile_options(espalier_flags INTERFACE -ffp-contract=off)

target_compile_options(espalier_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
target_compile_options(
  espalier_flags
  INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wvla>)
if(ESPALIER_WERROR)
  target_compile_options(espalier_flags INTERFACE -Werror)
endif()

if(NOT ESPALIER_SANITIZER STREQUAL "")
  target_compile_options(
    espalier_flags INTERFACE -fsanitize=${ESPALIER_SANITIZER} -fno-sanitize-recover=all
                             -fno-omit-frame-pointer)
  target_link_options(espalier_flags INTERFACE -fsanitize=${ESPALIER_SANITIZER})
  # What no sanitizer of these sees, a read of a local that nobody wrote, then reads the same odd
  # bytes each time, and not what a call before it left there.
  include(CheckCCompilerFlag)
  check_c_compiler_flag(-ftrivial-auto-var-init=pattern ESPALIER_HAS_PATTERN)
  if(ESPALIER_HAS_PATTERN) # gcc 12, clang 8
    target_compile_options(espalier_flags INTERFACE -ftrivial-auto-var-init=pattern)
  endif()
endif()

if(ESPALIER_BUILD_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "espalier: ESPALIER_BUILD_FUZZ needs clang (libFuzzer)")
  endif()
  # Coverage in the libraries too; the fuzz programs alone add the driver.
  target_compile_options(espalier_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(espalier_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
