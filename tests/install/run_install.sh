#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/install/run_install.sh BUILD WORK: installs BUILD, moves the result to another folder, and
# builds consumers against it: by find_package, by pkg-config, and as a subproject. Each predicts a
# row of a real model and must print what the espalier command prints.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(cd "$1" && pwd)
work=$2
here=tests/install
rm -rf "$work"
mkdir -p "$work"
work=$(cd "$work" && pwd)

count=0
fail() {
    echo "install: $*"
    exit 1
}

# ---- install, then move: nothing may remember the first place --------------------------------
cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/moved"
prefix=$work/moved
! grep -rIl -e "$work" -e "$build" "$prefix" || fail "an installed text file names a build folder"
pc=$(dirname "$(find "$prefix" -name espalier.pc)")
export PKG_CONFIG_PATH=$pc
libdir=$(pkg-config --variable=libdir espalier)
[ -f "$libdir/libespalier.a" ] || fail "espalier.pc does not find its library after the move"
[ "$(pkg-config --modversion espalier)" = "$("$prefix/bin/espalier" --version | grep -oE \
    '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" ] || fail "pkg-config and the command differ in version"

# ---- a real model, converted by the installed command ----------------------------------------
source=$(find tests/fixtures/sklearn-1.4.2 -name '*random_forest_model*.pkl' | sort | head -n 1)
[ -n "$source" ] || fail "no fixture of the tutorial's iris forest"
model=$work/model.espalier
"$prefix/bin/espalier" convert "$source" -o "$model" >"$work/convert.log" 2>&1 ||
    fail "the installed command does not convert: $(cat "$work/convert.log")"
row=(6.3 2.5 4.9 1.5)
(IFS=,; echo "${row[*]}") >"$work/row.csv"
"$prefix/bin/espalier" predict "$model" "$work/row.csv" --output probability -o "$work/row_out.csv"

# expect PROGRAM: the same numbers, bit for bit (17 digits name a float64).
expect() {
    "$1" "$model" "${row[@]}" >"$work/got.txt" || fail "$1 failed"
    python3 -B - "$work/row_out.csv" "$work/got.txt" <<'PYTHON' || fail "$1 predicts otherwise"
import sys
line = open(sys.argv[1]).read().split("\n")
wanted = [float(x) for x in [l for l in line if l and l[0] in "0123456789-"][-1].split(",")]
got = [float(x) for x in open(sys.argv[2]).read().split()]
assert got and got == wanted, (got, wanted)
PYTHON
    count=$((count + 1))
}

# needs PROGRAM PATTERN: every shared library it needs matches.
needs() {
    local name
    while read -r name; do
        [[ $name =~ ^($2)$ ]] || fail "$1 needs $name"
    done < <(readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
}
only_libc='lib[cm]\.so\.[0-9]+|ld-linux.*'

# ---- by CMake package ------------------------------------------------------------------------
cmake -S $here -B "$work/package" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/package.log"
cmake --build "$work/package" >>"$work/package.log" || { cat "$work/package.log"; exit 1; }
expect "$work/package/consumer_static"
needs "$work/package/consumer_static" "$only_libc"
! ldd "$work/package/consumer_static" | grep -v -E 'linux-vdso|lib[cm]\.so|/ld-linux' ||
    fail "consumer_static loads more than libc and libm"
expect "$work/package/consumer_shared"
for kind in convert convert_static; do
    "$work/package/converter_$kind" "$source" "$work/again_$kind.espalier" >/dev/null
    cmp "$model" "$work/again_$kind.espalier" || fail "converter_$kind writes other bytes"
    count=$((count + 1))
done

# ---- by pkg-config: static part of a dynamic program, all static, and shared ------------------
flags=(-std=c11 -O2 $(pkg-config --cflags espalier))
cc "${flags[@]}" $here/consumer.c -o "$work/consumer_a" \
    -Wl,-Bstatic $(pkg-config --libs espalier) -Wl,-Bdynamic -lm
expect "$work/consumer_a"
needs "$work/consumer_a" "$only_libc"
cc "${flags[@]}" -static $here/consumer.c -o "$work/consumer_all" \
    $(pkg-config --static --libs espalier)
expect "$work/consumer_all"
cc "${flags[@]}" $here/consumer.c -o "$work/consumer_so" $(pkg-config --libs espalier)
LD_LIBRARY_PATH=$libdir expect "$work/consumer_so"
cc "${flags[@]}" -static $here/converter.c -o "$work/converter_a" \
    $(pkg-config --static --libs espalier_convert)
"$work/converter_a" "$source" "$work/again_a.espalier" >/dev/null
cmp "$model" "$work/again_a.espalier" || fail "converter_a writes other bytes"
# The example of README.md, as it stands there, in a folder with the tutorial's model.
mkdir "$work/readme"
cp "$model" "$work/readme/random_forest_model.espalier"
sed -n '/^```c\( .*\)*$/,/^```$/p' README.md | sed '/^```/d' >"$work/readme/main.c"
[ -s "$work/readme/main.c" ] || fail "README.md has no example in C"
cc -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags espalier) "$work/readme/main.c" \
    -o "$work/readme/main" $(pkg-config --libs espalier)
(cd "$work/readme" && LD_LIBRARY_PATH=$libdir ./main) >"$work/readme/got.txt" ||
    fail "the example of README.md fails"
tail -n 1 "$work/row_out.csv" | tr , '\n' | xargs printf '%g\n' | paste -sd ' ' \
    >"$work/readme/want.txt"
cmp "$work/readme/want.txt" "$work/readme/got.txt" ||
    fail "the example of README.md predicts otherwise"
count=$((count + 1))
pkg-config --exists espalier_publish || fail "espalier_publish.pc is not usable"
count=$((count + 1))

# ---- as a subproject: the library alone, and nothing of ours to install -----------------------
cmake -S $here -B "$work/subproject" -G Ninja -DESPALIER_SOURCE="$PWD" >"$work/subproject.log"
cmake --build "$work/subproject" >>"$work/subproject.log" || { cat "$work/subproject.log"; exit 1; }
expect "$work/subproject/consumer_static"
needs "$work/subproject/consumer_static" "$only_libc"
expect "$work/subproject/consumer_shared"
cmake --install "$work/subproject" --prefix "$work/nothing" >>"$work/subproject.log"
[ -z "$(find "$work/nothing" -type f 2>/dev/null)" ] || fail "a subproject installs files"

echo "install: $count consumers agree with the command"
