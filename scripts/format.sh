#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formats every C and C++ file in place; with --check only lists what differs and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=(-i)
if [ "${1:-}" = --check ]; then
    mode=(--dry-run -Werror)
fi
tool=clang-format-14 # the layout of a file depends on the version; CI and everybody use this one
command -v "$tool" >/dev/null 2>&1 || tool=clang-format

# Tracked files and new ones, without what .gitignore names.
mapfile -d '' files < <(
    git ls-files -z --cached --others --exclude-standard -- \
        '*.c' '*.h' '*.cc' '*.hpp' '*.inc' | while IFS= read -r -d '' file; do
        [ ! -f "$file" ] || printf '%s\0' "$file"
    done
)
printf '%s\0' "${files[@]}" | xargs -0 -n 16 -P "$(nproc)" "$tool" --style=file "${mode[@]}"
echo "format: ${#files[@]} files"
