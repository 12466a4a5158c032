#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fs-verity for real: qemu starts Debian's kernel, which has it, with verity_host as its only
program, on an ext4 and a btrfs disk. See verity_host.c for what is looked at.

    run_verity.py --build BUILD_DIR

BUILD_DIR/release must be built. Leaves with 1 when something is otherwise than docs/serving.md
says, 77 when nothing can run here.
"""

import argparse
import gzip
import pathlib
import re
import shutil
import subprocess
import sys

from bochs_disk import Unavailable, download_package, make_archive, run_tool

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "tests" / "fixtures" / "sklearn-1.4.2" / "random_forest_model.pkl"
DISKS = {"ext4": ("mkfs.ext4", "-q", "-b", "4096", "-O", "verity"), "btrfs": ("mkfs.btrfs", "-q")}
DISK_BYTES = {"ext4": 16 << 20, "btrfs": 112 << 20}  # the least that each can be
MODULES = {"ext4": "loop", "btrfs": "btrfs"}
MEMORY_MIB = 1024
TIME_MAX = 500


def find_tool(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def modules_of(tree, wanted):
    """Paths of kernel modules and what they need, those first that others need."""
    files = {path.stem.replace("-", "_"): path for path in tree.rglob("*.ko")}
    order = []

    def add(name):
        path = files.get(name)
        if path is None or path in order:
            return  # part of the kernel itself
        data = path.read_bytes()
        needs = re.findall(rb"\0(?:depends=|softdep=pre: )([\w, -]*)", b"\0" + data)
        for needed in re.split(r"[, ]+", b" ".join(needs).decode()):
            if needed and needed != "pre":
                add(needed.replace("-", "_"))
        order.append(path)

    for name in wanted:
        add(name)
    return order


def build_program(build, work):
    program = work / "verity_host"
    release = build / "release"
    done = subprocess.run(
        ["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
         "-static", f"-I{ROOT}/include", HERE / "verity_host.c", release / "libespalier_publish.a",
         release / "libespalier.a", "-lsodium", "-lm", "-o", program],
        capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"verity: verity_host does not build:\n{done.stderr[:3000]}")
    return program


def start(work, tree, files):
    archive = work / "files.cpio.gz"
    archive.write_bytes(gzip.compress(make_archive(files), 1))
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", str(MEMORY_MIB),
               "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-kernel", str(kernel), "-initrd", str(archive), "-append",
               "console=ttyS0 rdinit=/init quiet panic=-1 random.trust_cpu=on"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=TIME_MAX)
    except subprocess.TimeoutExpired as error:
        sys.exit(f"verity: the machine did not end:\n{(error.stdout or b'')[-3000:]!r}")
    return done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    options = parser.parse_args()
    build = options.build.resolve()
    work = build / "verity"
    work.mkdir(parents=True, exist_ok=True)
    if not shutil.which("qemu-system-x86_64"):
        print("verity: skipped, no qemu-system-x86_64 (Debian: qemu-system-x86)")
        return 77
    try:
        tree = work / "package" / "files"
        tree = tree if tree.exists() else download_package(tree.parent)
        types = [kind for kind in DISKS if find_tool(DISKS[kind][0])]
        files = {"/model.espalier": None, "/init": build_program(build, work).read_bytes()}
        run_tool([build / "release" / "bin" / "espalier", "convert", SOURCE, "-o",
                  work / "model.espalier"])
        files["/model.espalier"] = (work / "model.espalier").read_bytes()
        for kind in types:
            disk = work / kind
            disk.unlink(missing_ok=True)
            with open(disk, "wb") as file:
                file.truncate(DISK_BYTES[kind])
            run_tool([find_tool(DISKS[kind][0]), *DISKS[kind][1:], disk])
            files[f"/disks/{kind}"] = disk.read_bytes()
        modules = modules_of(tree, [MODULES[kind] for kind in types])
    except Unavailable as error:
        print(f"verity: skipped, {error}")
        return 77
    files["/modules"] = "".join(f"/lib/{path.name}\n" for path in modules).encode()
    files.update((f"/lib/{path.name}", path.read_bytes()) for path in modules)
    said = start(work, tree, files)
    missing = [kind for kind in types if f"verity: {kind} ok" not in said]
    if missing or "FAILED" in said:
        print(said[-3000:])
        print(f"verity: FAILED: {', '.join(missing)}")
        return 1
    print(f"verity: {' and '.join(types)} keep a published model, vouch for it and refuse a "
          "changed block")
    return 0


if __name__ == "__main__":
    sys.exit(main())
