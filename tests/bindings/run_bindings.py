# SPDX-License-Identifier: Apache-2.0
"""Runs every binding on real fixtures and compares bit for bit with the command.

    python3 tests/bindings/run_bindings.py --espalier PATH --work DIR --program NAME=COMMAND ...

Each program is one binding's `jobs` (C++: jobs.cc here; the others beside their binding): it reads
a file with one job a line, fields between tabs,

    model  rows  f4|f8|i8|text  row count  feature count  C|F|1|T|N|S|W  kind  A:B|-  out

where `rows` are raw little-endian numbers, row after row (C), column after column (F), or row after
row and each predicted by a call of its own (1). Of T they lie as of F, and every feature is a
column of its own; of text they are lines with commas between, features with categories are columns
of strings and an empty field is missing. N is T, of columns that stand for rows of a dtype which
they are not: of float64 if they are float32, else of float32. Whole numbers (i8) come in columns
alone. S: a reader of a slot of the model predicts rows as of C.
W: nothing is predicted; of each row as of C the values that nodes compare are asked for, every tree
is walked with them from node to node, and the numbers of the leaves are written, as of kind leaf.
Kind is a kind of output, or `info`, `cover` or `verify`.
For each job it prints one line,

    ok       dtype  width                        and writes raw outputs (of class: labels as text)
    refused  status  rows written  row  feature  and writes the rows before
    failed   status  errno  offset  rule  message
    info     features  trees  default output  digest  feature names...   and writes the metadata
    cover    unit                                and writes "value bits" a line, of covers not 0
    verified

Expected answers come from the command; every program must give them, and all the same lines.
Standard library only. Exit 1 if anything differs or nothing ran.
"""
import argparse
import collections
import concurrent.futures
import errno
import json
import os
import re
import shlex
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "interop"))
import run_fixtures  # noqa: E402  (the manifest and .npy files)

# Newest and old trainers; of each folder one model of every estimator and every few more, and what
# takes text.
FOLDERS = ("sklearn-1.9.1", "sklearn-0.22.2.post1", "boosting-1.9.1", "boosting-0.24.2",
           "ensembles-1.9.1", "lightgbm-4.7.0", "lightgbm-2.2.3", "xgboost-3.4.1", "xgboost-1.0.2",
           "boosted-3.4.1-4.7.0", "pipelines-1.9.1", "categories-1.9.1", "starts-1.9.1")
EVERY = 16
ESTIMATOR_MAX = 2
SECONDS_MAX = 120
OFFSET_NONE = 2 ** 64 - 1

# A whole number that is 2^60 + 2^37 as float32, but 2^60 by way of float64, and XGBoost's model of
# one tree, whose root goes left below 2^60 + 2^37.
NEAR = 2 ** 60 + 2 ** 36 + 1
NEAR_ROWS = ((2 ** 60, 3), (NEAR, 3), (2 ** 60 + 2 ** 37, -1), (-NEAR, 0), (5, 2 ** 62))
NEAR_TREE = {
    "base_weights": [0, -1, 1], "categories": [], "categories_nodes": [], "categories_segments": [],
    "categories_sizes": [], "default_left": [0, 0, 0], "id": 0, "left_children": [1, -1, -1],
    "loss_changes": [1, 0, 0], "parents": [2 ** 31 - 1, 0, 0], "right_children": [2, -1, -1],
    "split_conditions": [2.0 ** 60 + 2.0 ** 37, -1.5, 2.5], "split_indices": [0, 0, 0],
    "split_type": [0, 0, 0], "sum_hessian": [5, 3, 2], "tree_param": {
        "num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"}}
NEAR_MODEL = {"version": [3, 0, 5], "learner": {
    "attributes": {}, "feature_names": ["id", "count"], "feature_types": ["int", "int"],
    "gradient_booster": {"name": "gbtree", "model": {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
        "iteration_indptr": [0, 1], "tree_info": [0], "trees": [NEAR_TREE]}},
    "learner_model_param": {"base_score": "0E0", "boost_from_average": "1", "num_class": "0",
                            "num_feature": "2", "num_target": "1"},
    "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}}}
# A row at a threshold of this pipeline, whose scaler computes in the dtype of the rows.
SCALED = "pipelines-1.9.1/scaled.joblib"
SCALED_ROWS = ((-0.35882896184921265, 10060.3466796875, -0.0016647885786369443, 2.5,
                0.20000000298023224, 0.4999999403953552, -1.5, 1.0),)
CODES = {"<f4": "f", "<f8": "d", "<i8": "q"}  # of dtypes, as struct has them

Job = collections.namedtuple("Job", "model rows dtype row_count feature_count order kind "
                                    "iterations out")
# line: what the program prints, as a prefix; data: bytes of its output, or None
Expected = collections.namedtuple("Expected", "line data")


def choose(lines):
    seen = collections.Counter()
    chosen = []
    for index, line in enumerate(lines):
        folder = line.path.split("/")[0]
        if folder not in FOLDERS or line.refused != "-":
            continue
        key = (folder, line.estimator)
        seen[key] += 1
        if seen[key] <= ESTIMATOR_MAX or index % EVERY == 0 or ".csv" in line.cases:
            chosen.append(line)
    return chosen


class Maker:
    """Makes jobs of one fixture, and the answers that the command gives."""

    def __init__(self, espalier, work, line, number):
        self.espalier = espalier
        self.line = line
        self.folder = os.path.join(work, "case-%03d" % number)
        self.jobs = []
        self.told = set()  # dtypes of columns that answer otherwise when they stand for another
        self.default = None  # the kind of the trainer's own predict
        self.count = 0
        os.makedirs(self.folder)

    def run(self, *arguments):
        done = subprocess.run([self.espalier, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX,
                              check=False)
        return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self):
        source = os.path.join(os.path.dirname(run_fixtures.MANIFEST), *self.line.path.split("/"))
        select = [] if self.line.select == "-" else ["--select", self.line.select]
        model = self.convert(source, *select)
        for rows, wanted in run_fixtures.parse_cases(self.line.cases):
            for name in rows:
                path = os.path.join(os.path.dirname(source), name)
                if name.endswith(".csv"):
                    self.add_texts(model, path, wanted)
                    continue
                array = run_fixtures.read_npy(path)
                if array.descr in ("<f4", "<f8") and len(array.shape) == 2:
                    self.add_rows(model, path, array, wanted)
        if self.line.path == SCALED:
            self.add_edge(model, "probability", SCALED_ROWS, "<f4", "<f4", "<f8")
        return self.jobs

    def make_near(self):
        source = self.path("near.json")
        with open(source, "w", encoding="utf-8") as file:
            json.dump(NEAR_MODEL, file)
        self.add_edge(self.convert(source), "value", NEAR_ROWS, "<i8", "<f8", "<i8")
        return self.jobs

    def add_edge(self, model, kind, rows, descr, plain, other):
        """Columns of which it shows whether they stand for another dtype; plain and other: of the
        rows for which the command gives the answers."""
        row_count, feature_count = shape = len(rows), len(rows[0])
        array = run_fixtures.Array(descr, shape, [one for row in rows for one in row])
        by_column = [one for column in zip(*rows) for one in column]
        common = dict(model=model, rows=self.path("edge"), dtype=descr[1:], row_count=row_count,
                      feature_count=feature_count, kind=kind, iterations="-")
        with open(common["rows"], "wb") as file:
            file.write(struct.pack("<%d%s" % (len(by_column), CODES[descr]), *by_column))
        for order, dtype in (("T", plain), ("N", other)):
            write_npy(self.path("edge.npy"), array._replace(descr=dtype), row_count)
            self.add(self.answer(model, self.path("edge.npy"), kind), order=order, **common)
        (_, as_plain), (_, as_other) = self.jobs[-2:]
        if as_plain != as_other:
            self.told.add(common["dtype"])

    def convert(self, source, *options):
        model = self.path("model.espalier")
        code, _, said = self.run("convert", source, "-o", model, *options)
        if code != 0:
            raise run_fixtures.Failure("%s: %s" % (source, said))
        self.add_info(model)
        return model

    def add(self, expected, **fields):
        out = self.path("out-%d" % self.count)
        self.count += 1
        self.jobs.append((Job(out=out, **fields), expected))

    def add_info(self, model):
        code, said, error = self.run("info", model, "--json")
        if code != 0:
            raise run_fixtures.Failure(error)
        info = json.loads(said)
        # The number of the default output is all that the command does not say.
        self.default = info["predict_output"]
        self.is_one_part = info["part_count"] == 1
        names = info["feature_names"] or [""] * info["feature_count"]
        pattern = r"info\t%d\t%d\t[0-9]+\t%s%s$" % (
            info["feature_count"], info["tree_count"], info["digest"],
            "".join(r"\t" + re.escape(name) for name in names))
        empty = dict(rows="-", dtype="-", row_count=0, feature_count=0, order="-", iterations="-")
        self.add(Expected(pattern, None), model=model, kind="info", **empty)
        self.add(Expected("verified", None), model=model, kind="verify", **empty)
        cover = info["cover"] or {"unit": "none", "values": {}}
        lines = ["%s %d\n" % (value, struct.unpack("<Q", struct.pack("<d", number))[0])
                 for value, number in cover["values"].items()]
        unit = ("none", "rows", "weights", "hessians").index(cover["unit"])
        self.add(Expected(r"cover\t%d$" % unit, "".join(lines).encode()), model=model, kind="cover",
                 **empty)

    def add_rows(self, model, path, array, wanted):
        narrow = array.descr == "<f4"
        code = CODES[array.descr]
        row_count, feature_count = array.shape
        by_column = [array.items[i::feature_count] for i in range(feature_count)]
        layouts = {"C": array.items, "F": [one for column in by_column for one in column]}
        for order, items in layouts.items():
            with open(self.path("rows-%d-%s" % (self.count, order)), "wb") as file:
                file.write(struct.pack("<%d%s" % (len(items), code), *items))
                layouts[order] = file.name
        layouts.update({"1": layouts["C"], "T": layouts["F"], "S": layouts["C"],
                        "W": layouts["C"]})
        common = dict(model=model, dtype="f4" if narrow else "f8", row_count=row_count,
                      feature_count=feature_count)
        if isinstance(wanted, str):
            self.add(self.refused(model, path, array), rows=layouts["C"], order="C",
                     kind=self.default, iterations="-", **common)
            return
        for named in wanted:
            kind, _, iterations = named.strip("~").partition("@")
            expected = self.answer(model, path, kind, iterations)
            orders = "C" if iterations else "CF1TS" if kind == self.default else "CF1T"
            orders += "W" if kind == "leaf" and self.is_one_part and not iterations else ""
            for order in orders:
                self.add(expected, rows=layouts[order], order=order, kind=kind,
                         iterations=iterations or "-", **common)
            if kind == self.default and not iterations and not narrow:
                self.add_narrow(model, array, expected, dict(common, kind=kind, iterations="-",
                                                             rows=layouts["T"]))

    def add_narrow(self, model, array, expected, common):
        """Columns of float64 that stand for rows of float32; expected: of float64."""
        path = self.path("narrow.npy")
        narrow = array._replace(descr="<f4")
        try:
            write_npy(path, narrow, array.shape[0])
        except OverflowError:
            return  # some are beyond float32
        try:
            rounded = self.answer(model, path, common["kind"])
        except run_fixtures.Failure:  # a category's number that float32 does not have
            rounded = self.refused(model, path, narrow)
        self.add(rounded, order="N", **common)
        if rounded != expected:
            self.told.add("f8")

    def add_texts(self, model, path, wanted):
        """Rows with text in them, and no quotes."""
        with open(path, encoding="utf-8") as file:
            rows = [line.split(",") for line in file.read().splitlines()]
        common = dict(model=model, rows=path, dtype="text", row_count=len(rows),
                      feature_count=len(rows[0]), order="T", iterations="-")
        if isinstance(wanted, str):
            self.add(self.refused(model, path, None), kind=self.default, **common)
            return
        for kind in (named.strip("~") for named in wanted):
            self.add(self.answer(model, path, kind), kind=kind, **common)

    def answer(self, model, path, kind, iterations=""):
        out = self.path("answer.npy")
        options = ["--iterations", iterations] if iterations else []
        code, _, said = self.run("predict", model, path, "--output", kind, *options, "-o", out)
        if code != 0:
            raise run_fixtures.Failure("%s: %s" % (model, said))
        return Expected("ok", to_data(kind, run_fixtures.read_npy(out)))

    def refused(self, model, path, array):
        """The command's refusal, and its answer for the rows before."""
        kind = self.default
        code, _, said = self.run("predict", model, path, "--output", kind, "-o",
                                 self.path("refused.npy"))
        place = re.search(r"row (\d+)\)?, feature (\d+)", said)
        if code == 1 and place is None:
            return Expected(r"refused\tESPALIER_ERROR_FEATURE_COUNT\t0\t", b"")
        if code != 1:
            raise run_fixtures.Failure("%s is not refused" % path)
        row, feature = int(place.group(1)), int(place.group(2))
        reason = said[place.end():]  # behind the file's name, which may say anything
        status = ("MISSING" if "missing" in reason else
                  "CATEGORY" if "categories" in reason else "INFINITE")
        data = b""
        if row > 0:
            before = self.path("before.csv" if array is None else "before.npy")
            if array is None:
                write_lines(before, path, row)
            else:
                write_npy(before, array, row)
            data = self.answer(model, before, kind).data
        return Expected(r"refused\tESPALIER_ERROR_%s\t%d\t%d\t%d$" % (status, row, row, feature),
                        data)


def write_lines(path, source, count):
    with open(source, encoding="utf-8") as file, open(path, "w", encoding="utf-8") as out:
        out.writelines(line for _, line in zip(range(count), file))


def write_npy(path, array, row_count):
    width = array.shape[1]
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }" % (array.descr, row_count,
                                                                            width)
    text += " " * (-(11 + len(text)) % 64) + "\n"
    items = array.items[:row_count * width]
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode())
        file.write(struct.pack("<%d%s" % (len(items), CODES[array.descr]), *items))


def to_data(kind, array):
    """What a program writes for this answer."""
    if kind == "class":
        return "".join("%s\n" % label_text(array.descr, one) for one in array.items).encode()
    if kind == "leaf":
        return struct.pack("<%dq" % len(array.items), *array.items)
    return struct.pack("<%d%s" % (len(array.items), "f" if array.descr == "<f4" else "d"),
                       *array.items)


def label_text(descr, value):
    kind = descr[1]
    if kind == "f":
        return "f %d" % struct.unpack("<Q", struct.pack("<d", value))
    if kind == "b":
        return "b %d" % value
    return "%s %s" % ({"i": "i", "u": "u", "U": "s"}[kind], value)


def damaged_jobs(work, model):
    """Files that are no models any more: (job, what every program must say)."""
    with open(model, "rb") as file:
        good = file.read()
    hole = bytearray(good)
    hole[len(good) // 2] ^= 0x10
    header = bytearray(good)
    header[24] ^= 1
    files = {"text": b"forest\n", "empty": b"", "half": good[:len(good) // 2],
             "header": bytes(header), "hole": bytes(hole), "longer": good + b"\0"}
    for name, data in files.items():
        with open(os.path.join(work, "damaged-" + name), "wb") as file:
            file.write(data)
    common = dict(rows="-", dtype="-", row_count=0, feature_count=0, order="-", iterations="-")
    wanted = {"text": "NOT_A_MODEL", "empty": "NOT_A_MODEL", "half": "TRUNCATED",
              "header": "[A-Z_]+", "longer": "[A-Z_]+", "none": "OPEN", "hole": "CHECKSUM"}
    for name, status in wanted.items():
        path = os.path.join(work, "damaged-" + name)
        # What only a check of the whole file finds is said of the model; else the file is named.
        pattern = r"failed\tESPALIER_ERROR_(%s)\t%d\t\d+\t\d+\t.*%s" % (
            status, errno.ENOENT if name == "none" else 0,
            "checksum" if name == "hole" else "damaged-" + name)
        job = Job(model=path, kind="verify", out=os.path.join(work, "out-" + name), **common)
        yield job, Expected(pattern, None)


def check_said(espalier, job, line):
    """A failure's message is the command's own."""
    fields = line.split("\t")
    if job.model.endswith("hole"):
        return None  # the command looks at digests first
    done = subprocess.run([espalier, "verify", job.model], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False, timeout=SECONDS_MAX)
    said = done.stderr.decode("utf-8", "replace").strip()
    return None if len(fields) == 6 and fields[5] in said else "the command says: " + said


def run_program(name, command, work, jobs):
    """The lines that a program prints."""
    listed = os.path.join(work, name + ".jobs")
    with open(listed, "w", encoding="utf-8") as file:
        for job, _ in jobs:
            renamed = job._replace(out=job.out + "." + name)
            file.write("\t".join(str(field) for field in renamed) + "\n")
    done = subprocess.run([*shlex.split(command), listed], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS_MAX,
                          check=False)
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if done.returncode != 0 or len(lines) != len(jobs):
        error = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        raise run_fixtures.Failure("%s: exit code %d after %d of %d jobs: %s" % (
            name, done.returncode, len(lines), len(jobs), error))
    return lines


def check_program(name, lines, first, jobs):
    """Failures of one program, as texts."""
    for line, one_of_first, (job, expected) in zip(lines, first, jobs):
        where = "%s: %s of %s (%s, order %s)" % (name, job.kind, job.model,
                                                 os.path.basename(job.rows), job.order)
        if not re.match(expected.line, line):
            yield "%s: %r, expected %r" % (where, line, expected.line)
        elif line != one_of_first:
            yield "%s: %r, the first program says %r" % (where, line, one_of_first)
        elif expected.data is not None or job.kind == "info":
            with open(job.out + "." + name, "rb") as file:
                data = file.read()
            wanted = expected.data
            if job.kind == "info":
                json.loads(data)
                continue
            if data != wanted:
                at = next((i for i, (a, b) in enumerate(zip(data, wanted)) if a != b), "the end")
                yield "%s: %d bytes, expected %d; they differ from %s on" % (
                    where, len(data), len(wanted), at)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", required=True, metavar="PATH", help="the command")
    parser.add_argument("--work", required=True, metavar="DIR", help="an empty or new folder")
    parser.add_argument("--program", action="append", default=[], metavar="NAME=COMMAND")
    return parser.parse_args()


def make_jobs(arguments):
    """Fixtures, jobs, those of damaged files, and dtypes of columns of which no job tells whether
    they stand for another."""
    chosen = choose(run_fixtures.read_manifest(run_fixtures.MANIFEST))
    makers = [Maker(arguments.espalier, arguments.work, line, number)
              for number, line in enumerate(chosen)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [job for made in pool.map(Maker.make, makers) for job in made]
    damaged = list(damaged_jobs(arguments.work, jobs[0][0].model))
    near = Maker(arguments.espalier, arguments.work, None, len(makers))
    jobs += near.make_near()
    untold = {"f4", "f8", "i8"} - set.union(*(one.told for one in [*makers, near]))
    return chosen, jobs + damaged, damaged, sorted(untold)


def main():
    arguments = parse_arguments()
    arguments.espalier = os.path.abspath(arguments.espalier)
    arguments.work = os.path.abspath(arguments.work)
    failures = []
    chosen, jobs, damaged, untold = make_jobs(arguments)
    failures += ["no answer tells what columns of %s stand for" % dtype for dtype in untold]
    first = None
    for one in arguments.program:
        name, _, command = one.partition("=")
        lines = run_program(name, command, arguments.work, jobs)
        first = first or lines
        failures += check_program(name, lines, first, jobs)
    for (job, _), line in zip(damaged, (first or [])[-len(damaged):]):
        wrong = check_said(arguments.espalier, job, line)
        failures += [wrong] if wrong else []
    for one in failures[:40]:
        print("FAIL " + one)
    kinds = collections.Counter(job.kind for job, _ in jobs)
    print("bindings: %d programs, %d models, %d jobs each (%s): %d failures" % (
        len(arguments.program), len(chosen), len(jobs),
        ", ".join("%s %d" % one for one in sorted(kinds.items())), len(failures)))
    return 1 if failures or first is None or len(jobs) < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
