#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/count_instructions.sh [--update] BUILD
# Counts the instructions of opening a small seeded model and of predicting one row from it, under
# valgrind, and compares them with bench/instructions.txt: a lasting check against slow-downs that
# no busy machine can blur. Differences of 5 % and more, up or down, fail: a gain is written down
# with --update. Needs the release build of gcc 12 on x86-64, whose counts the file holds; leaves
# with 77 (skipped) on anything else.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

is_update=
if [ "${1:-}" = --update ]; then
    is_update=1
    shift
fi
[ $# -eq 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 2; }
bin=$1/bin
skip() {
    echo "count_instructions: skipped: $*"
    exit 77
}
cache() {
    sed -n "s/^$1:[A-Z]*=//p" "$bin/../CMakeCache.txt"
}
command -v valgrind >/dev/null || skip "no valgrind"
[ -x "$bin/count_target" ] && [ -x "$bin/make_forest" ] && [ -x "$bin/espalier" ] ||
    skip "no benchmarks or no command in $bin"
[ "$(uname -m)" = x86_64 ] || skip "not x86-64"
[ "$(cache CMAKE_BUILD_TYPE)" = Release ] || skip "not a release build"
[ -z "$(cache ESPALIER_SANITIZER)" ] || skip "a sanitizer is on"
compiler=$(cache CMAKE_C_COMPILER)
macros=$("$compiler" -dM -E -x c /dev/null)
grep -q '__GNUC__ 12$' <<<"$macros" && ! grep -q __clang__ <<<"$macros" || skip "not gcc 12"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/make_forest" -o "$work/forest.joblib" --rows "$work/rows.npy" --trees 50 --depth 12 \
    --train-rows 3000 --row-count 200 >"$work/log"
"$bin/espalier" convert "$work/forest.joblib" -o "$work/forest.espalier" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }

# The instructions inside one function and what it calls.
count() {
    valgrind --tool=callgrind --callgrind-out-file="$work/out" --toggle-collect="$1" \
        "$bin/count_target" "$work/forest.espalier" "$work/rows.npy" >"$work/rows" 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    sed -n 's/^summary: *\([0-9]*\).*/\1/p;s/^totals: *\([0-9]*\).*/\1/p' "$work/out" | head -n 1
}
opened=$(count espalier_model_open)
predicted=$(count espalier_predict)
row=$((predicted / $(cat "$work/rows")))

figures=$here/instructions.txt
if [ -n "$is_update" ]; then
    {
        echo "# By bench/count_instructions.sh: gcc 12, release, x86-64, scalar kernel."
        echo "open $opened"
        echo "one_row $row"
    } >"$figures"
fi
status=0
check() {
    local known
    known=$(sed -n "s/^$1 //p" "$figures")
    local percent=$(((100 * $2 + known / 2) / known - 100))
    printf '%-8s %9d instructions, known %9d, %+d %%\n' "$1" "$2" "$known" "$percent"
    if [ "$percent" -ge 5 ] || [ "$percent" -le -5 ]; then
        echo "count_instructions: $1 changed; if that is meant: $0 --update BUILD" >&2
        status=1
    fi
}
check open "$opened"
check one_row "$row"
exit "$status"
