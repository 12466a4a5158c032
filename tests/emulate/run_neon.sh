#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_neon.sh BUILD_DIR: cross-builds libraries and tests for AArch64 in BUILD_DIR/neon, to be run
# by qemu. BUILD_DIR/release must be there: it converts the models both machines predict with.
# The libraries the converter needs come as Debian packages into BUILD_DIR/neon-sysroot, without
# installing them or telling the system of another architecture. Leaves with 77 when it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(cd "$1" && pwd)
sysroot=$build/neon-sysroot
packages=(libxxhash-dev libcmocka-dev libcmocka0 libjansson-dev libjansson4 libsodium-dev
    libsodium23 zlib1g-dev zlib1g libbz2-dev libbz2-1.0 liblzma-dev liblzma5 liblz4-dev liblz4-1)

skip() {
    echo "skipped: $1"
    exit 77
}

make_sysroot() {
    local state=$build/neon-apt
    rm -rf "$sysroot" "$state"
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs" "$sysroot"
    local apt=(apt-get -q -o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache"
        -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1)
    "${apt[@]}" update || return 1
    (cd "$state/debs" && "${apt[@]}" download "${packages[@]/%/:arm64}") || return 1
    local package
    for package in "$state"/debs/*.deb; do
        dpkg -x "$package" "$sysroot" || return 1
    done
    rm -rf "$state"
    touch "$sysroot/complete"
}

[ "$(uname -m)" = x86_64 ] || skip "cross-building is for x86-64 machines"
command -v aarch64-linux-gnu-gcc >/dev/null || skip "no gcc-aarch64-linux-gnu"
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || skip "no qemu-user-static"
[ -x "$build/release/bin/predict_bytes" ] || skip "no build in $build/release: run step release"
if [ ! -e "$sysroot/complete" ]; then
    command -v apt-get >/dev/null || skip "no apt-get to bring libraries for AArch64"
    make_sysroot || skip "libraries for AArch64 could not be downloaded"
fi

# Warnings are not fatal here: another compiler's view of code that two strict builds have judged.
cmake -S . -B "$build/neon" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE=tests/emulate/aarch64.cmake -DESPALIER_SYSROOT="$sysroot" \
    -DESPALIER_QEMU="$qemu" -DESPALIER_NATIVE_BUILD="$build/release" -DESPALIER_BUILD_CLI=OFF \
    -DESPALIER_BUILD_BENCH=OFF
cmake --build "$build/neon"
