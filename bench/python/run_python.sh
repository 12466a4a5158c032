#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/python/run_python.sh [--small] [--write DOCUMENT] [--repeats N] [--models NAME,...]
#                            [--only first|loop|overhead|workers] [--workers N]
# Figures of the Python package beside the trainers and ONNX Runtime, as Markdown: from import to
# the first answer, one row, what a call adds to C's, memory of 8 gunicorn workers. --write
# docs/benchmarks.md puts them in.
# Needs what `bench/peers/peers.sh --prepare` leaves in $BUILD_DIR (default build): models, and an
# environment with the peers. Nothing else should run meanwhile. About five minutes. --small takes
# those of `peers.sh --prepare --small`, once each: all is done, nothing measured.
set -euo pipefail
cd "$(dirname "$0")/../.."

build_dir=${BUILD_DIR:-build}
peers_venv=$build_dir/peers-venv
venv=$build_dir/python-bench
peers=$build_dir/peers
options=()
for argument in "$@"; do
    if [ "$argument" = --small ]; then
        peers=$build_dir/peers-small
        options+=(--repeats 1 --workers 2 --starts 1)
    else
        options+=("$argument")
    fi
done
[ -d "$peers" ] && [ -x "$peers_venv/bin/python" ] || {
    echo "run_python.sh: no models yet: bench/peers/peers.sh --prepare" >&2
    exit 2
}
if [ ! -x "$venv/bin/python" ]; then
    "$(readlink -f "$peers_venv/bin/python")" -m venv "$venv"
fi
site=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
"$peers_venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
    >"$site/peers.pth"
pip=("$venv/bin/python" -m pip --disable-pip-version-check install -q)
"${pip[@]}" --no-deps --force-reinstall ./python >&2
# The web service; what the peers bring already (scikit-learn, NumPy, joblib) stays theirs.
grep -vE '^(#|joblib|numpy|scikit-learn)' examples/fastapi/fastapi_pins.txt >"$venv/service.txt"
"${pip[@]}" -r "$venv/service.txt" >&2
scripts/build.sh release >&2
cc -O3 -std=c11 -shared -fPIC -Iinclude bench/python/call_loop.c \
    "$build_dir/release/libespalier.a" -lm -o "$venv/call_loop.so"
exec "$venv/bin/python" -B bench/python/measure_python.py --peers "$peers" \
    --call-loop "$venv/call_loop.so" "${options[@]}"
