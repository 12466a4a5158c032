# SPDX-License-Identifier: Apache-2.0
"""Compiles and runs the programs at the heads of the public headers, which the reference shows too.

    python3 tests/docs/run_headers.py --build BUILD

Each is the indented lines of a header's first comment. What a program needs around it stands in
FRAMES; a header whose head has indented lines and no frame is an error. The library and the command
are those of BUILD; the model is the tutorial's forest. Standard library only.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOREST = ROOT / "tests" / "fixtures" / "sklearn-1.4.2" / "random_forest_model.pkl"
SECONDS_MAX = 300
C_HEAD = """#include <espalier_slot.h>
#include <stdio.h>
static int fail(const char *text) { return fprintf(stderr, "%s\\n", text), 1; }
int main(void)
{
    espalier_status status;
"""
SLOT_HEAD = """
    espalier_slot *slot;
    espalier_reader *reader;
    espalier_lease lease;
    espalier_slot_state state;
    espalier_error error;
    const float x[4] = {6.3f, 2.5f, 4.9f, 1.5f};
    double probability[3];
    const espalier_output_kind kind = ESPALIER_OUTPUT_PROBABILITY;
    const espalier_rows rows = espalier_rows_float32(x, 1, 4);
    espalier_outputs outputs = {.data = probability, .data_bytes = sizeof probability};
"""
CPP_HEAD = """#include <espalier_slot.hpp>
#include <cstdio>
[[maybe_unused]] static void log(const char *text, std::uint64_t feature)
{
    std::printf("%s %u\\n", text, unsigned(feature));
}
int main()
{
"""
CPP_ROW = """
    const float x[4] = {6.3f, 2.5f, 4.9f, 1.5f};
    const auto row = espalier::rows::one(x);
"""
# Header: what stands before its program, and behind it; the program's exit code has to be 0.
FRAMES = {
    "espalier.h": (C_HEAD, "return status != ESPALIER_OK || outputs.rows_written != 1; }"),
    "espalier_slot.h": (C_HEAD + SLOT_HEAD, """
    status = espalier_slot_unregister(reader);
    return status != ESPALIER_OK || espalier_slot_close(slot) != ESPALIER_OK ||
           outputs.rows_written != 1 || state.version != 1 ? fail(error.message) : 0; }"""),
    "espalier.hpp": (CPP_HEAD, "return !done || p.size() != 3 || p[0] != out[0]; }"),
    "espalier_slot.hpp": (CPP_HEAD + CPP_ROW, "return p.size() != 3; }"),
}
LISTINGS = ("espalier_publish.h",)  # what is indented there is a folder's contents, no program


def read_program(path):
    """The indented lines of the header's first comment."""
    comment = re.search(r"/\*(.*?)\*/", path.read_text(encoding="utf-8"), re.DOTALL)[1]
    rows = re.findall(r"^ \*(?:     (.*)|)$", comment, re.MULTILINE)
    return "\n".join(rows).strip()


def run(*command, **options):
    done = subprocess.run([str(one) for one in command], check=False, timeout=SECONDS_MAX,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError("%s\n%s" % (" ".join(map(str, command)), done.stdout))


def run_program(header, text, build, folder):
    before, after = FRAMES[header.name]
    is_c = header.suffix == ".h"
    source = folder / (header.stem + (".c" if is_c else ".cc"))
    source.write_text(before + text + "\n" + after, encoding="utf-8")
    compiler = ("cc", "-std=c11") if is_c else ("c++", "-std=c++17")
    program = source.with_suffix(".program")
    run(*compiler, "-Wall", "-Wextra", "-Werror", "-I", ROOT / "include", source,
        build / "libespalier.a", "-lm", "-pthread", "-o", program)
    run(program, cwd=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    build = parser.parse_args().build.resolve()
    failed = count = 0
    with tempfile.TemporaryDirectory(prefix="espalier-headers-") as work:
        folder, espalier = pathlib.Path(work), build / "bin" / "espalier"
        run(espalier, "convert", FOREST, "-o", folder / "forest.espalier")
        for store in ("models", "store"):
            run(espalier, "store", "publish", folder / store, folder / "forest.espalier")
        for header in sorted((ROOT / "include").iterdir()):
            text = read_program(header)
            if not text or header.name in LISTINGS:
                continue
            count += 1
            try:
                if header.name not in FRAMES:
                    raise RuntimeError("a program, and no frame for it")
                run_program(header, text, build, folder)
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                failed += 1
                print(f"FAILED {header.relative_to(ROOT)}: {problem}")
    missing = len(FRAMES) - count
    print(f"headers: {count} programs run, {failed + max(missing, 0)} failed")
    sys.exit(1 if failed or missing > 0 else 0)


if __name__ == "__main__":
    main()
