#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of what reads and checks model files: format/ read side, columns and tables,
the verifier. Every branch is taken by a test, or missing.tsv names it and says why.

    branch_coverage.py --build BUILD [--no-build] [--list]

Builds BUILD/coverage with gcc's instrumentation, runs the tests there that open models, and asks
gcov. Leaves with 1 when a branch is neither taken nor named, 77 without gcov. --list prints every
branch that is not taken, in the form of missing.tsv.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MISSING = pathlib.Path(__file__).with_name("missing.tsv")
PATTERNS = ("format/reader.c", "format/map.c", "format/checksum.c", "engine/category_lists.c",
            "engine/columns.c", "engine/cuts.c", "engine/feature_columns.c", "engine/names.c",
            "engine/prepare.c", "engine/tables*.c", "engine/text_check.c", "engine/verify*.c")
# What opens, checks and predicts; converters are not looked at here.
TESTS = ("test_categories", "test_column_edges", "test_cover", "test_format_duties",
         "test_format_rules", "test_hostile_cost", "test_hostile_model", "test_huge_model",
         "test_isa", "test_layouts_predict", "test_linear", "test_masks", "test_model",
         "test_open_ways", "test_output_edges", "test_predict", "test_predict_columns",
         "test_predict_pure", "test_prepare", "test_read_edges", "test_rest", "test_sets",
         "test_stage_models", "test_stages", "test_table_edges", "test_text_check",
         "test_verify_edges", "test_verify_golden", "test_verify_trees", "fault_mapped",
         "fault_open", "fault_pages", "fault_reads")
EXHAUST = ("--nth", "997", "--rounds", "5")


def run(command, where=ROOT, **more):
    result = subprocess.run(command, cwd=where, **more)
    if result.returncode not in (0, 77):
        sys.exit(f"coverage: failed: {' '.join(map(str, command))}")
    return result


def build_and_test(folder):
    flags = "-O0 -g0 --coverage -fprofile-update=atomic"
    with open(folder.with_suffix(".log"), "w", encoding="utf-8") as log:
        run(["cmake", "--preset", "debug", "-B", str(folder), f"-DCMAKE_C_FLAGS_DEBUG={flags}",
             "-DESPALIER_BUILD_BENCH=OFF", "-DESPALIER_INSTALL=OFF"], stdout=log, stderr=log)
        tests = [name for name in TESTS if any((ROOT / "tests").rglob(f"{name}.c"))]
        run(["cmake", "--build", str(folder), "--target", *tests, "exhaust"], stdout=log,
            stderr=log)
        for counts in folder.rglob("*.gcda"):
            counts.unlink()
        for name in tests:
            run([folder / "bin" / name], stdout=log, stderr=log, where=folder)
        run([folder / "bin" / "exhaust", *EXHAUST], stdout=log, stderr=log, where=folder)


def object_of(folder, source):
    return (folder / "CMakeFiles" / "espalier_objects.dir" / source.parent
            / f"{source.name}.gcda")


def branches(folder, source):
    """Yields (line number, function, branch number, taken) of a source file."""
    counts = object_of(folder, source)
    if not counts.exists():
        sys.exit(f"coverage: no counts of {source}: no test runs it")
    result = run(["gcov", "--json-format", "--branch-probabilities", "--stdout", str(counts)],
                 stdout=subprocess.PIPE)
    for text in result.stdout.splitlines():
        for unit in json.loads(text)["files"]:
            if pathlib.Path(unit["file"]).resolve() != (ROOT / source).resolve():
                continue
            for line in unit["lines"]:
                for number, branch in enumerate(line["branches"]):
                    if not branch["throw"]:
                        yield (line["line_number"], line.get("function_name", ""), number,
                               branch["count"] > 0)


def missing_of(folder, source):
    """The branches of a file that no test takes: {(file, function, text of the line): count}."""
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines()
    found = collections.Counter()
    total = 0
    for line, function, _, taken in branches(folder, source):
        total += 1
        if not taken:
            found[(str(source), function, lines[line - 1].strip())] += 1
    return found, total


def read_named():
    named = {}
    for line in MISSING.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            file, function, text, count, why = line.split("\t")
            if not why:
                sys.exit(f"coverage: missing.tsv says no reason: {line}")
            named[(file, function, text)] = int(count)
    return named


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--no-build", action="store_true", help="counts are there already")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    os.nice(10)
    if shutil.which("gcov") is None:
        print("coverage: skipped, no gcov")
        return 77
    folder = options.build.resolve() / "coverage"
    if not options.no_build:
        folder.parent.mkdir(parents=True, exist_ok=True)
        build_and_test(folder)
    sources = sorted({path.relative_to(ROOT) for pattern in PATTERNS
                      for path in ROOT.glob(pattern)})
    named = read_named()
    found = collections.Counter()
    total = 0
    for source in sources:
        missing, count = missing_of(folder, source)
        print(f"{str(source):28} {count:5} branches, {sum(missing.values()):3} not taken")
        found.update(missing)
        total += count
    code = 0
    for key in sorted(set(found) | set(named)):
        if options.list and key in found:
            print("\t".join((*key, str(found[key]), "")))
        if found.get(key, 0) > named.get(key, 0):
            print(f"coverage: {key[0]}: {key[1]}: {found[key]} not taken, {named.get(key, 0)} "
                  f"named: {key[2]}")
            code = 1
        elif found.get(key, 0) < named.get(key, 0):
            print(f"coverage: {key[0]}: {key[1]}: named in missing.tsv, and taken: {key[2]}")
    print(f"coverage: {total} branches of {len(sources)} files, {sum(found.values())} not taken, "
          f"{sum(min(found[k], named.get(k, 0)) for k in found)} of them named")
    return code


if __name__ == "__main__":
    sys.exit(main())
