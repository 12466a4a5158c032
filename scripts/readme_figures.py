#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the figures of README.md that come from the tables of docs/benchmarks.md.

    python3 scripts/readme_figures.py [--check]

With --check nothing is written, and the exit code is 1 where README.md has other figures
(tests/tidy/check_figures.py).
"""
import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
# Model of bench/peers: the line's name, and the trainer as the tables call it.
MODELS = {"rf200": ("forest, 200 trees, unlimited depth", "scikit-learn"),
          "rf200_d10": ("forest, 200 trees, depth 10", "scikit-learn"),
          "xgb500_d6": ("XGBoost, 500 trees, depth 6", "xgboost"),
          "xgb1000_d8": ("XGBoost, 1000 trees, depth 8", "xgboost"),
          "lgb1000_l31": ("LightGBM, 1000 trees, 31 leaves", "lightgbm")}
# Those that predict with the same model; README names them.
PEERS = ("onnxruntime", "treelite", "tl2cgen", "lleaves", "onedal", "ydf")
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
ONE_ROW, BATCH = 1, 5  # columns of the peers' tables
PYTHON_MODEL = "rf200"  # of the table at README's top


def seconds(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def read_table(document, model):
    """{peer: its cells} of a model's table under "Peers"."""
    part = document[document.index("### Peers"):]
    part = part[part.index("**%s**:" % model):]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in part[:part.index("\nEspalier:")].splitlines() if line.startswith("| ")]
    return {cells[0].replace(" ¹", ""): cells for cells in rows[1:]}


def make_line(document, model):
    name, trainer = MODELS[model]
    table = read_table(document, model)
    cells = [name]
    for column in (ONE_ROW, BATCH):
        others = [table[peer][column] for peer in PEERS if peer in table and table[peer][column]]
        cells += [table["espalier"][column], table[trainer][column], min(others, key=seconds)]
    return "| %s |" % " | ".join(cells)


def make_python_lines(document):
    """The forest in Python: joblib and scikit-learn beside Espalier."""
    part = document[document.index("### Python"):document.index("### Peers")]
    tables = [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
              for table in re.findall(r"(?:^\|.*\n)+", part, re.MULTILINE)]
    first, one_row, workers = tables[0], tables[1], tables[-1]
    names = ("joblib + scikit-learn", "Espalier, a tuple")

    def cells(table, column):
        return [next(cells[column] for cells in table if cells[:2] == [PYTHON_MODEL, name])
                for name in names]

    def workers_cells(column):
        return [next(cells[column] for cells in workers if cells[0] == name.split(",")[0])
                for name in names]

    lines = (("the file", workers_cells(1)), ("from `import` to the first answer", cells(first, 2)),
             ("one row", cells(one_row, 2)),
             ("8 workers of a web service, start to the first answer", workers_cells(2)),
             ("8 workers of a web service, memory together", workers_cells(3)))
    return "\n".join("| %s | %s | %s |" % (name, *both) for name, both in lines)


def replace(pattern, text, readme):
    changed, count = re.subn(pattern, lambda found: found[1] + text + found[2], readme,
                             flags=re.DOTALL)
    if count != 1:
        raise ValueError("README.md has no place, or several, for: " + text)
    return changed


def make_readme(readme, document):
    lines = "\n".join(make_line(document, model) for model in MODELS)
    readme = replace(r"(\|---\|---:\|---:\|---:\|---:\|---:\|---:\|\n).*?(\n\n)", lines, readme)
    readme = replace(r"(joblib \+ scikit-learn \| Espalier \|\n\|---\|---:\|---:\|\n).*?(\n\n)",
                     make_python_lines(document), readme)
    naive = document[document.index("**unlimited**: 200 trees"):]
    first = re.search(r"open \+ first prediction, warm +\| +([^|]+?) +\| +([^|]+?) +\|", naive)
    readme = replace(r"(answers its first row in ).*?(, where)", first[1], readme)
    return replace(r"(where a\scareful\sloader takes ).*?(\s\()", first[2], readme)


def find_stale():
    """What of README.md's lines is not what the tables say."""
    old = README.read_text(encoding="utf-8")
    new = make_readme(old, BENCHMARKS.read_text(encoding="utf-8")).splitlines()
    return [(place, line) for place, (line, other) in enumerate(zip(old.splitlines(), new), 1)
            if line != other]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = find_stale()
    for place, line in stale:
        print("README.md:%d: %s" % (place, line))
    if arguments.check:
        return 1 if stale else 0
    README.write_text(make_readme(README.read_text(encoding="utf-8"),
                                  BENCHMARKS.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
