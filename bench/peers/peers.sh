#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/peers/peers.sh [--quick] [--small] [--check] [--only MODEL,PEER]... [--list]
#                      [--out FILE.csv] [--charts] [--prepare] [--prepare-again] [--build BUILD]
#                      [--venv DIR] [--cache DIR]
# bench/peers/peers.sh --report FILE.csv      tables for documents on standard output, and charts
# Measures Espalier and its peers on the same models and rows. Makes its own Python environment with
# pinned versions (once), builds Espalier (release) unless --build names a build, trains the models
# (once), and writes bench/results/peers-<date>-<cpu>.csv; --quick, --small, --check and --only
# write into the cache unless --out is given. A peer that cannot be installed or cannot take a model
# is listed as not measured, with the reason. --prepare only trains, converts and compiles, which
# takes longer than measuring and may run on a busy machine; while measuring, nothing else should.
# --small trains a few trees of a few rows, in a cache of its own: all is done, nothing measured.
# PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."

build_dir=${BUILD_DIR:-build}
venv=$build_dir/peers-venv
cache=
build=
is_small=
report=
is_charts=
options=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift 2 ;;
    --venv) venv=$2; shift 2 ;;
    --cache) cache=$2; shift 2 ;;
    --report) report=$2; shift 2 ;;
    --charts) is_charts=1; shift ;;
    --small) is_small=1; options+=("$1"); shift ;;
    --only | --out) options+=("$1" "$2"); shift 2 ;;
    --quick | --check | --list | --prepare | --prepare-again) options+=("$1"); shift ;;
    *) sed -n '3,15s/^# //p' "$0" >&2; exit 2 ;;
    esac
done
cache=${cache:-$build_dir/peers${is_small:+-small}}
mkdir -p "$build_dir" "$cache"

# ---- the environment ----
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.12 python3.13 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[23].*/bin/python; do
        # Pyenv's shims exist for versions that are not chosen, so each has to run.
        if "$candidate" -c 'import ensurepip, sys, venv
sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "peers.sh: no Python 3.12 or 3.13 with venv (set PYTHON)" >&2
    return 77
}

# One call of pip per file, so that one failure costs one peer.
install_peers() {
    local requirements=bench/peers/requirements file package
    : >"$venv/failed-installs"
    for file in "$requirements"/base.txt "$requirements"/[!bc]*.txt "$requirements"/catboost.txt; do
        echo "installing: $(basename "$file" .txt)" >&2
        if ! "$venv/bin/python" -m pip install -q --disable-pip-version-check \
            -c "$requirements/constraints.txt" -r "$file" >"$venv/pip.log" 2>&1; then
            [ "$file" != "$requirements/base.txt" ] || { tail -n 5 "$venv/pip.log" >&2; return 1; }
            package=$(sed -n 's/==.*//p' "$file" | sed -n 1p)
            printf '%s\tnot installed: %s\n' "$package" \
                "$(grep -m 1 -i error "$venv/pip.log" | cut -c 1-150)" >>"$venv/failed-installs"
        fi
    done
    cat bench/peers/requirements/*.txt >"$venv/requirements-done"
}

if ! cat bench/peers/requirements/*.txt | cmp -s - "$venv/requirements-done"; then
    echo "making $venv" >&2
    python=$(find_python)
    "$python" -m venv "$venv"
    install_peers
fi
python=$venv/bin/python

if [ -n "$report" ]; then
    "$python" -B bench/peers/peer_tables.py "$report"
    "$python" -B bench/peers/charts.py "$report" docs/images
    exit
fi

# ---- the library, the command, and the one-row loops ----
if [ -z "$build" ]; then
    scripts/build.sh release -DESPALIER_BUILD_TESTS=OFF >&2
    build=$build_dir/release
fi
build=$(cd "$build" && pwd)
for needed in libespalier.so bin/espalier bin/make_forest; do
    [ -e "$build/$needed" ] || { echo "peers.sh: no $needed in $build" >&2; exit 2; }
done
# The naive forest gets the library's own flags.
harness=$(cd "$cache" && pwd)/peer_timing.so
gcc -std=c11 -O3 -DNDEBUG -ffp-contract=off -D_GNU_SOURCE -fPIC -shared -Wall -Wextra -Iinclude \
    bench/peers/peer_timing.c bench/naive/*.c -o "$harness" -L"$build" -lespalier \
    -Wl,-rpath,"$build"

status=0
"$python" -B bench/peers/measure_peers.py --build "$build" --harness "$harness" --cache "$cache" \
    --failed-installs "$venv/failed-installs" ${options[@]+"${options[@]}"} || status=$?
if [ -s "$cache/last_csv" ]; then
    csv=$(cat "$cache/last_csv")
    rm -f "$cache/last_csv"
    "$python" -B bench/peers/peer_tables.py "$csv"
    [ -z "$is_charts" ] || "$python" -B bench/peers/charts.py "$csv" docs/images
fi
exit "$status"
