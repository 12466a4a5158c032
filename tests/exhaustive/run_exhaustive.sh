#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/exhaustive/run_exhaustive.sh BUILD [exhaust's options]: the whole exhaustive run with a
# build's `exhaust`, in as many processes as there are processors; prints the counts of each model
# and of all. docs/security.md has the figures of a run.
set -euo pipefail

build=${1:?usage: run_exhaustive.sh BUILD [options]}
shift
jobs=${ESPALIER_EXHAUST_JOBS:-$(nproc)}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

start=$SECONDS
pids=()
for ((i = 0; i < jobs; i++)); do
    nice -n 19 "$build/bin/exhaust" --share "$i/$jobs" "$@" >"$logs/$i" &
    pids+=($!)
done
code=0
for pid in "${pids[@]}"; do
    wait "$pid" || code=1
done
awk '$3 == "bytes" {
    if (!($1 in cases)) { order[++count] = $1 }
    bytes[$1] = $2; cases[$1] += $4; refused[$1] += $6; opened[$1] += $8
    verified[$1] += $10; predictions[$1] += $12
}
END {
    printf "%-20s %6s %10s %10s %10s %10s %11s\n", "model", "bytes", "cases", "refused", "opened",
        "verified", "predictions"
    for (i = 1; i <= count; i++) {
        m = order[i]
        printf "%-20s %6d %10d %10d %10d %10d %11d\n", m, bytes[m], cases[m], refused[m],
            opened[m], verified[m], predictions[m]
    }
}' "$logs"/*
printf '%d processes, %d min %d s\n' "$jobs" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60))
exit "$code"
