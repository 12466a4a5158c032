#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What opening and predicting cost, in counts that no busy machine can blur.

    bench/count_costs.py [--update] BUILD

For a small seeded forest of each kind: instructions of opening it and of one row (callgrind, plain
C), bytes of the file and of a predictor, and the nodes, cache lines and pages that a row touches.
For sources of 10,000 stumps (convert/make_tiny_trees.py): instructions of reading and laying out by
bytes of the source, and the heap at its peak (massif) by the same, of the whole conversion.
Compares them with bench/costs.tsv. Instructions that differ by 5 % or more, up or down, and
anything else that differs by 1 % (heaps: 5 %), fail: a gain is written down with --update, like a
loss. The file holds the counts of gcc 12, release, x86-64; leaves with 77 (skipped) on anything
else.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KNOWN = Path(__file__).with_name("costs.tsv")
# layout, options of make_forest: a forest that is walked, and one of complete trees with codes.
FORESTS = (
    ("walk", ("--trees", "50", "--depth", "12")),
    ("mask", ("--trees", "60", "--depth", "6")),
)
TINY_TREES = 10000
FUNCTIONS = {"open": "espalier_model_open", "row": "espalier_predict"}


def skip(why):
    print(f"count_costs: skipped: {why}")
    sys.exit(77)


def check_build(build):
    """Leaves with 77 unless this build is the one whose counts are known."""
    names = ("count_target", "make_forest", "espalier")
    if not all((build / "bin" / name).exists() for name in names):
        skip(f"no benchmarks or no command in {build}")
    if shutil.which("valgrind") is None:
        skip("no valgrind")
    cache = (build / "CMakeCache.txt").read_text()
    settings = dict(re.findall(r"^(\w+):\w+=(.*)$", cache, re.MULTILINE))
    if os.uname().machine != "x86_64" or settings.get("CMAKE_BUILD_TYPE") != "Release":
        skip("not a release build for x86-64")
    if settings.get("ESPALIER_SANITIZER"):
        skip("a sanitizer is on")
    macros = run([settings["CMAKE_C_COMPILER"], "-dM", "-E", "-x", "c", os.devnull])
    if not re.search(r"__GNUC__ 12$", macros, re.MULTILINE) or "__clang__" in macros:
        skip("not gcc 12")


def run(command, **environment):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          env=dict(os.environ, **environment), check=False)
    if done.returncode != 0:
        sys.exit(f"count_costs: {command[0]}: {done.stderr.strip()}")
    return done.stdout


def count_calls(functions, command, out):
    """Instructions inside functions, and what the command printed."""
    printed = run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                   *(f"--toggle-collect={function}" for function in functions), *command],
                  LD_BIND_NOW="1")  # else the first calls would look up their names
    total = re.search(r"^(?:summary|totals): *(\d+)", out.read_text(), re.MULTILINE)
    return int(total[1]), printed


def count_instructions(build, model, rows, function, out):
    """Instructions inside a function, and how many rows were predicted."""
    count, predicted = count_calls([function], [build / "bin/count_target", model, rows], out)
    return count, int(predicted)


def count_forest(build, layout, options, work):
    """Yields (figure, number, tolerance)."""
    source, rows, model = work / "forest.joblib", work / "rows.npy", work / "forest.espalier"
    run([build / "bin/make_forest", "-o", source, "--rows", rows, *options,
         "--train-rows", "3000", "--row-count", "200"])
    run([build / "bin/espalier", "convert", source, "-o", model, "--layout", layout])
    for what, function in FUNCTIONS.items():
        count, row_count = count_instructions(build, model, rows, function, work / "out")
        yield f"{layout} {what}, instructions", count // (row_count if what == "row" else 1), 0.05
    yield f"{layout} file, bytes", model.stat().st_size, 0.01
    report = json.loads(run([build / "bin/espalier", "bench", model, "--rows", rows, "--seconds",
                             "0.01", "--threads", "1", "--json"], ESPALIER_ISA="scalar"))
    for kernel in report["kernels"]:
        if kernel["level"] == "scalar":
            yield f"{layout} predictor, bytes", kernel["predictor_bytes"], 0.01
    for what in ("nodes", "cache_lines", "pages"):
        yield f"{layout} row, {what}", report["visits_per_row"][what], 0.01


def count_tiny(build, work):
    """The same of sources whose cost is not in their nodes."""
    run([sys.executable, "-B", Path(__file__).parent / "convert/make_tiny_trees.py", work,
         TINY_TREES])
    for source in sorted(work.glob("stumps.*")):
        size = source.stat().st_size
        command = [build / "bin/espalier", "convert", source, "-o", work / "model.espalier"]
        count, _ = count_calls(("espalier_source_load_forest", "espalier_flatten_to"), command,
                               work / "out")
        yield f"{source.name} convert, instructions a byte", round(count / size, 2), 0.05
        run(["valgrind", "--tool=massif", f"--massif-out-file={work / 'heap'}", *command],
            ESPALIER_ISA="scalar")
        peak = max(int(heap) for heap in re.findall(r"^mem_heap_B=(\d+)",
                                                    (work / "heap").read_text(), re.MULTILINE))
        yield f"{source.name} convert, heap bytes a byte", round(peak / size, 3), 0.05


def main():
    arguments = sys.argv[1:]
    is_update = "--update" in arguments
    if is_update:
        arguments.remove("--update")
    if len(arguments) != 1:
        sys.exit(__doc__.split("\n\n")[1].strip())
    build = Path(arguments[0])
    check_build(build)
    figures = []
    for name, options in FORESTS:
        with tempfile.TemporaryDirectory() as folder:
            figures += count_forest(build, name, options, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        figures += count_tiny(build, Path(folder))
    if is_update:
        lines = ["# By bench/count_costs.py: gcc 12, release, x86-64, plain C."]
        lines += [f"{figure}\t{number:.10g}" for figure, number, _ in figures]
        KNOWN.write_text("\n".join(lines) + "\n")
    known = dict(line.split("\t") for line in KNOWN.read_text().splitlines() if line[:1] != "#")
    changed = sorted(set(known) - {figure for figure, _, _ in figures})
    for figure, number, tolerance in figures:
        before = float(known.get(figure, "nan"))
        is_same = abs(number - before) < tolerance * before
        print(f"{figure:42} {number:12,.10g}   known {before:12,.10g}{'' if is_same else '  !'}")
        if not is_same:
            changed.append(figure)
    if changed:
        sys.exit(f"count_costs: changed: {'; '.join(changed)}; if that is meant: "
                 "bench/count_costs.py --update BUILD, in the same commit")


if __name__ == "__main__":
    main()
