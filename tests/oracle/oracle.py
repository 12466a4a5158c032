# SPDX-License-Identifier: Apache-2.0
"""A second reader and predictor of Espalier files, written from docs/format.md alone.

    oracle.py MODEL [--verify] [--predict KIND ROWS.npy] [--iterations A:B] [--unchecked]

It exists to prove that the document is enough: it shares no code with the project and must never
be mended by looking at the project's sources. Where it and the command differ, one of them or the
document has a defect. May use Python's standard library and xxh3.py alone; plain and slow.

Every check names its rule; a refusal prints "rule F-nnn: ..." and leaves with 1. Predictions are
printed one row per line: floats in hexadecimal, integers in decimal, text as JSON.
"""

import argparse
import ast
import json
import struct
import sys

from oracle_predict import predict
from oracle_reader import Model
from oracle_records import CLASS, LEAF, MARGIN, PROBABILITY, SCORE, VALUE, Refused
from oracle_verify import verify

KINDS = {"MARGIN": MARGIN, "PROBABILITY": PROBABILITY, "CLASS": CLASS, "VALUE": VALUE,
         "LEAF": LEAF, "SCORE": SCORE}


def read_npy(data):
    """Rows of an .npy file of float32 or float64, as lists of floats."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        raise ValueError("not an .npy file")
    code, start = ("<H", 10) if data[6] == 1 else ("<I", 12)
    size = struct.unpack_from(code, data, 8)[0]
    header = ast.literal_eval(data[start:start + size].decode("utf-8"))
    descr, shape = header["descr"], header["shape"]
    if descr[1:] not in ("f4", "f8") or len(shape) != 2:
        raise ValueError(f"rows of dtype {descr} and shape {shape}")
    count, width = shape
    code = {"f4": "f", "f8": "d"}[descr[1:]]
    order = ">" if descr[0] == ">" else "<"
    values = struct.unpack(f"{order}{count * width}{code}", data[start + size:])
    if header["fortran_order"]:
        return [list(values[row::count]) for row in range(count)]
    return [list(values[row * width:(row + 1) * width]) for row in range(count)]


def is_narrow(data):
    """Whether an .npy file holds float32."""
    return b"f4" in data[:128].split(b"fortran", 1)[0]


def show(value):
    if isinstance(value, float):
        return value.hex()
    return json.dumps(value) if isinstance(value, str) else str(int(value))


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def parse_range(text):
    first, end = (int(one) for one in text.split(":"))
    return first, end - first


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("--predict", nargs=2, metavar=("KIND", "ROWS.npy"))
    parser.add_argument("--iterations", type=parse_range, metavar="A:B")
    parser.add_argument("--unchecked", action="store_true")
    arguments = parser.parse_args()
    try:
        model = Model(read_bytes(arguments.model))
        if arguments.verify:
            verify(model)
            print(f"verified, root digest {model.header.root_digest.hex()}")
        if arguments.predict:
            name, path = arguments.predict
            kind = KINDS.get(name.upper())
            if not kind or not model.select(kind):
                parser.error(f"the model has no output {name}")
            data = read_bytes(path)
            for row in predict(model, kind, read_npy(data), arguments.iterations,
                               not arguments.unchecked, is_narrow(data)):
                print(*map(show, row))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"oracle: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
