#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/clang_tidy.sh BUILD [FILE ...]: clang-tidy over the given .c files, or over every one that
# BUILD (configured with clang) compiles. Shows all findings and fails if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
shift
export build
tool=clang-tidy-14
command -v "$tool" >/dev/null 2>&1 || tool=clang-tidy
export tool
[ -f "$build/compile_commands.json" ] || scripts/build.sh "$(basename "$build")"

# Files of a folder that is not built are not checked.
mapfile -t files < <(python3 -B - "$build/compile_commands.json" "$@" <<'PYTHON'
import json, os, sys
known = {os.path.relpath(entry["file"]) for entry in json.load(open(sys.argv[1]))}
made = os.path.relpath(os.path.dirname(sys.argv[1])) + "/"  # by the build, from other files
known = {name for name in known if not name.startswith(made)}
names = sys.argv[2:] or sorted(known)
print("\n".join(name for name in names if name.endswith(".c")))
PYTHON
)
[ ${#files[@]} -gt 0 ] || { echo "clang-tidy: nothing to check"; exit 1; }

check_file() {
    local hints=(--extra-arg=-include "--extra-arg=$PWD/tests/tidy/analyzer_hints.h")
    # The hints are macros of what this one defines.
    [ "$1" != format/error.c ] || hints=()
    # With assertions, which tell the analyzer what holds; without the counts of what was suppressed
    # in system headers.
    "$tool" -p "$build" --quiet --extra-arg=-UNDEBUG ${hints[@]+"${hints[@]}"} "$1" \
        2> >(grep -vE '^[0-9]+ (warning|error)s?( and| treated| generated)' >&2)
}
export -f check_file

# Biggest first, so that all jobs end together.
printf '%s\n' "${files[@]}" | xargs -d '\n' ls -S |
    xargs -d '\n' -I{} -P "$(nproc)" bash -c 'check_file {}' 2>&1
echo "clang-tidy: ${#files[@]} files clean"
