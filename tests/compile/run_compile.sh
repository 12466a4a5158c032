#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every public header alone, and twice, as C99, C11, C17 and C++11 to C++20, pedantic, with every
# compiler that is there: an old caller and a C++ caller must be able to include it as it is. And
# flags under which sums would have other bits stop the build.
set -euo pipefail
cd "$(dirname "$0")/../.."

count=0
check() { # compiler, language, standard
    local header
    for header in include/*.h; do
        printf '#include "%s"\n#include "%s"\n' "${header#include/}" "${header#include/}" |
            "$1" -x "$2" -std="$3" -pedantic -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror \
                -fsyntax-only -Iinclude - || {
            echo "compile: $header does not compile with $1 as $3"
            exit 1
        }
        count=$((count + 1))
    done
}

# The C++ headers take C++17.
check_cxx() { # compiler, standard
    local header
    for header in espalier.hpp espalier_slot.hpp; do
        printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
            "$1" -x c++ -std="$2" -pedantic -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror \
                -fsyntax-only -Iinclude - || {
            echo "compile: $header does not compile with $1 as $2"
            exit 1
        }
        count=$((count + 1))
    done
}

refuse() { # compiler, flag, text
    local said
    said=$("$1" "$2" -std=c11 -D_GNU_SOURCE -fsyntax-only -Iinclude -I. engine/model.c 2>&1) && {
        echo "compile: $1 $2 should stop the build"
        exit 1
    }
    grep -qF -- "$3" <<<"$said" || {
        echo "compile: $1 $2 stops for another reason: $said"
        exit 1
    }
}

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null 2>&1 || continue
    for standard in c99 c11 c17; do
        check "$compiler" c "$standard"
    done
    for standard in c++11 c++17 c++20; do
        check "$compiler" c++ "$standard"
    done
    check_cxx "$compiler" c++17
    check_cxx "$compiler" c++20
    refuse "$compiler" -ffast-math "-ffast-math breaks"
    case "$compiler $(uname -m)" in
    gcc\ x86_64 | gcc\ i?86) refuse gcc -mfpmath=387 "floats must not be computed wider" ;;
    esac
done
[ "$count" -gt 0 ] || { echo "compile: no compiler and no header"; exit 1; }
echo "compile: $count times clean"
