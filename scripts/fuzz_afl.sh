#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/fuzz_afl.sh BUILD SECONDS [TARGET]: AFL++ (package afl++) on a target of tests/fuzz,
# fuzz_model unless told, for SECONDS, from its kept corpus; prints executions, corpus and findings.
# 77 without AFL++. What it finds stays in BUILD/afl-work/TARGET; docs/security.md has the figures
# of a run.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:?usage: fuzz_afl.sh BUILD SECONDS [TARGET]}
seconds=${2:?usage: fuzz_afl.sh BUILD SECONDS [TARGET]}
target=${3:-fuzz_model}
if ! command -v afl-clang-fast >/dev/null || ! command -v afl-fuzz >/dev/null; then
    echo "fuzz_afl: skipped, no AFL++ (Debian: afl++)"
    exit 77
fi

mkdir -p "$build/afl" "$build/afl-work"
export AFL_QUIET=1
cmake --preset fuzz -B "$build/afl" -DCMAKE_C_COMPILER=afl-clang-fast \
    -DESPALIER_SANITIZER=address >"$build/afl/cmake.log"
cmake --build "$build/afl" --target "$target" >"$build/afl/build.log"

work=$build/afl-work/$target
mkdir -p "$work"
kept=tests/fuzz/corpus/$target
# Nobody looks at core files or scales the clock: this runs beside other work, in containers too.
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1
export AFL_NO_AFFINITY=1 AFL_MAP_SIZE=262144
# As in fuzz.sh: on a busy machine what takes a second of wall time need not hang.
export AFL_HANG_TMOUT=20000
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:symbolize=0
afl-fuzz -i "$kept" -o "$work" -V "$seconds" -m none -t 2000+ -- "$build/afl/bin/$target" \
    >"$work/afl.log" 2>&1
awk -F ' *: *' '$1 == "execs_done" || $1 == "corpus_count" || $1 == "saved_crashes" ||
    $1 == "saved_hangs" || $1 == "run_time" { value[$1] = $2 }
END {
    printf "fuzz_afl: %s executions in %s s, corpus %s files, %s crashes, %s hangs\n",
        value["execs_done"], value["run_time"], value["corpus_count"], value["saved_crashes"],
        value["saved_hangs"]
    exit value["saved_crashes"] + value["saved_hangs"] > 0
}' "$work/default/fuzzer_stats"
