#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/documents.sh BUILD [DOCUMENT ...]: runs every command and program in the documents against
# BUILD/release and the Python package, whose wheel in BUILD/python it brings up to date, and the
# programs at the heads of the headers. What is told to be done in the source tree, as building,
# installing and measuring, is done in a copy, BUILD/documents/tree. The trainers come from PyPI;
# leaves with 77 without the network.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
shift
venv=$build/documents/venv
[ $# -gt 0 ] || python3 -B tests/docs/run_headers.py --build "$build/release"
pins="scikit-learn==1.9.1 joblib==1.6.0 xgboost-cpu==3.2.0 lightgbm==4.7.0"
if ! [ "$(cat "$venv/pins" 2>/dev/null)" = "$pins" ]; then
    rm -rf "$venv"
    mkdir -p "$build/documents"
    # shellcheck disable=SC2086
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" -q install $pins; } \
        >"$build/documents/venv.log" 2>&1; then
        echo "documents: the trainers cannot be installed: $(tail -n 1 "$build/documents/venv.log")"
        exit 77
    fi
    echo "$pins" >"$venv/pins"
fi
python3 -B python/check_package.py --work "$build/python" --only wheel
"$venv/bin/pip" -q install --no-deps --force-reinstall "$build"/python/wheels/espalier-*.whl

python3 -B tests/docs/run_documents.py --build "$build/release" --python "$venv/bin/python" \
    --tree "$build/documents/tree" "$@"
