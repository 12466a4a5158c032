# SPDX-License-Identifier: Apache-2.0
"""How the tests of the command run it, and the files they give it and read back.

Included by tests/cli/test_*.py. Python's standard library only. The command is named by --espalier
or the environment variable ESPALIER; the models come from tests/fixtures.
"""

import ast
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
NEW = TESTS / "fixtures" / "sklearn-1.4.2"  # takes NaN in forests
OLD = TESTS / "fixtures" / "sklearn-1.2.2"  # refuses it
ITEMS = {"f8": "d", "f4": "f", "f2": "e", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
         "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "b1": "?"}


def take_command():
    """The command that --espalier names, which is taken out of sys.argv, or ESPALIER."""
    command = os.environ.get("ESPALIER", "espalier")
    if "--espalier" in sys.argv:
        at = sys.argv.index("--espalier")
        command = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    return os.path.abspath(command) if os.path.exists(command) else command


COMMAND = take_command()


def run(*arguments, stdin=b"", **options):
    """Runs the command; (exit code, standard output, standard error as text)."""
    options.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([COMMAND, *map(str, arguments)], input=stdin, stderr=subprocess.PIPE,
                          timeout=300, check=False, **options)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def npy_header(descr, shape, fortran=False, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    prefix = 10 if version == 1 else 12
    text += " " * (-(prefix + len(text) + 1) % 64) + "\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode()


def npy(rows, descr="<f8", fortran=False, version=1, shape=None):
    """The bytes of np.save for a list of rows."""
    order = descr[0] if descr[0] in "<>" else "<"
    shape = shape or (len(rows), len(rows[0]) if rows else 0)
    cells = zip(*rows) if fortran else rows
    flat = [item for line in cells for item in line]
    data = struct.pack(f"{order}{len(flat)}{ITEMS[descr[1:]]}", *flat)
    return npy_header(descr, shape, fortran, version) + data


def read_npy(data):
    """(descr, shape, items) of an .npy file as NumPy writes it; text as a list of strings."""
    size = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:10 + size].decode())
    count = 1
    for length in header["shape"]:
        count *= length
    descr, body = header["descr"], data[10 + size:]
    if descr[1] == "U":
        width = int(descr[2:]) * 4
        items = [body[i * width:(i + 1) * width].decode("utf-32-le").rstrip("\0")
                 for i in range(count)]
        return descr, header["shape"], items
    return descr, header["shape"], list(struct.unpack(f"<{count}{ITEMS[descr[1:]]}", body))


def read_rows(path):
    _, (count, width), items = read_npy(path.read_bytes())
    return [items[i * width:(i + 1) * width] for i in range(count)]


class Case(unittest.TestCase):
    """A temporary folder per test, models shared by all."""

    models = {}

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="espalier-cli-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)
        Case.models.clear()

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.shared))

    def model(self, name, folder=NEW):
        """A converted fixture."""
        key = f"{folder.name}-{name}"
        if key not in self.models:
            path = self.shared / f"{key}.espalier"
            code, _, error = run("convert", folder / name, "-o", path)
            self.assertEqual(code, 0, error)
            self.models[key] = path
        return self.models[key]

    def iris(self):
        return self.model("random_forest_model.pkl")

    def named(self):
        return self.model("named_tree.pkl")

    def names(self):
        """The feature names of named()."""
        return json.loads(self.ok("info", self.named(), "--json"))["feature_names"]

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def ok(self, *arguments, **options):
        code, out, error = run(*arguments, **options)
        self.assertEqual((code, error), (0, ""), f"{arguments}")
        return out

    def fails(self, words, *arguments, code=1, **options):
        """The command fails with one line on standard error that holds every word."""
        got, out, error = run(*arguments, **options)
        self.assertEqual(got, code, f"{arguments}: {error}")
        self.assertTrue(error.startswith("espalier"), error)
        self.assertEqual(error.count("\n"), 1, error)
        for word in words:
            self.assertIn(str(word), error)
        return out
