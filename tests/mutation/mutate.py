#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of the verifier and the reader: small changes of the source, one at a time, each
of which a test must notice. One that all tests pass is a missing test, or changes nothing that can
be seen: then known.tsv names it with the reason.

    mutate.py --build BUILD [--file FILE]... [--nth N] [--seconds N] [--jobs N] [--list]
              [--report FILE] [--again FILE]

BUILD/release must be built with tests. All mutants of a file are compiled into one object
(schemata.py), which the tests are linked with once; what stands outside functions is compiled and
linked by itself. A first run without mutants records what each test enters and how long it takes;
then each mutant runs the tests that enter its function, those that found most in this file for
their time first, until one fails. --nth takes one mutant of N, --again those that a report says are
alive, --seconds ends the run in time and says what is left. --report gets a line for every mutant.
Leaves with 1 when a mutant lives that is not known.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time

import mutants as text
import schemata

ROOT = pathlib.Path(__file__).resolve().parents[2]
KNOWN = pathlib.Path(__file__).with_name("known.tsv")
PATTERNS = ("engine/verify*.c", "engine/tables*.c", "engine/category_lists.c", "engine/names.c",
            "engine/text_check.c", "format/reader.c", "format/checksum.c", "format/store_link.c",
            "publish/sign.c")
TESTS = (("test_format_rules",), ("test_verify_edges",), ("test_verify_golden",),
         ("test_verify_trees",), ("test_model",), ("test_sets",),
         ("test_prepare",), ("test_open_ways",), ("test_masks",), ("test_format_duties",),
         ("test_stages",), ("test_stage_models",), ("test_publish",), ("test_hostile_cost",),
         ("test_table_edges",),
         ("test_output_edges",), ("test_read_edges",), ("test_linear",), ("test_categories",),
         ("test_text_check",), ("test_predict_columns",), ("test_column_edges",), ("test_cover",),
         ("fault_open",), ("fault_reads",), ("exhaust", "--nth", "5999", "--rounds", "0"))
# What is about finished files has tests of its own, which are no others'.
PUBLISHED = ("format/store_link.c", "publish/sign.c")
PUBLISHED_TESTS = (("test_sign",), ("test_slot",), ("fault_store",), ("fault_swap",),
                   ("test_store",))
PASSED = (0, 77)
FAILED_LINE = b"[  FAILED  ]"  # cmocka's, of one test of many
# Processor time, so that a busy machine kills no mutant: so many times what the test takes without
# one, and some seconds. And the end of one that sleeps for ever.
TIMES, MORE_SECONDS = 5, 5
WALL_SECONDS = 1800


def seconds_of_children():
    used = os.times()
    return used.children_user + used.children_system


def run_test(binary, arguments, folder, limit, number=-1, reached=None):
    """Whether a test passes; at its first failure it is ended, with all that it started."""
    environment = {**os.environ, "ESPALIER_MUTANT": str(number)}
    if reached is not None:
        environment["ESPALIER_MUTANT_REACHED"] = str(reached)
    limited = ["sh", "-c", 'ulimit -t "$0" && exec "$@"', str(limit), str(binary), *arguments]
    with subprocess.Popen(limited, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        alarm = threading.Timer(WALL_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        alarm.start()
        failed = any(FAILED_LINE in line for line in process.stdout)
        if failed:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        alarm.cancel()
    return not failed and code in PASSED


class Bench:
    """Compiles changed sources as the build does, and links tests with them in front of the
    libraries."""

    def __init__(self, build, work):
        self.build = build
        self.work = work
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        self.commands = {os.path.relpath(entry["file"], ROOT): entry for entry in entries}
        self.links = {}

    def link_words(self, name):
        if name not in self.links:
            lines = subprocess.run(
                ["ninja", "-C", str(self.build), "-t", "commands", f"bin/{name}"],
                capture_output=True, text=True, check=False).stdout.splitlines()
            line = ([row for row in lines if f"-o bin/{name}" in row] or [None])[-1]
            if line is None:
                sys.exit(f"mutate: {name} is not built in {self.build}")
            self.links[name] = [word for word in shlex.split(line) if word not in (":", "&&")]
        return list(self.links[name])

    def compile(self, file, changed_text, out):
        """The compiler's messages; empty: the object is there."""
        changed = out.with_suffix(".c")
        changed.write_text(changed_text, encoding="utf-8")
        entry = self.commands[file]
        words = [word for word in shlex.split(entry["command"]) if not word.endswith("ccache")]
        words[words.index("-o") + 1] = str(out)
        words[words.index("-c") + 1] = str(changed)
        words += ["-w", "-O1", "-fno-lto", f"-I{(ROOT / file).parent}"]
        result = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True)
        return "" if result.returncode == 0 else result.stderr or "no compiler"

    def link(self, name, objects, folder):
        words = self.link_words(name)
        out = folder / name
        words[words.index("-o") + 1] = str(out)
        first = next(i for i, word in enumerate(words) if word.endswith(".o"))
        words[first:first] = map(str, objects)
        linked = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        if linked.returncode != 0:
            sys.exit(f"mutate: linking {name}: {linked.stderr}")
        return out


class Tests:
    """The test programs with every mutant inside, what they enter, and how they did so far."""

    def __init__(self, bench, objects, function_count):
        self.bench = bench
        self.objects = objects
        self.function_count = function_count
        self.binaries = {}
        self.seconds = {}
        self.reached = {}
        self.kills = collections.Counter()
        self.lock = threading.Lock()

    def record(self, test):
        """Links a test, runs it without a mutant, and keeps which functions it entered."""
        self.binaries[test] = self.bench.link(test[0], self.objects, self.bench.work)
        marks = self.bench.work / "reached"
        marks.write_bytes(bytes(max(self.function_count, 1)))
        before = seconds_of_children()
        with tempfile.TemporaryDirectory(dir=self.bench.work) as folder:
            if not run_test(self.binaries[test], test[1:], folder, 600, reached=marks):
                sys.exit(f"mutate: {test[0]} fails without a mutant")
        self.seconds[test] = seconds_of_children() - before
        self.reached[test] = marks.read_bytes()

    def limit(self, test):
        return int(self.seconds[test] * TIMES) + MORE_SECONDS

    def in_order(self, mutant):
        """The tests that can notice a mutant, the most promising first."""
        def promise(test):
            return (self.kills[mutant.file, test] + 0.1) / (self.seconds[test] + 0.02)
        own = [test for test in tests_of(mutant.file)
               if mutant.place is None or self.reached[test][mutant.place]]
        with self.lock:
            return sorted(own, key=promise, reverse=True)

    def killer(self, mutant, alone):
        """The name of the first test that a mutant fails; alone: its own object, else inside."""
        for test in self.in_order(mutant):
            with tempfile.TemporaryDirectory(dir=self.bench.work) as folder:
                folder = pathlib.Path(folder)
                binary = self.binaries[test]
                if alone is not None:
                    others = [one for one in self.objects if one.stem != alone.stem.split("@")[0]]
                    binary = self.bench.link(test[0], [alone, *others], folder)
                if not run_test(binary, test[1:], folder, self.limit(test), mutant.number):
                    with self.lock:
                        self.kills[mutant.file, test] += 1
                    return test[0]
        return None


class Mutant:
    """One change; place: of its function among all, None outside functions. Its key tells it from
    others by its function and its line's text, so that moving the function changes nothing;
    alike lines of one function are numbered from the second on."""

    def __init__(self, number, file, source, change, place, function):
        self.number = number
        self.file = file
        self.source = source
        self.change = change
        self.place = place
        self.line, self.before, self.after = text.describe(source, change)
        self.key = (file, function, self.before, self.after)
        self.compiles = True

    def changed_text(self):
        start, end, replacement = self.change
        return self.source[:start] + replacement + self.source[end:]


def tests_of(file):
    return PUBLISHED_TESTS if file in PUBLISHED else TESTS


def read_known():
    known = {}
    for line in KNOWN.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            *key, why = line.split("\t")
            known[tuple(key)] = why
    return known


def all_files():
    return sorted({str(path.relative_to(ROOT)) for pattern in PATTERNS
                   for path in ROOT.glob(pattern)})


def stale_keys(known, found):
    keys = {one.key for one in found}
    return [key for key in known if key not in keys]


def read_alive(report):
    rows = [line.split("\t") for line in report.read_text(encoding="utf-8").splitlines()]
    return {(row[1], *row[3:6]) for row in rows if row[0] == "alive"}


def is_taken(file, change, nth):
    digest = hashlib.sha256(f"{file}:{change}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % nth == 0


def all_mutants(files, nth):
    """({file: its functions}, [Mutant]); a function's place counts over all files."""
    functions, found, places = {}, [], 0
    alike = collections.Counter()
    for file in files:
        source = (ROOT / file).read_text(encoding="utf-8")
        functions[file] = text.functions_of(source)
        for change in text.mutants_of(source):
            inside = [(places + i, function.name) for i, function in enumerate(functions[file])
                      if function.body < change[0] < function.end]
            place, function = inside[0] if inside else (None, "-")
            key = (file, function, *text.describe(source, change)[1:])
            alike[key] += 1
            if alike[key] > 1:
                function += f"#{alike[key]}"
            if is_taken(file, change, nth):
                found.append(Mutant(len(found), file, source, change, place, function))
        places += len(functions[file])
    return functions, found


def build_objects(bench, functions, chosen):
    """The objects with all mutants inside; marks those that do not compile."""
    objects, first_place = [], 0
    for file, own_functions in functions.items():
        own = [one for one in chosen if one.file == file and one.place is not None]
        out = bench.work / f"{pathlib.Path(file).stem}.o"
        source = (ROOT / file).read_text(encoding="utf-8")
        refused = schemata.build(
            lambda changed, file=file, out=out: bench.compile(file, changed, out), source,
            own_functions, [(one.number, one.place - first_place, one.change) for one in own],
            first_place)
        for one in own:
            one.compiles = one.number not in refused
        objects.append(out)
        first_place += len(own_functions)
    objects.append(schemata.compile_runtime(bench.work, first_place))
    return objects, first_place


def try_mutant(tests, mutant):
    """(what became of it, by which test)."""
    if mutant.compiles and mutant.place is not None:
        killer = tests.killer(mutant, None)
        return ("killed", killer) if killer else ("alive", "-")
    if mutant.compiles:
        alone = tests.bench.work / f"{pathlib.Path(mutant.file).stem}@{mutant.number}.o"
        if not tests.bench.compile(mutant.file, mutant.changed_text(), alone):
            killer = tests.killer(mutant, alone)
            return ("killed", killer) if killer else ("alive", "-")
    return "not compiled", "-"


def try_all(tests, chosen, options, report):
    counts = collections.Counter()
    start = time.monotonic()

    def attempt(mutant):
        if options.seconds and time.monotonic() - start > options.seconds:
            return mutant, "left", "-"
        return mutant, *try_mutant(tests, mutant)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, what, killer in pool.map(attempt, chosen):
            counts[what] += 1
            row = (what, mutant.file, mutant.line, *mutant.key[1:], killer)
            if report:
                print(*row, sep="\t", file=report, flush=True)
            if what == "alive":
                print(*row[:-1], sep="\t", flush=True)
    return counts


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--file", action="append")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--again", type=pathlib.Path)
    return parser.parse_args()


def main():
    options = parse()
    files = options.file or all_files()
    functions, chosen = all_mutants(files, options.nth)
    known = {key: why for key, why in read_known().items()
             if key[0] in files or not options.file}
    stale = stale_keys(known, chosen)
    if stale and options.nth == 1:
        sys.exit("mutate: known.tsv names what is no mutant any more: " +
                 "; ".join(" -> ".join(key) for key in stale))
    if options.again:
        alive = read_alive(options.again)
        chosen = [one for one in chosen if one.key in alive]
    if options.list:
        for one in chosen:
            print(one.file, one.line, *one.key[1:], known.get(one.key, ""), sep="\t")
        return 0
    wanted = [one for one in chosen if one.key not in known]
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.build.resolve() / "release", pathlib.Path(work))
        tests = Tests(bench, *build_objects(bench, functions, wanted))
        for test in dict.fromkeys(test for file in files for test in tests_of(file)):
            tests.record(test)
            print(f"mutate: {test[0]}: {tests.seconds[test]:.2f} s, enters "
                  f"{sum(tests.reached[test])} of {tests.function_count} functions", flush=True)
        report = options.report.open("a", encoding="utf-8") if options.report else None
        counts = try_all(tests, wanted, options, report)
    counts["known"] = len(chosen) - len(wanted)
    print(f"mutate: {len(chosen)} mutants: "
          + ", ".join(f"{counts[what]} {what}" for what in
                      ("killed", "not compiled", "known", "alive", "left")))
    return 1 if counts["alive"] else 0


if __name__ == "__main__":
    sys.exit(main())
