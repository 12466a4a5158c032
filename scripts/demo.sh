#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/demo.sh BUILD: the tutorial's forest from joblib file to prediction, for a newcomer to
# read. Fails when a single bit of an answer differs from scikit-learn's.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
work=$build/demo
fixtures=tests/fixtures/sklearn-1.4.2
source=$fixtures/random_forest_model.pkl
model=$work/random_forest_model.espalier
rows=$fixtures/random_forest_model.rows64.npy
PATH=$(cd "$build/bin" && pwd):$PATH
mkdir -p "$work"

say() {
    printf '\n== %s\n' "$*"
}
show() {
    printf '$ %s\n' "$*"
    "$@"
}
bytes() {
    wc -c <"$1"
}

say "A forest that scikit-learn 1.4.2 trained on iris (200 trees) and joblib saved"
echo "   $source, $(bytes "$source") bytes"
say "Convert it. No Python is involved and nothing in the file is executed"
show espalier convert "$source" -o "$model"
echo "   $model, $(bytes "$model") bytes"
say "What is in it"
show espalier info "$model" | sed '/^ *metadata$/,$d'
echo "   and the metadata: who trained it, how, with which parameters (espalier info shows it)"
say "Predict straight from the mapped file, and compare with what scikit-learn answered"
echo "   (held-out rows, and rows that sit exactly on thresholds or one step beside them)"
for output in probability class leaf; do
    show espalier predict "$model" "$rows" --output "$output" -o "$work/$output.npy"
    printf '   scikit-learn: '
    python3 -B scripts/same_npy.py "$work/$output.npy" "$fixtures/random_forest_model.$output.npy"
done
say "One row from a text file"
echo "6.3,2.5,4.9,1.5" >"$work/row.csv"
show espalier predict "$model" "$work/row.csv" --output probability
say "Check every byte of the file, and its stored answers"
show espalier verify "$model"
if [ -x "$build/bin/bench_open" ] && [ -x "$build/bin/bench_predict" ]; then
    say "How fast is that on this machine? (all figures: make bench)"
    python3 -B scripts/demo_timing.py "$build/bin" "$model"
fi
say "Done: the same bits as scikit-learn. Next: espalier --help, README.md, docs/"
