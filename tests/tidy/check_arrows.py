# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. The folder list is the architecture: arrows never point back.

Quoted includes are resolved as the compiler does (own folder, then include/, then the root) and
judged by the folder they land in; angle includes by what they are for.
"""

import re

from tree import ROOT, Findings, list_files, parse_arguments, read_lines

# The format knows nothing above it but the public status and error types (espalier.h).
FORMAT_WRITE = ("format/writer",)

# First matching prefix wins: files under it may include what starts with one of these.
ARROWS = (
    ("include/", ("include/",)),
    ("format/", ("format/", "include/espalier.h")),
    ("engine/", ("engine/", "include/espalier.h", "include/espalier_inspect.h",
                 "include/espalier_slot.h", "format/")),
    ("convert/", ("convert/", "include/", "format/")),
    ("publish/", ("publish/", "include/espalier.h", "include/espalier_publish.h", "format/")),
    ("cli/", ("cli/", "include/")),
    ("python/", ("python/", "include/")),
    ("examples/", ("examples/", "include/")),
    ("bench/bench_kernel", ("bench/", "include/", "engine/kernels/")),
    ("bench/", ("bench/", "include/")),
    ("tests/install/", ("tests/install/", "include/")),
    ("tests/bindings/", ("tests/bindings/",)),
    ("bindings/", ("bindings/",)),
    ("tests/", ("",)),
)
# The write side is compiled into the converter alone.
WRITER_USERS = ("format/writer", "convert/", "tests/")

C_STANDARD = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp
    signal stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath
    threads time uchar wchar wctype""".split()
POSIX = """byteswap dirent dlfcn endian fcntl fnmatch ftw getopt langinfo libgen malloc poll pthread
    sched semaphore strings termios ucontext unistd immintrin arm_neon cpuid x86intrin""".split()
# Foreign headers and the only places that may know them. A benchmark grows files of its own.
FOREIGN = (
    (r"xxhash\.h", ("format/", "convert/", "tests/", "bench/")),
    (r"sodium(/.*)?\.h", ("format/writer", "convert/", "publish/", "tests/", "bench/")),
    (r"jansson\.h", ("convert/", "cli/", "tests/")),
    (r"zlib\.h|bzlib\.h|lzma\.h|lz4[a-z]*\.h", ("convert/containers/", "convert/", "tests/")),
    (r"protobuf-c/.*\.h", ("convert/", "tests/")),
    (r"cmocka\.h", ("tests/",)),
    (r"benchmark/benchmark\.h", ("bench/",)),
    (r"(sanitizer|valgrind)/.*\.h", ("tests/", "bench/")),
    # As installed.
    (r"espalier(_convert|_inspect|_publish|_slot)?\.hp?p?",
     ("tests/install/", "tests/bindings/", "bindings/", "examples/")),
    (r"jni\.h", ("bindings/java/",)),
    (r"layout_list\.inc", ("bindings/rust/",)),  # written by the test that includes it
    (r"Python\.h", ("python/",)),
    (r"forest\.h", ("examples/embed/",)),  # as espalier embed writes it
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def resolve(name, target):
    for base in ((ROOT / name).parent, ROOT / "include", ROOT):
        path = (base / target).resolve()
        if path.is_file() and path.is_relative_to(ROOT):
            return str(path.relative_to(ROOT))
    return None


def check_quoted(findings, place, name, target):
    path = resolve(name, target)
    if path is None:
        findings.add(place, f'"{target}" is no file of this tree; foreign headers take <>')
        return
    for prefix, allowed in ARROWS:
        if name.startswith(prefix):
            if not path.startswith(allowed):
                findings.add(place, f"{prefix} may not include {path}")
            break
    else:
        findings.add(place, "this folder has no arrows; add it to check_arrows.py")
    if path.startswith(FORMAT_WRITE) and not name.startswith(WRITER_USERS):
        findings.add(place, f"{path} belongs to the write side")


def check_angle(findings, place, name, target):
    is_standard_cxx = "." not in target and name.endswith((".cc", ".hpp"))
    if name.startswith("include/") and not is_standard_cxx:
        if target.removesuffix(".h") not in C_STANDARD:
            findings.add(place, f"public headers include C standard headers only, not <{target}>")
        return
    for pattern, allowed in FOREIGN:
        if re.fullmatch(pattern, target):
            if not name.startswith(allowed):
                findings.add(place, f"<{target}> is not for this folder")
            return
    stem = target.removesuffix(".h")
    if stem in C_STANDARD or stem in POSIX or target.startswith(("sys/", "linux/", "asm/")):
        return
    if is_standard_cxx or ("." not in target and name.startswith(("bench/", "tests/"))
                           and not name.endswith(".c")):
        return  # a C++ standard header
    findings.add(place, f"<{target}> is unknown here; add it to check_arrows.py with a reason")


def main():
    parse_arguments(__doc__)
    findings = Findings("arrows")
    names = [name for name in list_files() if name.endswith((".c", ".h", ".cc", ".hpp", ".inc"))]
    count = 0
    for name in names:
        for number, line in enumerate(read_lines(name), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            count += 1
            check = check_quoted if match[1] == '"' else check_angle
            check(findings, f"{name}:{number}", name, match[2])
    findings.finish(f"{count} includes in {len(names)} files")


if __name__ == "__main__":
    main()
