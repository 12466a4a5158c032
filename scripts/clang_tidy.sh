#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/clang_tidy.sh BUILD: clang-tidy over every .c file that BUILD (configured with clang)
# compiles. Fails on the first finding's file, shows all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
tool=clang-tidy-14
command -v "$tool" >/dev/null 2>&1 || tool=clang-tidy
[ -f "$build/compile_commands.json" ] || scripts/build.sh "$(basename "$build")"

# One line per source of the build; files of a folder that is not built are not checked.
mapfile -t files < <(python3 -B - "$build/compile_commands.json" <<'PYTHON'
import json, sys
names = sorted({entry["file"] for entry in json.load(open(sys.argv[1]))})
print("\n".join(name for name in names if name.endswith(".c")))
PYTHON
)
[ ${#files[@]} -gt 0 ] || { echo "clang-tidy: nothing to check"; exit 1; }

# Biggest first, so that two jobs end together.
printf '%s\n' "${files[@]}" | xargs -d '\n' ls -S |
    xargs -d '\n' -n 1 -P "$(nproc)" "$tool" -p "$build" --quiet 2>&1 |
    { grep -vE '^[0-9]+ (warning|error)s?( and| treated| generated)|^Suppressed|^Use -h' || true; }
[ "${PIPESTATUS[0]}" -eq 0 ]
echo "clang-tidy: ${#files[@]} files clean"
