#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/build.sh PRESET [cmake options]: configures and builds build/PRESET, quietly unless
# something is wrong. BUILD_DIR moves the whole build folder elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
dir=${BUILD_DIR:-build}/$preset
mkdir -p "$dir"
log=$dir/build.log

echo "build: $preset, in $dir"
if ! { cmake --preset "$preset" -B "$dir" "$@" && cmake --build "$dir"; } >"$log" 2>&1; then
    # From the first error on, without the compiler's command lines.
    sed -nE '/FAILED:|[Ee]rror[: ]/,$p' "$log" | grep -avE '^\[[0-9]+/[0-9]+\]|^: && |^/usr/bin/' |
        head -n 60 >&2
    echo "build: $preset failed; the whole log is $log" >&2
    exit 1
fi
# Warnings of a build that is not fatal about them are still shown.
grep -a -A 6 'warning:' "$log" | head -n 40 >&2 || true
