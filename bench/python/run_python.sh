#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench/python/run_python.sh [--repeats N] [--only first|loop]: figures of the Python
# package beside the trainers and ONNX Runtime, as Markdown. Needs what `bench/peers/peers.sh
# --prepare` leaves in $BUILD_DIR (default build): models, and an environment with the peers.
# Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."

build_dir=${BUILD_DIR:-build}
peers_venv=$build_dir/peers-venv
venv=$build_dir/python-bench
[ -d "$build_dir/peers" ] && [ -x "$peers_venv/bin/python" ] || {
    echo "run_python.sh: no models yet: bench/peers/peers.sh --prepare" >&2
    exit 2
}
if [ ! -x "$venv/bin/python" ]; then
    "$(readlink -f "$peers_venv/bin/python")" -m venv "$venv"
fi
site=$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
"$peers_venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
    >"$site/peers.pth"
"$venv/bin/python" -m pip install -q --disable-pip-version-check ./python >&2
exec "$venv/bin/python" -B bench/python/measure_python.py --peers "$build_dir/peers" "$@"
