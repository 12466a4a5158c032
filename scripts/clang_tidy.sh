#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/clang_tidy.sh BUILD [FILE ...]: clang-tidy over the given .c files, or over every one that
# BUILD (configured with clang) compiles and those of the Python package. Shows all findings and
# fails if there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$1
shift
export build
tool=clang-tidy-14
command -v "$tool" >/dev/null 2>&1 || tool=clang-tidy
export tool
[ -f "$build/compile_commands.json" ] || scripts/build.sh "$(basename "$build")"

# The package is no part of BUILD: its files are compiled with the headers of the python3 on PATH.
export python_build=$build/python-commands
mkdir -p "$python_build"

# Files of a folder that is not built are not checked; without Python's headers its files are not.
mapfile -t files < <(python3 -B - "$build/compile_commands.json" "$@" <<'PYTHON'
import glob, json, os, sys, sysconfig
headers = sysconfig.get_path("include")
package = sorted(glob.glob("python/src/*.c")) if os.path.exists(headers + "/Python.h") else []
if not package:
    print("clang-tidy: no Python.h in %s: python/src is not checked" % headers, file=sys.stderr)
command = ("clang -std=c11 -DPy_LIMITED_API=0x030B0000 -D_GNU_SOURCE -Iinclude -isystem %s -c %s")
with open(os.path.join(os.environ["python_build"], "compile_commands.json"), "w") as file:
    json.dump([{"directory": os.getcwd(), "file": name, "command": command % (headers, name)}
               for name in package], file)
known = {os.path.relpath(entry["file"]) for entry in json.load(open(sys.argv[1]))}
made = os.path.relpath(os.path.dirname(sys.argv[1])) + "/"  # by the build, from other files
known = {name for name in known if not name.startswith(made)} | set(package)
names = sys.argv[2:] or sorted(known)
print("\n".join(name for name in names if name.endswith(".c")))
PYTHON
)
[ ${#files[@]} -gt 0 ] || { echo "clang-tidy: nothing to check"; exit 1; }

check_file() {
    local hints=(--extra-arg=-include "--extra-arg=$PWD/tests/tidy/analyzer_hints.h")
    # The hints are macros of what this one defines.
    [ "$1" != format/error.c ] || hints=()
    local commands=$build
    [[ "$1" != python/* ]] || commands=$python_build
    # With assertions, which tell the analyzer what holds; without the counts of what was suppressed
    # in system headers.
    "$tool" -p "$commands" --quiet --extra-arg=-UNDEBUG ${hints[@]+"${hints[@]}"} "$1" \
        2> >(grep -vE '^[0-9]+ (warning|error)s?( and| treated| generated)' >&2)
}
export -f check_file

# Biggest first, so that all jobs end together.
printf '%s\n' "${files[@]}" | xargs -d '\n' ls -S |
    xargs -d '\n' -I{} -P "$(nproc)" bash -c 'check_file {}' 2>&1
echo "clang-tidy: ${#files[@]} files clean"
