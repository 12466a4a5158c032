#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts that the library is not made for, by cross compilers and qemu: a big-endian one (s390x)
refuses every model with a clear error; a 32-bit one (i386) predicts the same bits, and refuses a
file that its address space cannot hold.

    run_hosts.py --build BUILD_DIR

BUILD_DIR/release must be built. Leaves with 1 when something is otherwise, 77 when nothing can run
here. Debian's packages: see PACKAGES.
"""

import argparse
import pathlib
import platform
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

from xxh3 import xxh3_64  # noqa: E402

PACKAGES = {"s390x": ("gcc-s390x-linux-gnu", "libc6-dev-s390x-cross", "qemu-user-static"),
            "i386": ("gcc-i686-linux-gnu", "libc6-dev-i386-cross", "qemu-user-static")}
COMPILERS = {"s390x": "s390x-linux-gnu-gcc", "i386": "i686-linux-gnu-gcc"}
# x87, and s390x by default, compute wider than trainers do; the sources refuse to compile then.
FLAGS = {"s390x": ["-fexcess-precision=fast"],
         "i386": ["-msse2", "-mfpmath=sse", "-D_FILE_OFFSET_BITS=64"]}
FIXTURES = (("sklearn-1.9.1/small.joblib", "sklearn-1.9.1/small.rows64.npy"),
            ("xgboost-3.4.1/names.ubj", "xgboost-3.4.1/names.rows32.npy"),
            ("lightgbm-4.7.0/multiclass.txt", "lightgbm-4.7.0/multiclass.rows64.npy"))
BEYOND = 5 << 30  # what a file is made longer by: more than 32 bits can address


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)


def compile_for(host, work):
    """The read side with two programs of this folder, statically: {name: path}."""
    include = work / "include"
    include.mkdir(parents=True, exist_ok=True)
    header = include / "xxhash.h"
    if not header.exists():
        header.symlink_to("/usr/include/xxhash.h")
    sources = sorted(path for pattern in ("format/*.c", "engine/*.c", "engine/kernels/*.c")
                     for path in ROOT.glob(pattern) if not path.name.startswith("writer"))
    objects = []
    base = [COMPILERS[host], "-std=c11", "-O0", "-ffp-contract=off", "-D_GNU_SOURCE",
            *FLAGS[host], f"-I{ROOT}/include", f"-I{ROOT}", f"-isystem{include}"]
    for source in sources:
        out = work / f"{source.stem}.o"
        done = run(*base, "-Wall", "-Wextra", "-Werror", "-c", source, "-o", out)
        if done.returncode != 0:
            sys.exit(f"hosts: {host}: {source.name} does not compile:\n{done.stderr[:3000]}")
        objects.append(out)
    programs = {}
    for name in ("foreign_host", "predict_bytes"):
        out = work / name
        done = run(*base, "-static", ROOT / "tests" / "emulate" / f"{name}.c", *objects, "-o", out,
                   "-lm")
        if done.returncode != 0:
            sys.exit(f"hosts: {host}: {name} does not link:\n{done.stderr[:3000]}")
        programs[name] = out
    return programs


def emulator_of(host):
    return shutil.which(f"qemu-{host}-static") or shutil.which(f"qemu-{host}")


def npy_to_numbers(source, out):
    """The numbers of a C-ordered .npy file, as they lie in memory."""
    data = source.read_bytes()
    head = 10 + struct.unpack_from("<H", data, 8)[0]
    out.write_bytes(data[head:])


def lengthened(model, out):
    """A sound header and table whose last section reaches 5 GiB further, in a sparse file."""
    data = bytearray(model.read_bytes())
    count = struct.unpack_from("<I", data, 44)[0]
    entry = 128 + 96 * (count - 1)
    struct.pack_into("<Q", data, entry + 16, struct.unpack_from("<Q", data, entry + 16)[0] + BEYOND)
    struct.pack_into("<Q", data, 16, len(data) + BEYOND)
    struct.pack_into("<Q", data, 96, 0)
    struct.pack_into("<Q", data, 96, xxh3_64(bytes(data[:128 + 96 * count])))
    out.write_bytes(data)
    with open(out, "r+b") as file:
        file.truncate(len(data) + BEYOND)


def check(condition, what, output):
    if not condition:
        sys.exit(f"hosts: {what}:\n{output}")


def check_big_endian(emulator, programs, models):
    for model, _ in models:
        done = run(emulator, programs["foreign_host"], model)
        lines = done.stdout.splitlines()
        check(done.returncode == 0 and len(lines) == 2 and
              all("ESPALIER_ERROR_HOST" in line and "not little-endian" in line for line in lines),
              "a big-endian host does not refuse", done.stdout + done.stderr)
    print(f"hosts: s390x refuses {len(models)} models, by path and from memory")


def check_narrow(emulator, programs, models, native, work):
    for model, rows in models:
        want = run(native, model, rows, env={"ESPALIER_ISA": "scalar"})
        got = run(emulator, programs["predict_bytes"], model, rows, env={"ESPALIER_ISA": "scalar"})
        check(want.returncode == 0 and got.returncode == 0 and want.stdout == got.stdout,
              f"{model.name}: a 32-bit host predicts otherwise", got.stdout[:500] + got.stderr)
    long = work / "long.espalier"
    lengthened(models[0][0], long)
    done = run(emulator, programs["foreign_host"], long)
    long.unlink()
    check(done.returncode == 0 and "do not fit this host's address space" in done.stdout,
          "a 32-bit host does not refuse a file of 5 GiB", done.stdout + done.stderr)
    print(f"hosts: i386 predicts {len(models)} models alike, and refuses a file of 5 GiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    options = parser.parse_args()
    build = options.build.resolve()
    if platform.machine() != "x86_64":
        print("hosts: skipped, cross-building is for x86-64 machines")
        return 77
    work = build / "hosts"
    work.mkdir(parents=True, exist_ok=True)
    models = []
    for source, rows in FIXTURES:
        model = work / (pathlib.Path(source).stem + ".espalier")
        numbers = work / (model.stem + (".f64" if "rows64" in rows else ".f32"))
        done = run(build / "release" / "bin" / "espalier", "convert",
                   ROOT / "tests" / "fixtures" / source, "-o", model)
        check(done.returncode == 0, f"{source} does not convert", done.stderr)
        npy_to_numbers(ROOT / "tests" / "fixtures" / rows, numbers)
        models.append((model, numbers))
    tried = 0
    for host in ("s390x", "i386"):
        emulator = emulator_of(host)
        if shutil.which(COMPILERS[host]) is None or emulator is None:
            print(f"hosts: {host} skipped, one of {', '.join(PACKAGES[host])} is missing")
            continue
        folder = work / host
        folder.mkdir(exist_ok=True)
        programs = compile_for(host, folder)
        tried += 1
        if host == "s390x":
            check_big_endian(emulator, programs, models)
        else:
            check_narrow(emulator, programs, models, build / "release" / "bin" / "predict_bytes",
                         folder)
    return 0 if tried else 77


if __name__ == "__main__":
    sys.exit(main())
