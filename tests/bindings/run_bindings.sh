#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/bindings/run_bindings.sh BUILD WORK: installs BUILD, then builds and tests the bindings
# against it as a user would: C++, and Rust, Go and Java where their tools are. Each runs its own
# tests, its example, and the jobs of run_bindings.py, which compares bit for bit with the command.
# WORK keeps what Rust and Go have compiled. The last line says what was skipped and why.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(cd "$1" && pwd)
mkdir -p "$2"
work=$(cd "$2" && pwd)
here=tests/bindings
jobs=$(nproc)

programs=()
ran=()
skipped=()
fail() {
    echo "bindings: $*"
    exit 1
}

# ---- the installed library, and the tutorial's forest ----------------------------------------
rm -rf "$work/prefix" "$work/jobs"
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
prefix=$work/prefix
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name espalier.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir espalier)
archive=$libdir/libespalier.a
read -ra cflags <<<"$(pkg-config --cflags espalier)"
espalier=$prefix/bin/espalier
export ESPALIER_TEST_FOLDER=$work/forest
mkdir -p "$ESPALIER_TEST_FOLDER"
model=$ESPALIER_TEST_FOLDER/random_forest_model.espalier
"$espalier" convert tests/fixtures/sklearn-1.4.2/random_forest_model.pkl -o "$model" >/dev/null
named=$ESPALIER_TEST_FOLDER/named.espalier # its features have names
"$espalier" convert tests/fixtures/lightgbm-4.7.0/small.txt -o "$named" >/dev/null
row=(6.3 2.5 4.9 1.5)
(IFS=,; echo "${row[*]}") >"$work/row.csv"
"$espalier" predict "$model" "$work/row.csv" --output probability -o "$work/row_out.csv"

# snippet LANGUAGE FILE [N]: the first, or Nth, program of docs/bindings.md in that language.
snippet() {
    mkdir -p "$(dirname "$2")"
    awk -v start="\`\`\`$1" -v wanted="${3:-1}" '$0 == start { n++; inside = 1; next }
        $0 == "```" { inside = 0 } inside && n == wanted' docs/bindings.md >"$2"
    [ -s "$2" ] || fail "docs/bindings.md has no program in $1"
}

# Each program and command of the documents is run below, and no other block stands in them.
fenced() {
    sed -n 's/^```\(..*\)$/\1/p' "$1" | sort | uniq -c | tr -s ' \n' ' '
}
[ "$(fenced docs/bindings.md)" = " 2 cpp 2 go 2 java 2 rust 1 sh " ] ||
    fail "docs/bindings.md has other blocks than are run here: $(fenced docs/bindings.md)"
[ "$(fenced bindings/rust/README.md)" = " 1 sh " ] ||
    fail "bindings/rust/README.md has other blocks than are run here"

# expect_snippet LANGUAGE COMMAND...: run beside the model, it prints the class 1.
expect_snippet() {
    local language=$1 said
    shift
    said=$(cd "$ESPALIER_TEST_FOLDER" && "$@") || fail "$language: docs/bindings.md's program fails"
    [ "$said" = 1 ] || fail "$language: docs/bindings.md's program prints $said"
}

# expect_command LANGUAGE COMMAND...: it prints the command's numbers, bit for bit.
expect_command() {
    local language=$1
    shift
    "$@" >"$work/got.txt" || fail "$language: the example fails"
    python3 -B - "$work/row_out.csv" "$work/got.txt" <<'PYTHON' || fail "$language: other numbers"
import sys
wanted = [float(x) for x in open(sys.argv[1]).read().split()[-1].split(",")]
got = [float(x) for x in open(sys.argv[2]).read().split()]
assert len(got) == 3 and got == wanted, (got, wanted)
PYTHON
}

# expect LANGUAGE COMMAND...: so does the example, and it says which file is not there.
expect() {
    local language=$1
    shift
    expect_command "$language" "$@" "$model" "${row[@]}"
    if "$@" "$work/no_such_file" "${row[@]}" >"$work/got.txt" 2>"$work/said.txt"; then
        fail "$language: the example predicts with a file that is not there"
    fi
    grep -q no_such_file "$work/said.txt" || fail "$language: the error names no file"
}

# The examples in C. Of XGBoost too, whose values are float32.
build_c() {
    local strict=(-std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow -Werror "${cflags[@]}")
    local name boosted=$work/boosted.espalier fixtures=tests/fixtures
    for name in one_row batch threads; do
        cc "${strict[@]}" "examples/$name.c" -o "$work/$name" "$archive" -lm -pthread
    done
    one_row() { # MODEL VALUE...
        local path=$1
        shift
        echo "$*" | "$work/one_row" "$path" | tr , '\n'
        return "${PIPESTATUS[1]}"
    }
    expect C one_row
    "$espalier" convert $fixtures/xgboost-3.4.1/absolute.ubj -o "$boosted" >/dev/null
    python3 -B $here/check_examples.py --espalier "$espalier" --programs "$work" \
        --case "$model" $fixtures/sklearn-1.4.2/random_forest_model.rows64.npy probability \
        --case "$boosted" $fixtures/xgboost-3.4.1/absolute.rows64.npy value ||
        fail "C: the examples differ from the command"
    ran+=("C")
}

build_cxx() {
    local strict=(-std=c++17 -Wall -Wextra -Wconversion -Wshadow -Werror "${cflags[@]}")
    c++ "${strict[@]}" -O1 $here/jobs.cc -o "$work/jobs_cxx" "$archive" -lm &
    c++ "${strict[@]}" -O1 -g -fsanitize=address,undefined $here/use_header.cc \
        -o "$work/use_header" "$archive" -lm -pthread
    wait $! || fail "C++: jobs.cc does not compile"
    c++ "${strict[@]}" -O1 examples/predict_row.cc -o "$work/predict_row_cxx" \
        $(pkg-config --libs espalier) -Wl,-rpath,"$libdir"
    "$work/use_header" "$model" "$named" || fail "C++: its own tests fail"
    expect C++ "$work/predict_row_cxx"
    local number
    for number in 1 2; do
        snippet cpp "$work/snippet.cc" $number
        c++ "${strict[@]}" "$work/snippet.cc" -o "$work/snippet_cxx" "$archive" -lm
        expect_snippet C++ "$work/snippet_cxx"
    done
    programs+=("cxx=$work/jobs_cxx")
    ran+=("C++")
}

build_rust() {
    if ! cargo --version >/dev/null 2>&1; then
        skipped+=("Rust (no cargo)")
        return
    fi
    export CARGO_TARGET_DIR=$work/rust CARGO_NET_OFFLINE=true ESPALIER_DIR=$prefix
    local manifest=bindings/rust/Cargo.toml
    cargo test --locked --quiet --manifest-path $manifest >"$work/rust.log" 2>&1 ||
        { cat "$work/rust.log"; fail "Rust: its own tests fail"; }
    # By pkg-config too, without the library's folder in the environment.
    env -u ESPALIER_DIR cargo build --locked --quiet --manifest-path $manifest --bins --examples ||
        fail "Rust: does not build by pkg-config"
    expect Rust "$work/rust/debug/examples/predict_row"
    # The command of its README, with this prefix and this model.
    awk '$0 == "```sh" { inside = 1; next } $0 == "```" { inside = 0 } inside' \
        bindings/rust/README.md | sed "s|/usr/local|$prefix|; s|MODEL|$model|" >"$work/readme_rs.sh"
    expect_command Rust bash -euo pipefail -c "cd bindings/rust && . '$work/readme_rs.sh'"
    snippet rust "$work/snippet-rs/src/main.rs"
    snippet rust "$work/snippet-rs/src/bin/second.rs" 2
    printf '[package]\nname = "snippet"\nversion = "0.1.0"\nedition = "2021"\n\n' \
        >"$work/snippet-rs/Cargo.toml"
    printf '[dependencies]\n%s\n' \
        "espalier = { path = \"$PWD/bindings/rust/espalier\" }" >>"$work/snippet-rs/Cargo.toml"
    cargo build --quiet --manifest-path "$work/snippet-rs/Cargo.toml" ||
        fail "Rust: docs/bindings.md's program does not build"
    expect_snippet Rust "$work/rust/debug/snippet"
    expect_snippet Rust "$work/rust/debug/second"
    programs+=("rust=$work/rust/debug/jobs")
    ran+=("$(rustc --version | cut -d' ' -f1,2)")
}

build_go() {
    if ! go version >/dev/null 2>&1; then
        skipped+=("Go (no go)")
        return
    fi
    export GOCACHE=$work/go-cache GOPATH=$work/go-path GOPROXY=off GOTOOLCHAIN=local GOFLAGS=
    local unformatted
    unformatted=$(gofmt -l bindings/go 2>/dev/null || true)
    [ -z "$unformatted" ] || fail "Go: gofmt would change $unformatted"
    # The shared library as pkg-config finds it, and the static one.
    (cd bindings/go && go build -p "$jobs" -o "$work/predict_row_go" ./examples/predictrow) ||
        fail "Go: does not build by pkg-config"
    LD_LIBRARY_PATH=$libdir expect Go "$work/predict_row_go"
    (
        export CGO_CFLAGS=${cflags[*]} CGO_LDFLAGS="$archive -lm"
        unset PKG_CONFIG_PATH
        cd bindings/go
        go vet -tags espalier_static ./... &&
            go test -tags espalier_static -p "$jobs" ./... >"$work/go.log" 2>&1 &&
            go build -tags espalier_static -o "$work/jobs_go" ./internal/jobs
    ) || { cat "$work/go.log"; fail "Go: its own tests fail"; }
    snippet go "$work/snippet-go/first/main.go"
    snippet go "$work/snippet-go/second/main.go" 2
    printf 'module snippet\n\ngo 1.19\n\nrequire espalier v0.0.0\n\nreplace espalier => %s\n' \
        "$PWD/bindings/go" >"$work/snippet-go/go.mod"
    local program
    for program in first second; do
        (cd "$work/snippet-go" && go build -o "$work/snippet_go_$program" "./$program") ||
            fail "Go: docs/bindings.md's program does not build"
        LD_LIBRARY_PATH=$libdir expect_snippet Go "$work/snippet_go_$program"
    done
    programs+=("go=$work/jobs_go")
    ran+=("$(go version | cut -d' ' -f3)")
}

build_java() {
    local javac home major
    javac=$(command -v javac) || true
    home=$([ -z "$javac" ] || dirname "$(dirname "$(readlink -f "$javac")")")
    major=$([ -z "$javac" ] || javac -version 2>&1 | grep -oE '[0-9]+' | head -n 1)
    if [ -z "$javac" ] || [ ! -f "$home/include/jni.h" ] || [ "$major" -lt 17 ]; then
        skipped+=("Java (no JDK of 17 or newer)")
        return
    fi
    local classes=$work/java/classes tests=$work/java/tests library=$work/java/libespalier_jni.so
    rm -rf "$work/java"
    mkdir -p "$classes" "$tests"
    cc -std=c11 -O2 -fPIC -shared -Wall -Wextra -Werror "${cflags[@]}" -I"$home/include" \
        -I"$home/include/linux" bindings/java/src/espalier_jni.c -o "$library" "$archive" -lm \
        -Wl,-z,defs -Wl,--exclude-libs,ALL
    javac --release 17 -Xlint:all -Werror -d "$classes" bindings/java/src/espalier/*.java
    javac --release 17 -Xlint:all -Werror -cp "$classes" -d "$tests" bindings/java/test/*.java \
        bindings/java/example/*.java
    local run=("$home/bin/java" -Xcheck:jni "-Despalier.library=$library" -cp "$classes:$tests")
    "${run[@]}" UseIt "$model" "$named" >"$work/java.log" 2>&1 ||
        { cat "$work/java.log"; fail "Java: its own tests fail"; }
    ! grep -E 'WARNING in native|FATAL' "$work/java.log" || fail "Java: JNI is used wrongly"
    expect Java "${run[@]}" PredictRow
    # Built as docs/bindings.md says, in a copy of bindings/java.
    local built=$work/java/built number
    mkdir "$built"
    cp -r bindings/java/src "$built/src"
    snippet sh "$work/java/build.sh"
    (cd "$built" && JAVA_HOME=$home bash -euo pipefail "$work/java/build.sh") ||
        fail "Java: docs/bindings.md's commands fail"
    for number in 1 2; do
        snippet java "$work/java/Snippet.java" $number
        javac --release 17 -cp "$built/classes" -d "$built/classes" "$work/java/Snippet.java"
        expect_snippet Java "$home/bin/java" -Xcheck:jni -Djava.library.path="$built" \
            -cp "$built/classes" Snippet
    done
    programs+=("java=${run[*]} Jobs")
    ran+=("Java $major")
}

build_c
build_cxx
build_rust
build_go
build_java

arguments=()
for program in "${programs[@]}"; do
    arguments+=(--program "$program")
done
python3 -B $here/run_bindings.py --espalier "$espalier" --work "$work/jobs" "${arguments[@]}"
rm -rf "$work/jobs"
note=
[ ${#skipped[@]} -eq 0 ] || note="; skipped: ${skipped[*]}"
(IFS=,; echo "bindings: ${ran[*]} agree with the command$note")
