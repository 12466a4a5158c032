#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/fuzz.sh BUILD SECONDS [TARGET ...]: runs each libFuzzer target of BUILD for SECONDS,
# starting from the kept corpus. What it finds stays in BUILD/fuzz-work/TARGET; copy what is worth
# keeping to tests/fuzz/corpus/TARGET (merge with -merge=1).
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
seconds=$2
shift 2
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        [ -f "$source" ] && targets+=("$(basename "$source" .c)")
    done
fi
if [ ${#targets[@]} -eq 0 ]; then
    echo "fuzz: no targets yet"
    exit 77
fi

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1

run_target() {
    local name=$1
    local work=$build/fuzz-work/$name
    local log=$work/fuzz.log
    mkdir -p "$work/new" "$work/artifacts"
    local kept=() dictionary=()
    [ -d "tests/fuzz/corpus/$name" ] && kept=("tests/fuzz/corpus/$name")
    [ -f "tests/fuzz/$name.dict" ] && dictionary=("-dict=tests/fuzz/$name.dict")
    if ! "$build/bin/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$work/artifacts/" \
        ${dictionary[@]+"${dictionary[@]}"} "$work/new" ${kept[@]+"${kept[@]}"} \
        >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz: $name FAILED; input in $work/artifacts"
        return 1
    fi
    echo "fuzz: $name ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
}

# Two at a time: a target is one thread.
code=0
at_once=$(nproc)
for ((i = 0; i < ${#targets[@]}; i += at_once)); do
    pids=()
    for name in "${targets[@]:i:at_once}"; do
        run_target "$name" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || code=1
    done
done
[ "$code" -eq 0 ] && echo "fuzz: ${#targets[@]} targets, $seconds s each, no finding"
exit "$code"
