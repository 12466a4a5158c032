#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/run.sh [--build BUILD] [--quick | --small] [--out FILE.csv] [--write DOCUMENT]
#              [--model MODEL [--rows ROWS.npy]]...
# Runs all benchmarks of a release build, prints tables, and writes every figure to
# bench/results/<date>-<cpu>.csv (--quick, --small and --model: only with --out). --write
# docs/benchmarks.md puts the tables in. Nothing else should run meanwhile. The forests are trained
# once, into ESPALIER_BENCH_DIR or BUILD/bench-data. --small takes the smallest alone, and seconds:
# all is done, nothing measured.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/release
out=
document=
short=
options=()
models=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --write) document=$2; shift 2 ;;
    --quick | --small) short=$1; options+=("$1"); shift ;;
    --model | --rows) models+=("$1" "$2"); shift 2 ;;
    *) sed -n '3,9s/^# //p' "$0" >&2; exit 2 ;;
    esac
done
if [ ! -x "$build/bin/bench_open" ] || [ ! -x "$build/bin/bench_predict" ]; then
    echo "run.sh: no benchmarks in $build (cmake --preset release, with libbenchmark-dev)" >&2
    exit 2
fi
if [ -z "$out" ] && [ -z "$short" ] && [ ${#models[@]} -eq 0 ]; then
    cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | sed -n 1p | tr -cs 'A-Za-z0-9' '-')
    out=bench/results/$(date +%F)-${cpu%-}.csv
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() {
    echo "== $*" >&2
}
for name in open predict options threads slot; do
    say "bench_$name"
    "$build/bin/bench_$name" "${options[@]}" "${models[@]}" --benchmark_out="$work/$name.json" \
        --benchmark_out_format=json >"$work/$name.log" \
        2> >(tee "$work/$name.err" | grep training >&2) ||
        { cat "$work/$name.err" >&2; exit 1; }
done
# A goal missed is told in the table, not by a failure here.
say bench_memory
"$build/bin/bench_memory" "${options[@]}" "${models[@]}" --json >"$work/memory.json" ||
    [ -s "$work/memory.json" ]
if [ ${#models[@]} -eq 0 ]; then
    say bench_convert
    "$build/bin/bench_convert" "${options[@]}" --json >"$work/convert.json" 2>"$work/convert.err" ||
        [ -s "$work/convert.json" ] || { cat "$work/convert.err" >&2; exit 1; }
fi
mkdir -p bench/results
python3 -B bench/report.py "$work" --command "bench/run.sh${short:+ $short}" \
    ${out:+--csv "$out"} ${document:+--write "$document"}
