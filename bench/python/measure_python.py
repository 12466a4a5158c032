# SPDX-License-Identifier: Apache-2.0
"""Espalier's Python package against the trainers and ONNX Runtime, as Markdown on standard output.

    python measure_python.py --peers FOLDER [--repeats N] [--only first|loop]

Run by run_python.sh, which makes the environment; the models are those of bench/peers. Two tables:
from import to the first answer in a new process; one row, again and again. Tools take turns, each
in a process of its own.
"""
import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_SECONDS_MAX = 60

# Model of bench/peers: its file, by tool.
TOOLS = {
    "rf200": {"espalier": "model.espalier", "espalier-numpy": "model.espalier",
              "joblib": "model.joblib", "onnxruntime": "model.onnx"},
    "xgb500_d6": {"espalier": "model.espalier", "espalier-numpy": "model.espalier",
                  "xgboost": "model.json", "onnxruntime": "model.onnx"},
    "lgb1000_l31": {"espalier": "model.espalier", "espalier-numpy": "model.espalier",
                    "lightgbm": "model.txt", "onnxruntime": "model.onnx"},
}
NAMES = {"espalier": "Espalier, a tuple", "espalier-numpy": "Espalier, NumPy row",
         "joblib": "joblib + scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM",
         "onnxruntime": "ONNX Runtime"}


def find_folder(peers, model):
    """Where bench/peers keeps a model; its name ends in a digest."""
    (folder,) = peers.glob(model + "-*")
    return folder


# --- processes ----------------------------------------------------------------------------------

def run_child(what, tool, model):
    variables = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                     PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([sys.executable, HERE / "python_child.py", what, tool, model,
                           model.parent / "rows_float32.npy"], check=True, capture_output=True,
                          text=True, timeout=START_SECONDS_MAX, env=variables)
    return [int(number) for number in done.stdout.split()]


def measure(what, peers, repeats):
    """{(model, tool): the runs' numbers}; tools take turns."""
    found = {}
    for _ in range(repeats):
        for model, tools in TOOLS.items():
            for tool, file in tools.items():
                path = find_folder(peers, model) / file
                found.setdefault((model, tool), []).append(run_child(what, tool, path))
    return found


# --- tables -------------------------------------------------------------------------------------

def show_time(nanoseconds):
    if nanoseconds >= 1e9:
        return "%.3g s" % (nanoseconds / 1e9)
    if nanoseconds >= 1e6:
        return "%.3g ms" % (nanoseconds / 1e6)
    return "%.3g µs" % (nanoseconds / 1e3)


def print_table(head, lines):
    print("| " + " | ".join(head) + " |")
    print("|---|---|" + "---:|" * (len(head) - 2))
    for line in lines:
        print("| " + " | ".join(line) + " |")
    print(flush=True)


def median(runs, place):
    return statistics.median(run[place] for run in runs)


def print_first(peers, repeats):
    found = measure("first", peers, repeats)
    print_table(("model", "", "import to first answer", "of it the import"),
                [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                 for (model, tool), runs in found.items()])


def print_one_row(peers, repeats):
    found = measure("loop", peers, max(1, repeats // 2))
    print_table(("model", "", "one row, median", "99th percentile"),
                [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                 for (model, tool), runs in found.items()])


TABLES = {"first": print_first, "loop": print_one_row}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="the cache of bench/peers")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=TABLES)
    arguments = parser.parse_args()
    for name, table in TABLES.items():
        if arguments.only in (None, name):
            table(arguments.peers.resolve(), arguments.repeats)


if __name__ == "__main__":
    main()
