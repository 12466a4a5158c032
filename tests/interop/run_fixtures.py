# SPDX-License-Identifier: Apache-2.0
"""Runs the espalier command on every line of the manifest and compares bit for bit.

    python3 tests/interop/run_fixtures.py --espalier PATH [--only GLOB] [--manifest FILE] [--jobs N]

check_fixtures.c compares the same answers through the libraries; this one is for what the command
adds: options, CSV, shapes of .npy files, exit codes, messages, nothing left behind.
Standard library only, so that it shares no code with the trainers or with the command. One line per
failure with the first difference; exit 1 if anything failed or nothing ran. The manifest is
described in tests/fixtures/README.md.
"""
import argparse
import ast
import collections
import concurrent.futures
import fnmatch
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = os.path.join(os.path.dirname(HERE), "fixtures", "manifest.tsv")
COLUMNS = ("path", "version", "estimator", "purpose", "select", "cases", "refused")
COMMAND_SECONDS_MAX = 60
LINKED_ULP_MAX = 2
MARKER = "espalier-was-here"  # what the refused pickles would create if something ran them

Line = collections.namedtuple("Line", COLUMNS)
Array = collections.namedtuple("Array", "descr shape items")


class Failure(Exception):
    """One check that failed; the text is one line."""


# --- .npy ---------------------------------------------------------------------------------------

def read_npy(path):
    """Version 1.0 to 3.0, C order, the dtypes that predictions have; items is a flat list."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise Failure("%s is not an .npy file" % os.path.basename(path))
    wide = data[6] >= 2
    start = 12 if wide else 10
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    header = ast.literal_eval(data[start:start + length].decode("utf-8"))
    if header["fortran_order"] and len(header["shape"]) > 1:
        raise Failure("%s is in Fortran order" % os.path.basename(path))
    return Array(header["descr"], header["shape"],
                 unpack(path, header["descr"], header["shape"], data[start + length:]))


def unpack(path, descr, shape, data):
    count = 1
    for one in shape:
        count *= one
    match = re.match(r"^([<|])([fiubU])(\d+)$", descr)
    if not match:
        raise Failure("%s has dtype %s" % (os.path.basename(path), descr))
    kind, size = match.group(2), int(match.group(3))
    item_bytes = 4 * size if kind == "U" else size
    if len(data) != count * item_bytes:
        raise Failure("%s holds %d bytes, not %d" % (os.path.basename(path), len(data),
                                                    count * item_bytes))
    if kind == "U":
        return [data[i:i + item_bytes].decode("utf-32-le").rstrip("\0")
                for i in range(0, len(data), item_bytes)] if item_bytes else [""] * count
    code = {"f4": "f", "f8": "d", "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
            "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}[kind + str(size)]
    return list(struct.unpack("<%d%s" % (count, code), data))


def show(value):
    return value.hex() if isinstance(value, float) else repr(value)


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right) or (
            math.isnan(left) and math.isnan(right))  # its sign is the processor's
    return type(left) is type(right) and left == right


def place(value, narrow):
    """Where a float is in the order of all of its type."""
    code = "<fI" if narrow else "<dQ"
    bits = struct.unpack("<" + code[2], struct.pack(code[:2], value))[0]
    sign = 1 << (31 if narrow else 63)
    return -(bits - sign) if bits & sign else bits


def near(left, right, narrow, partner):
    """Two units in the last place; 1 - p has those of its partner, the p behind it."""
    if same(left, right):
        return True
    if math.isnan(left) or math.isnan(right):
        return False
    epsilon = 2.0 ** (-23 if narrow else -52)
    if partner is not None and abs(left + partner - 1) <= 4 * epsilon * max(1, abs(partner)):
        unit = math.ldexp(epsilon, math.frexp(partner)[1] - 1)
        if abs(left - right) <= LINKED_ULP_MAX * unit:
            return True
    return abs(place(left, narrow) - place(right, narrow)) <= LINKED_ULP_MAX


def partner_of(kind, items, index, width):
    """What stands behind a probability in its row."""
    return items[index + 1] if kind == "probability" and (index + 1) % width else None


def dtype_fits(kind, expected, found):
    """Bit-exact dtypes; class labels may come as wide as the file holds them, never as floats."""
    if kind != "class" or expected == found:
        return expected == found
    if expected[1] in "iu":
        return found == "<i8"
    return expected[1] == found[1] and (expected[1] == "U" or found == "<f8")


def compare(kind, expected, found, linked=False):
    """Raises on the first difference; linked: of more than rounding behind exp."""
    narrow = expected.descr[1:] == "f4"
    if not dtype_fits(kind, expected.descr, found.descr):
        raise Failure("dtype %s instead of %s" % (found.descr, expected.descr))
    if expected.shape != found.shape:
        raise Failure("shape %s instead of %s" % (found.shape, expected.shape))
    width = expected.shape[1] if len(expected.shape) > 1 else 1
    for index, (left, right) in enumerate(zip(expected.items, found.items)):
        good = same(left, right) or linked and near(
            left, right, narrow, partner_of(kind, expected.items, index, width))
        if not good:
            raise Failure("row %d, column %d: expected %s, found %s" % (
                index // width, index % width, show(left), show(right)))


# --- The manifest -------------------------------------------------------------------------------

def read_manifest(path):
    with open(path, encoding="utf-8") as file:
        rows = [one.rstrip("\n").split("\t") for one in file if one.strip()]
    if not rows or tuple(rows[0]) != COLUMNS:
        raise Failure("%s does not start with the names of its columns" % path)
    for row in rows[1:]:
        if len(row) != len(COLUMNS):
            raise Failure("%s: %d fields: %s" % (path, len(row), row[0]))
    return [Line(*row) for row in rows[1:]]


def parse_cases(text):
    """[(rows files, {output: file})], or [(rows files, words)] where rows must be refused."""
    cases = []
    for one in text.split("; "):
        rows, rest = one.split(" ", 1)
        if rest.startswith("!"):
            cases.append((rows.split(","), rest[1:]))
        else:
            cases.append((rows.split(","), dict(part.split("=", 1) for part in rest.split(" "))))
    return cases


def check_words(words, text):
    """Every word must be in the text, in any case; a|b asks for one of them, "+" for nothing."""
    for word in words.split(" "):
        if word != "+" and not any(one.lower() in text.lower() for one in word.split("|")):
            raise Failure("the message does not say %r: %s" % (word, text.strip()[:200]))


# --- The command --------------------------------------------------------------------------------

class Runner:
    def __init__(self, espalier, fixtures):
        self.espalier = espalier
        self.fixtures = fixtures

    def run(self, folder, *arguments):
        try:
            return subprocess.run([self.espalier] + list(arguments), cwd=folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=COMMAND_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise Failure("%s: no end after %d s" % (arguments[0], COMMAND_SECONDS_MAX))

    def expect_done(self, folder, *arguments):
        done = self.run(folder, *arguments)
        if done.returncode != 0:
            raise Failure("%s: exit code %d: %s" % (
                arguments[0], done.returncode,
                done.stderr.decode("utf-8", "replace").strip().replace("\n", " / ")[:300]))
        return done.stdout

    def expect_refused(self, folder, named, words, *arguments):
        before = sorted(os.listdir(folder))
        done = self.run(folder, *arguments)
        message = done.stderr.decode("utf-8", "replace")
        left = sorted(set(os.listdir(folder)) - set(before))
        if MARKER in left:
            raise Failure("%s ran the command of the file" % arguments[0])
        if done.returncode != 1:
            raise Failure("%s: exit code %d instead of 1 (%s) %s" % (
                arguments[0], done.returncode, words, message.strip()[:200]))
        if left:
            raise Failure("%s failed and left %s" % (arguments[0], ", ".join(left)))
        if os.path.basename(named) not in message:
            raise Failure("the message does not name the file: " + message.strip()[:200])
        check_words(words, message)

    def check_line(self, line):
        """All failures of one manifest line, as texts."""
        folder = tempfile.mkdtemp(prefix="espalier-")
        try:
            return self.check_in(folder, line)
        except Failure as failure:
            return [str(failure)]
        except (OSError, ValueError, KeyError, SyntaxError) as error:
            return ["%s: %s" % (type(error).__name__, error)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def check_in(self, folder, line):
        source = os.path.join(self.fixtures, *line.path.split("/"))
        if not os.path.exists(source):
            raise Failure("the manifest names a file that is not there")
        convert = ["convert", source, "-o", "model.espalier"]
        if line.select != "-":
            convert += ["--select", line.select]
        if line.refused != "-":
            self.expect_refused(folder, source, line.refused, *convert)
            return []
        cases = parse_cases(line.cases)
        failures = self.convert_checked(folder, source, convert, cases)
        self.expect_done(folder, "verify", "model.espalier")
        for rows, wanted in cases:
            for name in rows:
                path = os.path.join(os.path.dirname(source), name)
                failures += self.check_rows(folder, path, wanted, line.estimator)
        return failures

    def convert_checked(self, folder, source, convert, cases):
        """Converts with --check against one of the trainer's answers; says what it found."""
        rows, wanted = cases[0]
        if not isinstance(wanted, dict):
            self.expect_done(folder, *convert)
            return []
        beside = os.path.dirname(source)
        kinds = sorted(one for one in wanted if "@" not in one)
        kind = kinds[len(source) % len(kinds)]  # every kind meets many models
        expected = os.path.join(beside, wanted[kind])
        try:
            said = self.expect_done(folder, *convert, "--json", "--check",
                                    os.path.join(beside, rows[0]), expected)
            proof = json.loads(said)["proof"]["check"]
            if proof["values"] != len(read_npy(expected).items) or (
                    proof["differing"] != 0 and not kind.endswith("~")):
                raise Failure("%d of %d values differ" % (proof["differing"], proof["values"]))
        except Failure as failure:
            self.expect_done(folder, *convert)
            return ["--check with %s: %s" % (kind, failure)]
        return []

    def check_rows(self, folder, rows, wanted, estimator):
        if isinstance(wanted, str):
            try:
                self.expect_refused(folder, rows, wanted, "predict", "model.espalier", rows, "-o",
                                    "refused.npy")
            except Failure as failure:
                return ["%s: %s" % (os.path.basename(rows), failure)]
            return []
        failures = []
        first = ("value", "value~", "class", "margin")
        if not estimator.startswith("Booster"):
            first = ("class", "value", "value~", "margin")
        default = next(one for one in first if one in wanted)
        for kind in list(wanted) + [None]:
            named = kind or default  # None: without --output, the trainer's own predict
            if named == "margin" and not kind:
                continue  # what predict gives is not kept for these rows
            try:
                output, _, iterations = (kind or "").strip("~").partition("@")
                options = ["--output", output] if kind else []
                options += ["--iterations", iterations] if iterations else []
                self.expect_done(folder, "predict", "model.espalier", rows, *options, "-o",
                                 "found.npy")
                expected = read_npy(os.path.join(os.path.dirname(rows), wanted[named]))
                compare(output or named, expected,
                        read_npy(os.path.join(folder, "found.npy")), named.endswith("~"))
            except Failure as failure:
                failures.append("%s of %s: %s" % (kind or "default output",
                                                  os.path.basename(rows), failure))
        return failures


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", default="espalier", metavar="PATH", help="the command")
    parser.add_argument("--only", metavar="GLOB", help="only paths like sklearn-1.4.2/forest_*")
    parser.add_argument("--manifest", default=MANIFEST, metavar="FILE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--nth", type=int, metavar="N",
                        default=int(os.environ.get("ESPALIER_FIXTURES_NTH", "1")),
                        help="every n-th of them (default: ESPALIER_FIXTURES_NTH, or all)")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    espalier = shutil.which(arguments.espalier)
    if espalier is None:
        print("run_fixtures: no command %s" % arguments.espalier, file=sys.stderr)
        return 1
    try:
        lines = read_manifest(arguments.manifest)
    except (OSError, Failure) as error:
        print("run_fixtures: %s" % error, file=sys.stderr)
        return 1
    chosen = [one for one in lines
              if arguments.only is None or fnmatch.fnmatchcase(one.path, arguments.only)]
    chosen = chosen[::max(1, arguments.nth)]
    runner = Runner(os.path.abspath(espalier), os.path.dirname(os.path.abspath(arguments.manifest)))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
        for line, failures in zip(chosen, pool.map(runner.check_line, chosen)):
            failed += bool(failures)
            for one in failures:
                where = line.path + ("" if line.select == "-" else " " + line.select)
                print("FAIL %s (%s): %s" % (where, line.purpose, one), flush=True)
    if not chosen:
        print("run_fixtures: nothing to run", file=sys.stderr)
    print("%d passed, %d failed, %d skipped" % (len(chosen) - failed, failed,
                                                len(lines) - len(chosen)))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
