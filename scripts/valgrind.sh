#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/valgrind.sh BUILD: unit tests of a plain build, and the tutorial's forest through the
# command, under memcheck: reads of what was never written, which the sanitizers here do not see.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(cd "$1" && pwd)
work=$build/valgrind
mkdir -p "$work"
command -v valgrind >/dev/null 2>&1 || { echo "valgrind: not installed"; exit 77; }

# Too long (every byte of a file changed), against memcheck's own malloc, beyond its addresses; and
# memcheck computes with 80-bit floats in 64 bits, so 64-bit integers become other float32 numbers.
excluded='test_hostile_model|test_format_rules|test_predict_pure|test_huge_model'
excluded+='|test_cli_npy|test_document'
# Thousands of processes that are killed.
excluded+='|test_store'
# Half an hour of arithmetic on sound models; smaller tests go the same ways.
excluded+='|test_golden|test_layouts|test_layouts_predict'

run_one() { # name, command...
    local name=$1 code=0
    shift
    (cd "$work" && timeout 600 valgrind -q --error-exitcode=99 --leak-check=full "$@") \
        >"$work/$name.log" 2>&1 || code=$?
    if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
        tail -n 60 "$work/$name.log"
        echo "valgrind: $name FAILED ($code)"
        return 1
    fi
}
export -f run_one
export work

forest=$PWD/tests/fixtures/sklearn-1.4.2/random_forest_model
run_one convert "$build/bin/espalier" convert "$forest.pkl" -o "$work/model.espalier"
run_one predict "$build/bin/espalier" predict "$work/model.espalier" "$forest.rows64.npy" \
    -o "$work/class.npy"
run_one verify "$build/bin/espalier" verify "$work/model.espalier"

mapfile -t tests < <(find tests/unit -name 'test_*.c' | sed 's:.*/::; s:\.c$::' |
    grep -vxE "$excluded" | sort)
printf '%s\n' "${tests[@]}" |
    xargs -P "$(nproc)" -I{} bash -c 'run_one {} "$0/bin/{}"' "$build"
echo "valgrind: ${#tests[@]} test programs and the command, no finding"
