#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/check.sh [STEP ...]: everything CI runs, in named steps (default: all of them, in order).
# A failed step does not stop the next; the exit code is 1 if any failed. The last line sums up
# steps and ctest results: "N passed, N failed, N skipped".
#   BUILD_DIR               where to build (default build)
#   ESPALIER_FIDELITY_SHARE part of the provers' models to take (default 0.3)
#   ESPALIER_FUZZ_SECONDS   seconds for each fuzz target (default 30)
set -uo pipefail
cd "$(dirname "$0")/.."

export BUILD_DIR=${BUILD_DIR:-build}
mkdir -p "$BUILD_DIR/logs"
BUILD_DIR=$(cd "$BUILD_DIR" && pwd)
jobs=$(nproc)
# Not among them, hours or the better part of one each: exhaustive, exhaustive-sanitized, coverage,
# mutation.
steps=(release clang asan-ubsan tsan valgrind avx512 neon hosts verity format clang-tidy analyse
    tidy install compile browser documents python bindings fastapi fidelity fuzz)

passed=0
failed=0
skipped=0
failed_names=()

# Sanitizers want their own address ranges; randomisation may put something else there.
fixed_layout=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
    fixed_layout=(setarch "$(uname -m)" -R)
fi

# run_ctest PRESET [ctest options]: adds the numbers of tests to the sums; fails if a test failed.
run_ctest() {
    local preset=$1
    shift
    local report=$BUILD_DIR/logs/ctest-$preset.xml code=0
    rm -f "$report"
    # The long list goes to the log; failures are shown by the caller from there.
    (cd "$BUILD_DIR/$preset" && "${fixed_layout[@]}" ctest -j "$jobs" --output-on-failure \
        --no-tests=error --output-junit "$report" "$@") || code=$?
    if [ ! -f "$report" ]; then
        echo "check: ctest wrote no report"
        return 1
    fi
    local numbers
    numbers=$(python3 -B scripts/ctest_counts.py "$report") || return 1
    echo "ctest: $numbers" | tee -a "$BUILD_DIR/logs/sums"
    return "$code"
}

step_release() {
    scripts/build.sh release -DESPALIER_WERROR=ON -DESPALIER_BUILD_TESTS=ON && run_ctest release
}

# The same tests once more would tell little new: unit and kernel tests, not the long ones.
step_clang() {
    scripts/build.sh clang && run_ctest clang -L 'unit|kernel' -E '^test_hostile_model$'
}

step_asan_ubsan() {
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1
    # Warnings are not fatal here: in instrumented code gcc sees less of a value's range and warns
    # of truncations that cannot be. The two plain builds are strict.
    # The oracle is slow Python; the command it is compared with runs like files elsewhere. All
    # fixtures are converted by the release build; here every sixth, which is every kind of model.
    export ESPALIER_FIXTURES_NTH=6
    scripts/build.sh asan-ubsan && run_ctest asan-ubsan -E '^test_oracle(_rules)?$'
}

step_tsan() {
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    scripts/build.sh tsan && run_ctest tsan -L threads
}

step_valgrind() {
    scripts/valgrind.sh "$BUILD_DIR/release"
}

# Levels of ISA that this machine lacks, emulated; see tests/emulate/README.md.
step_avx512() {
    tests/emulate/run_levels.py --build "$BUILD_DIR" --sums "$BUILD_DIR/logs/sums"
}

# Emulation is slow: kernels, what predicts with them, and the same bytes as on this machine. Not
# check_moats: qemu keeps a table of its inaccessible gigabytes and runs out of memory. Fixtures:
# every sixth, which is every kind of model.
step_neon() {
    tests/emulate/run_neon.sh "$BUILD_DIR" || return
    ESPALIER_FIXTURES_NTH=6 run_ctest neon \
        -R '^(check_.*|run_bytes|test_(predict|shared_tests|model))$' -E '^check_moats$'
}

step_format() {
    scripts/format.sh --check
}

step_clang_tidy() {
    scripts/clang_tidy.sh "$BUILD_DIR/clang"
}

# cppcheck and gcc's -fanalyzer.
step_analyse() {
    scripts/analyse.sh
}

# A big-endian host refuses, a 32-bit one predicts alike and refuses what does not fit.
step_hosts() {
    [ -x "$BUILD_DIR/release/bin/predict_bytes" ] || scripts/build.sh release || return
    python3 -B tests/emulate/run_hosts.py --build "$BUILD_DIR"
}

# fs-verity on disks of a kernel that has it, started by qemu.
step_verity() {
    [ -x "$BUILD_DIR/release/bin/espalier" ] || scripts/build.sh release || return
    tests/emulate/run_verity.py --build "$BUILD_DIR"
}

# Every change of every model of tests/exhaustive; the tests of a build take a sample of them.
step_exhaustive() {
    [ -x "$BUILD_DIR/release/bin/exhaust" ] || scripts/build.sh release || return
    tests/exhaustive/run_exhaustive.sh "$BUILD_DIR/release"
}

# The same under address and undefined sanitizers, optimised: of fewer rows, decisions/0016.
step_exhaustive_sanitized() {
    BUILD_DIR=$BUILD_DIR/exhaustive scripts/build.sh asan-ubsan "-DCMAKE_C_FLAGS_DEBUG=-O2 -g" &&
        tests/exhaustive/run_exhaustive.sh "$BUILD_DIR/exhaustive/asan-ubsan"
}

# Branches of the read side that no test takes.
step_coverage() {
    python3 -B tests/coverage/branch_coverage.py --build "$BUILD_DIR"
}

# Changes of the verifier and the reader that no test notices.
step_mutation() {
    [ -x "$BUILD_DIR/release/bin/exhaust" ] || scripts/build.sh release || return
    python3 -B tests/mutation/mutate.py --build "$BUILD_DIR"
}

step_tidy() {
    local script code=0
    for script in tests/tidy/check_*.py; do
        python3 -B "$script" --build "$BUILD_DIR/release" || code=1
    done
    return $code
}

step_install() {
    tests/install/run_install.sh "$BUILD_DIR/release" "$BUILD_DIR/install-test"
}

step_compile() {
    tests/compile/run_compile.sh
}

# The page of espalier inspect in a browser; 77 without one.
step_browser() {
    [ -x "$BUILD_DIR/release/bin/espalier" ] || scripts/build.sh release || return
    scripts/browser.sh "$BUILD_DIR" "$BUILD_DIR/release/bin/espalier"
}

# Every command and program in the documents that no other step runs; 77 without the trainers.
step_documents() {
    [ -x "$BUILD_DIR/release/bin/espalier" ] || scripts/build.sh release || return
    scripts/documents.sh "$BUILD_DIR"
}

# C++, Rust, Go and Java against the installed library; says which of them were skipped and why.
step_bindings() {
    [ -x "$BUILD_DIR/release/bin/espalier" ] || scripts/build.sh release || return
    tests/bindings/run_bindings.sh "$BUILD_DIR/release" "$BUILD_DIR/bindings"
}

# The wheel, the source archive, and the tests of the package with every Python that is here.
step_python() {
    python3 -B python/check_package.py --work "$BUILD_DIR/python"
}

# A web service with several workers under load, with the package as its README installs it.
step_fastapi() {
    python3 -B examples/fastapi/check_app.py --work "$BUILD_DIR/fastapi"
}

# Every prover with the newest trainers that this machine's Python can install; 77 without them.
step_fidelity() {
    [ -x "$BUILD_DIR/release/bin/espalier" ] || scripts/build.sh release || return
    python3 -B tests/interop/fidelity.py --newest --espalier "$BUILD_DIR/release/bin/espalier" \
        --work "$BUILD_DIR/fidelity" --share "${ESPALIER_FIDELITY_SHARE:-0.3}"
}

step_fuzz() {
    scripts/build.sh fuzz && scripts/fuzz.sh "$BUILD_DIR/fuzz" "${ESPALIER_FUZZ_SECONDS:-30}"
}

# run_step NAME: 77 means that the step could not run here and says why.
run_step() {
    local name=$1 log=$BUILD_DIR/logs/$1.log start=$SECONDS code=0
    local function=step_${name//-/_}
    : >"$BUILD_DIR/logs/sums"
    printf '== %s\n' "$name"
    ("$function") >"$log" 2>&1 || code=$?
    local took=$((SECONDS - start)) counts
    # Sums of the step's ctest runs; a test that failed makes its step fail too, count it once.
    counts=$(awk '{ p += $3; f += $5; s += $7 } END { print p + 0, f + 0, s + 0 }' \
        "$BUILD_DIR/logs/sums")
    local test_passed test_failed test_skipped
    read -r test_passed test_failed test_skipped <<<"$counts"
    passed=$((passed + test_passed))
    failed=$((failed + test_failed))
    skipped=$((skipped + test_skipped))
    case $code in
    0)
        passed=$((passed + 1))
        printf '   ok       %4d s  %s\n' "$took" "$(step_line "$log")"
        ;;
    77)
        skipped=$((skipped + 1))
        printf '   skipped  %4d s  %s\n' "$took" "$(step_line "$log")"
        ;;
    *)
        [ "$test_failed" -gt 0 ] || failed=$((failed + 1))
        failed_names+=("$name")
        tail -n 120 "$log"
        printf '   FAILED   %4d s  %s (whole log: %s)\n' "$took" "$name" "$log"
        ;;
    esac
}

# What the step has to say in one line: its last one.
step_line() {
    tail -n 1 "$1"
}

if [ $# -gt 0 ]; then
    steps=("$@")
fi
for name in "${steps[@]}"; do
    if ! declare -F "step_${name//-/_}" >/dev/null; then
        echo "check: no step $name" >&2
        exit 2
    fi
done

for name in "${steps[@]}"; do
    run_step "$name"
done

echo
if [ ${#failed_names[@]} -gt 0 ]; then
    echo "failed: ${failed_names[*]}"
fi
printf 'total: %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
