# SPDX-License-Identifier: Apache-2.0
"""Models and rows for predict_bytes: fixtures of the newest release of every trainer, converted in
every layout that holds them, and their own rows with odd values added. And the comparison of what
two machines printed.
"""

import ast
import os
import pathlib
import re
import struct
import subprocess

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
LAYOUTS = ("walk", "heap", "select", "bits")
ROWS_MAX = 40
ODD = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, -1e-40, 3.4e38, 1e-35)
# Outputs behind exp or log may differ by this much among C libraries; sums may not.
ULP_MAX = 2
KIND_PROBABILITY, KIND_VALUE = 2, 4
DTYPE_FORMATS = {1: "<f", 2: "<d"}


class Pair:
    """A model, rows for it, and what to call them."""

    def __init__(self, name, model, rows):
        self.name, self.model, self.rows = name, model, rows


def newest_folders():
    """The newest release's folder of every trainer."""
    newest = {}
    for folder in FIXTURES.iterdir():
        trainer, _, version = folder.name.partition("-")
        if version:
            key = tuple(int(part) for part in version.split(".") if part.isdigit())
            newest[trainer] = max(newest.get(trainer, ((), "")), (key, folder.name))
    return {name for _, name in newest.values()}


def read_numbers(path):
    """(values, columns) of a C-order .npy file of float32 or float64."""
    data = path.read_bytes()
    header_bytes = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:10 + header_bytes].decode("latin-1"))
    if header["fortran_order"] or header["descr"] not in ("<f4", "<f8"):
        return None
    kind = "f" if header["descr"] == "<f4" else "d"
    rows, columns = header["shape"]
    rows = min(rows, ROWS_MAX)
    return struct.unpack_from(f"<{rows * columns}{kind}", data, 10 + header_bytes), columns


def write_rows(source, target):
    """The rows of a .npy file, and odd values all over, as bare numbers; None when it cannot."""
    read = read_numbers(source)
    if read is None:
        return None
    values, columns = read
    values = list(values)
    for i, odd in enumerate(ODD):
        values += [odd] * columns
        values += [odd if (column + i) % 3 == 0 else values[column] for column in range(columns)]
    kind = "f" if "32" in source.name else "d"
    target = target.with_suffix(".f64" if kind == "d" else ".f32")
    target.write_bytes(struct.pack(f"<{len(values)}{kind}", *values))
    return target


def list_sources():
    """(fixture, its files of rows) from the manifest; nothing that must be refused."""
    folders = newest_folders()
    for line in (FIXTURES / "manifest.tsv").read_text().splitlines()[1:]:
        path, _, _, _, select, cases, refused = line.split("\t")
        folder = path.split("/")[0]
        if folder.startswith("starts-"):
            continue  # sums that begin with a logarithm, which C libraries round in their own way
        if folder in folders and select == "-" and refused == "-" and "!" not in cases.split()[0]:
            names = cases.split(";")[0].split()[0].split(",")
            yield path, [FIXTURES / folder / name for name in names if name.endswith(".npy")]


def convert(espalier, source, layout, target):
    command = [espalier, "convert", source, "-o", target, "--layout", layout]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def make_pairs(espalier, folder):
    """All models and rows, made in `folder`. Layouts that cannot hold a model are left out."""
    os.makedirs(folder, exist_ok=True)
    folder = pathlib.Path(folder)
    pairs = []
    for number, (source, row_sources) in enumerate(list_sources()):
        stem = f"{number:03d}-{pathlib.Path(source).stem}"
        rows = [write_rows(row_source, folder / f"{stem}-{row_source.name.split('.')[-2]}")
                for row_source in row_sources if row_source.exists()]
        for layout in LAYOUTS:
            model = folder / f"{stem}-{layout}.espalier"
            model.unlink(missing_ok=True)
            if convert(espalier, FIXTURES / source, layout, model):
                pairs += [Pair(f"{source} as {layout}, {path.suffix[1:]}", str(model), str(path))
                          for path in rows if path is not None]
    return pairs


def ulps_apart(left, right, dtype):
    """The largest distance between two arrays of floats, in units in the last place."""
    width = struct.calcsize(DTYPE_FORMATS[dtype])
    largest = 0
    for at in range(0, len(left), width):
        one, other = left[at:at + width], right[at:at + width]
        if one != other and not (is_nan(one, dtype) and is_nan(other, dtype)):
            order = [ordered(int.from_bytes(item, "little"), width * 8) for item in (one, other)]
            largest = max(largest, abs(order[0] - order[1]))
    return largest


def is_nan(item, dtype):
    """Of invalid operations x86 makes NaN with the sign set, ARM without: any NaN equals any."""
    value, = struct.unpack(DTYPE_FORMATS[dtype], item)
    return value != value


def ordered(bits, width):
    """Floats' bits as integers that are ordered as the floats are."""
    sign = 1 << (width - 1)
    return -(bits - sign) if bits & sign else bits


def read_outputs(printed):
    """The fields of predict_bytes' lines; what it says beside them, the kernels' names, is not."""
    return [line.split(" ") for line in printed.splitlines()
            if re.fullmatch(r"\S+ \d+ \d+ [0-9a-f]*", line)]


def compare(pairs, expected, got):
    """Texts of differences between two outputs of predict_bytes, and how many bytes were equal."""
    by_line, other = read_outputs(expected), read_outputs(got)
    if not by_line or len(by_line) != len(other):
        return [f"{len(other)} outputs instead of {len(by_line)}"], 0
    names = {pathlib.Path(pair.rows).name: pair.name for pair in pairs}
    differences = []
    equal = 0
    for left, right in zip(by_line, other):
        name, kind, dtype = names.get(left[0], left[0]), int(left[1]), int(left[2])
        if left == right:
            equal += len(left[3]) // 2
        elif left[:3] != right[:3] or len(left[3]) != len(right[3]):
            differences.append(f"{name}: output {kind}: of another form")
        elif kind in (KIND_PROBABILITY, KIND_VALUE) and not name.startswith("sklearn"):
            apart = ulps_apart(bytes.fromhex(left[3]), bytes.fromhex(right[3]), dtype)
            if apart > ULP_MAX:
                differences.append(f"{name}: output {kind}: {apart} ulp apart")
        else:
            differences.append(f"{name}: output {kind}: other bytes")
    return differences, equal
