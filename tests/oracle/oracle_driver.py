# SPDX-License-Identifier: Apache-2.0
"""What the drivers of this folder share: running the espalier command, fixtures, .npy answers.

Python's standard library only. The command is named by --espalier or the environment variable
ESPALIER.
"""

import ast
import collections
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

from oracle_reader import Model
from oracle_records import Refused
from oracle_verify import verify

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
CODES = {"f8": "d", "f4": "f", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H",
         "u4": "I", "u8": "Q", "b1": "?"}
command = os.environ.get("ESPALIER", "espalier")

Line = collections.namedtuple("Line", "path version estimator purpose select cases refused")
Case = collections.namedtuple("Case", "row_files answers refused")


def run(*arguments):
    """Runs the command: (exit code, standard output, standard error)."""
    done = subprocess.run([command, *map(str, arguments)], capture_output=True, timeout=300,
                          check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace")


def read_manifest():
    lines = (FIXTURES / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    return [Line(*line.split("\t")) for line in lines[1:]]


def read_cases(line):
    """The cases of a manifest line; tests/fixtures/README.md describes them."""
    cases = []
    for text in line.cases.split("; ") if line.cases != "-" else []:
        first, *others = text.split(" ")
        refused = bool(others) and others[0].startswith("!")
        # Behind "~" are numbers that went through exp: another test compares them.
        answers = {} if refused else dict(one.split("=") for one in others if "~=" not in one)
        cases.append(Case(first.split(","), answers, refused))
    return cases


def read_array_npy(data):
    """The items of any .npy file that holds answers, flat."""
    size = struct.unpack_from("<H", data, 8)[0]
    header = ast.literal_eval(data[10:10 + size].decode())
    descr, body = header["descr"], data[10 + size:]
    count = math.prod(header["shape"])
    if descr[1] == "U":
        width = 4 * int(descr[2:])
        return [body[width * i:width * i + width].decode("utf-32-le").rstrip("\0")
                for i in range(count)]
    return list(struct.unpack(f"<{count}{CODES[descr[1:]]}", body))


def write_npy(rows):
    """The bytes of an .npy file of float64 rows."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    text += " " * (-(11 + len(text)) % 64) + "\n"
    values = [value for row in rows for value in row]
    return (b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()
            + struct.pack(f"<{len(values)}d", *values))


def comparable(value):
    """Floats by their bits; which NaN it is, IEEE 754 leaves open."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    return value


def flat(rows):
    return [comparable(value) for row in rows for value in row]


class Comparison(unittest.TestCase):
    """A temporary folder, and comparisons of both readers."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-oracle-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def ok(self, *arguments):
        code, out, error = run(*arguments)
        self.assertEqual(code, 0, f"{arguments}: {error}")
        return out

    def same(self, found, expected, what):
        """Equal lists; says the first difference (unittest would diff long lists for minutes)."""
        self.assertEqual(len(found), len(expected), what)
        for index, (left, right) in enumerate(zip(found, expected)):
            if left != right:
                self.fail(f"{what}: value {index} is {left}, not {right}")

    def convert(self, source, select="-"):
        """The path of a converted fixture."""
        path = self.folder / "model.espalier"
        self.ok("convert", source, "-o", path, *(() if select == "-" else ("--select", select)))
        return path

    def command_rule(self, data):
        """0 if `espalier verify` accepts, else the rule that it names, None without one."""
        path = self.folder / "damaged.espalier"
        path.write_bytes(data)
        code, out, error = run("verify", path, "--json")
        self.assertIn(code, (0, 1), error)
        found = json.loads(out)
        self.assertEqual(found["ok"], code == 0, out)
        return 0 if code == 0 else found["error"].get("format_rule")

    def oracle_rule(self, data):
        """0 if the oracle accepts, else the rule that it names."""
        try:
            verify(Model(data))
        except Refused as refused:
            return refused.rule
        return 0


def main():
    global command
    arguments = sys.argv[:]
    if "--espalier" in arguments:
        at = arguments.index("--espalier")
        command = os.path.abspath(arguments[at + 1])
        del arguments[at:at + 2]
    unittest.main(module="__main__", argv=arguments)
