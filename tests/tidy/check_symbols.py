# SPDX-License-Identifier: Apache-2.0
"""The built libraries: names they export, what they need, and what they promise never to do.

Needs --build with a plain release build; sanitizers bring symbols of their own.
"""

import re
import subprocess
import sys

from tree import Findings, parse_arguments

LIBRARIES = ("espalier", "espalier_convert", "espalier_publish")
# The prediction library links libc and libm only; the loader's own name varies by machine.
NEEDED = {"espalier": r"lib[cm]\.so\.\d+|ld-linux.*"}
# Never print, abort, exit, start threads or processes, or touch signals: the caller does.
FORBIDDEN = set("""abort exit _exit _Exit quick_exit printf vprintf puts putchar perror
    __printf_chk __vprintf_chk stdout stderr signal sigaction pthread_create thrd_create fork vfork
    system popen posix_spawn execve dlopen setenv putenv setlocale""".split())

# What is writable all the same, and how large: what the CPU can do, see docs/decisions/0028.
WRITABLE = {"cpu.c.o": 4}

# readelf -SW: number, name, type, address, offset, size
SECTION = re.compile(r"\s*\[ *\d+\] (\.t?data|\.t?bss)\s+\S+\s+\S+\s+\S+\s+(\S+)")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_exports(findings, path, *options):
    names = set()
    for line in run("nm", "--defined-only", "--format=posix", *options, str(path)).splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[1]) == 1 and fields[1] not in "Nn":
            names.add(fields[0])
    for name in sorted(names):
        if not name.startswith("espalier_"):
            findings.add(path.name, f"exports {name}")
    if not names:
        findings.add(path.name, "exports nothing")
    return len(names)


def check_needed(findings, path, library):
    pattern = NEEDED.get(library)
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", str(path))):
        if pattern and not re.fullmatch(pattern, name):
            findings.add(path.name, f"needs {name}")


def check_promises(findings, path):
    used = set()
    for line in run("nm", "--undefined-only", "--format=posix", str(path)).splitlines():
        used.update(line.split()[:1])
    for name in sorted(used & FORBIDDEN):
        findings.add(path.name, f"uses {name}")
    # No global state: nothing else that is writable outlives a call. Tables of pointers are
    # .data.rel.ro.
    member = ""
    for line in run("readelf", "-SW", str(path)).splitlines():
        if line.startswith("File:"):
            member = line.split("(")[-1].rstrip(")")
        match = SECTION.match(line)
        if match and int(match[2], 16) > WRITABLE.get(member, 0):
            findings.add(f"{path.name}({member})", f"{match[1]} holds {int(match[2], 16)} bytes")


def main():
    arguments = parse_arguments(__doc__)
    findings = Findings("symbols")
    if arguments.build is None:
        sys.exit("check_symbols: needs --build")
    count = 0
    for library in LIBRARIES:
        static = arguments.build / f"lib{library}.a"
        shared = arguments.build / f"lib{library}.so"
        if not static.is_file() or not shared.is_file():
            findings.add(library, f"is not built in {arguments.build.name}")
            continue
        count += check_exports(findings, shared, "-D")
        check_exports(findings, static, "-g")
        check_needed(findings, shared, library)
        check_promises(findings, static)
    findings.finish(f"{count} exported names")


if __name__ == "__main__":
    main()
