#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/bench.sh BUILD [options of Google Benchmark]: runs every benchmark program of BUILD.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$1/bin
shift
ran=0
for program in "$bin"/bench_*; do
    [ -x "$program" ] || continue
    printf '\n== %s\n' "$(basename "$program")"
    "$program" "$@"
    ran=$((ran + 1))
done
[ "$ran" -gt 0 ] || { echo "bench: nothing built in $bin" >&2; exit 1; }
