#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/analyse.sh: cppcheck and gcc's -fanalyzer over what reads model files and what
# writes them (format/, engine/, publish/). Any finding fails.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cppcheck >/dev/null 2>&1 || { echo "analyse: cppcheck is not installed"; exit 77; }
mapfile -t files < <(find format engine publish -maxdepth 1 -name '*.c' | sort)

# Kernels are one source over many macros and take minutes; sanitizers and moats run them. Not
# believed: cppcheck misses that a list of functions is given its values, and both that a loop fills
# an array as far as the next one reads it; clang-tidy and Valgrind look at both.
cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
    --suppress=uninitvar:engine/verify.c --suppress=uninitvar:engine/kernels/bits_tree.h \
    --suppress=missingIncludeSystem -j "$(nproc)" -D_GNU_SOURCE -D__x86_64__ \
    -D__LITTLE_ENDIAN__ -D__BYTE_ORDER__=1234 -D__ORDER_LITTLE_ENDIAN__=1234 \
    -D__ORDER_BIG_ENDIAN__=4321 -I include -I . "${files[@]}"

analyse_file() {
    # As for clang-tidy: that a failure returns the status it is given.
    local hints=(-include tests/tidy/analyzer_hints.h)
    [ "$1" != format/error.c ] || hints=()
    gcc -std=c11 -O1 -fanalyzer -Wno-analyzer-use-of-uninitialized-value -D_GNU_SOURCE -I include \
        -I . -Werror ${hints[@]+"${hints[@]}"} -c "$1" -o /dev/null
}
export -f analyse_file
printf '%s\n' "${files[@]}" | xargs -d '\n' ls -S |
    xargs -d '\n' -I{} -P "$(nproc)" bash -c 'analyse_file {}'
echo "analyse: ${#files[@]} files clean by cppcheck and -fanalyzer"
