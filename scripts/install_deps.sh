#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs with apt-get what is missing for building (`build`) or for building and checking
# (`check`), and says what and why. When all is there it does nothing and needs no root.
set -euo pipefail

what=${1:-check}

# package | why
build_packages='
gcc|C compiler
g++|C++ compiler of the benchmarks
libc6-dev|C headers
cmake|configures the build
ninja-build|runs the build
pkg-config|finds libraries
python3|reads expected answers in the demo, runs fixtures
libxxhash-dev|checksums of the file format (a header, compiled in)
libjansson-dev|JSON metadata
libsodium-dev|digests and signatures of model files
zlib1g-dev|joblib files: zlib and gzip
libbz2-dev|joblib files: bzip2
liblzma-dev|joblib files: xz and lzma
liblz4-dev|joblib files: lz4
libbenchmark-dev|Google Benchmark
'
check_packages='
libcmocka-dev|unit tests
clang|second compiler, fuzzing
libclang-rt-14-dev|sanitizers and libFuzzer of clang
llvm|readable sanitizer stack traces
clang-format|checks formatting
clang-tidy|checks the code
cppcheck|checks the code
valgrind|memory checks
python3-dev|headers for the extension modules of the Python package
minisign|verifies our signatures, and we its
python3-venv|environments of the trainers that answers are compared with
nodejs|runs pyright, which checks the types of the Python package
chromium|opens the page of espalier inspect
chromium-driver|drives chromium from tests
graphviz|reads the drawings of espalier plot
bochs|runs AVX-512 code on a CPU that has none
bochs-term|the smallest display for bochs; nothing is shown
qemu-system-x86|starts a kernel that has fs-verity
btrfs-progs|makes one of its disks
qemu-user-static|runs AArch64 programs, and programs as on older CPUs
gcc-aarch64-linux-gnu|builds for AArch64
libc6-dev-arm64-cross|C headers for AArch64
gcc-s390x-linux-gnu|builds for a big-endian host, which must refuse models
libc6-dev-s390x-cross|C headers for it
gcc-i686-linux-gnu|builds for a 32-bit host
libc6-dev-i386-cross|C headers for it
cargo|the Rust crate
golang-go|the Go package
openjdk-17-jdk-headless|the Java package
'

case "$what" in
build) wanted=$build_packages ;;
check) wanted=$build_packages$check_packages ;;
*)
    echo "usage: scripts/install_deps.sh [build|check]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "install_deps: no apt-get here, nothing installed. What is needed (Debian's names):" >&2
    echo "$wanted" | sed -n 's/^\([^|]*\)|\(.*\)/  \1: \2/p' >&2
    for tool in cmake ninja pkg-config cc; do
        command -v "$tool" >/dev/null 2>&1 || {
            echo "install_deps: $tool is missing; install it and try again" >&2
            exit 1
        }
    done
    exit 0
fi

is_installed() {
    dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^ii'
}

missing=()
lines=
while IFS='|' read -r package why; do
    [ -n "$package" ] || continue
    if ! is_installed "$package"; then
        missing+=("$package")
        lines+="  $package: $why"$'\n'
    fi
done <<<"$wanted"
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

echo "install_deps: installing with apt-get what is missing:"
printf '%s' "$lines"

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "install_deps: this needs root and there is no sudo. As root, run:" >&2
        echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_apt() {
    if ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "install_deps: apt-get $1 failed. Is the network up? By hand, as root:" >&2
        echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
}
run_apt update
# Other releases number the compiler's runtime differently; go on without what apt does not know.
known=()
for package in "${missing[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        known+=("$package")
    else
        echo "install_deps: this system has no package $package; going on without it"
    fi
done
missing=(${known[@]+"${known[@]}"})
[ ${#missing[@]} -gt 0 ] || exit 0
run_apt install --no-install-recommends "${missing[@]}"
echo "install_deps: done"
