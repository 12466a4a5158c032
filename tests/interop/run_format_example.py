#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The worked example of docs/format.md is what the converter writes today.

Converts docs/example/stump.pkl, lists the file's bytes with docs/example/dump_model.py, and
compares with the listing in the document. run_format_example.py --espalier PROGRAM [--update];
--update writes the listing into the document instead. Exit 0: same; 1: another.
"""

import argparse
import difflib
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "format.md"
EXAMPLE = ROOT / "docs" / "example"
BEGIN = "<!-- listing: tests/interop/run_format_example.py --update -->\n```text\n"
END = "\n```\n"


def make_listing(program):
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "stump.espalier"
        subprocess.run([program, "convert", str(EXAMPLE / "stump.pkl"), "-o", str(model)],
                       check=True, stdout=subprocess.DEVNULL)
        dump = subprocess.run([sys.executable, "-B", str(EXAMPLE / "dump_model.py"), str(model)],
                              check=True, capture_output=True, text=True)
    return dump.stdout.rstrip("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--espalier", required=True)
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    text = DOCUMENT.read_text(encoding="utf-8")
    begin = text.index(BEGIN) + len(BEGIN)
    end = text.index(END, begin)
    listing = make_listing(arguments.espalier)
    if arguments.update:
        DOCUMENT.write_text(text[:begin] + listing + text[end:], encoding="utf-8")
        return 0
    lines = list(difflib.unified_diff(text[begin:end].splitlines(), listing.splitlines(),
                                      "docs/format.md", "converted now", lineterm=""))
    print("\n".join(lines) if lines else f"{listing.count(chr(10)) + 1} lines, all the same")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
