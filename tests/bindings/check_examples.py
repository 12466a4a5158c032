# SPDX-License-Identifier: Apache-2.0
r"""The C examples on real fixtures, against the command.

    python3 tests/bindings/check_examples.py --espalier PATH --programs DIR \
        --case MODEL ROWS KIND ...

one_row prints what the command computes, number for number; threads writes the same bytes with one
thread and with more; batch finds single rows and its batch equal. Bad input is refused by name.
Standard library only.
"""
import argparse
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "interop"))
from run_fixtures import Failure, read_npy  # noqa: E402


def run(*command, stdin=b""):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip()


def expect(condition, text):
    if not condition:
        raise Failure(text)


def pack(descr, items):
    return struct.pack("<%d%s" % (len(items), "f" if descr == "<f4" else "d"), *items)


def check_one_row(program, model, rows, answer):
    width = rows.shape[1]
    lines = [",".join(repr(one) for one in rows.items[i:i + width])
             for i in range(0, len(rows.items), width)]
    code, said, error = run(program, model, stdin="\n".join(lines).encode())
    expect(code == 0, "one_row: " + error)
    got = [float(one) for line in said.decode().splitlines() for one in line.split(",")]
    expect(pack(answer.descr, got) == pack(answer.descr, answer.items), "one_row: other numbers")
    for wrong, said in ((b"1,2,forest\n", "line 1: no row"), (b"\n", "line 1: no row"),
                        (lines[0].encode() + b"\n1\n", "line 2: "),
                        (lines[0].encode() + b",1\n", "line 1: "),
                        (b"1," * 1025, "line 1: no row")):
        code, _, error = run(program, model, stdin=wrong)
        expect(code == 1 and said in error, "one_row takes %r: %s" % (wrong[:40], error))
    code, said, error = run(program, model, stdin=b"")
    expect(code == 0 and not said and not error, "one_row, no rows: " + error)


def check_threads(program, model, rows, answer):
    data = pack("<f8", rows.items)
    for count in ("1", "3", "64"):
        code, said, error = run(program, model, count, stdin=data)
        expect(code == 0, "threads: " + error)
        expect(said == pack(answer.descr, answer.items), "threads %s: other bytes" % count)
    code, said, error = run(program, model, "3", stdin=b"")
    expect(code == 0 and not said and not error, "threads, no rows: " + error)
    code, said, error = run(program, model, "2", stdin=data[:-8])
    expect(code == 1 and not said and "whole" in error, "threads takes half a row: " + error)
    infinite = list(rows.items)
    infinite[-1] = float("inf")
    code, said, error = run(program, model, "2", stdin=pack("<f8", infinite))
    place = "row %d, feature %d" % (rows.shape[0] - 1, rows.shape[1] - 1)
    expect(code == 0 or (not said and place in error), "threads names no place: " + error)
    return code


def check_case(espalier, programs, model, path, kind):
    rows = read_npy(path)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "answer.npy")
        code, _, error = run(espalier, "predict", model, path, "--output", kind, "-o", out)
        expect(code == 0, error)
        answer = read_npy(out)
    check_one_row(os.path.join(programs, "one_row"), model, rows, answer)
    refused = check_threads(os.path.join(programs, "threads"), model, rows, answer)
    code, said, error = run(os.path.join(programs, "batch"), model, "2000")
    expect(code == 0 and b"every bit the same" in said, "batch: " + error)
    for name, rest in (("one_row", ()), ("threads", ("2",)), ("batch", ("10",))):
        code, said, error = run(os.path.join(programs, name), path, *rest)
        expect(code == 1 and not said and os.path.basename(path) in error,
               "%s opens rows as a model: %s" % (name, error))
    return refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", required=True, metavar="PATH")
    parser.add_argument("--programs", required=True, metavar="DIR")
    parser.add_argument("--case", action="append", nargs=3, required=True,
                        metavar=("MODEL", "ROWS", "KIND"))
    arguments = parser.parse_args()
    refused = 0
    for model, rows, kind in arguments.case:
        try:
            refused += check_case(arguments.espalier, arguments.programs, model, rows, kind)
        except Failure as failure:
            print("check_examples: %s: %s" % (os.path.basename(model), failure))
            return 1
    # One of the models refuses infinity, or the refusals were not looked at.
    return 0 if refused else 1


if __name__ == "__main__":
    sys.exit(main())
