# SPDX-License-Identifier: Apache-2.0
"""Espalier's Python package against the trainers and ONNX Runtime, as Markdown on standard output.

    python measure_python.py --peers FOLDER --call-loop LIBRARY [--repeats N]
        [--only first|loop|overhead|workers] [--models NAME,...] [--workers N] [--starts N]
        [--write DOCUMENT]

Run by run_python.sh, which makes the environment; the models are those of bench/peers. Four
tables: from import to the first answer in a new process; one row after the other; what predict_one
adds to the call from C; memory of a service's workers. Tools take turns, each in a process of its
own. --write puts the tables into a document too, in its place there.
"""
import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from measure_workers import measure_workers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from figures_place import FiguresPlace  # noqa: E402

START_SECONDS_MAX = 300
WORKERS_MODEL = "rf200"
PACKAGES = ("numpy", "scikit-learn", "joblib", "xgboost-cpu", "lightgbm", "onnxruntime", "fastapi",
            "gunicorn", "uvicorn")

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


def measure(what, arguments, repeats):
    """{(model, tool): the runs' numbers}; tools take turns."""
    found, peers = {}, arguments.peers
    for _ in range(repeats):
        for model in arguments.models:
            for tool, file in TOOLS[model].items():
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


def make_table(head, lines, text_columns=2):
    marks = "|" + "---|" * text_columns + "---:|" * (len(head) - text_columns)
    return "\n".join(["| " + " | ".join(head) + " |", marks] +
                     ["| " + " | ".join(line) + " |" for line in lines])


def median(runs, place):
    return statistics.median(run[place] for run in runs)


def show_first(arguments):
    found = measure("first", arguments, arguments.repeats)
    return make_table(("model", "", "import to first answer", "of it the import"),
                      [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                       for (model, tool), runs in found.items()])


def show_one_row(arguments):
    found = measure("loop", arguments, max(1, arguments.repeats // 2))
    return make_table(("model", "", "one row, median", "99th percentile"),
                      [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                       for (model, tool), runs in found.items()])


def show_overhead(arguments):
    """Of a model of one small tree, where the call is nearly all there is, and of 30 features."""
    lines = []
    for name, model in (("one tree, 1 feature", make_stump(arguments.call_loop.parent)),
                        ("XGBoost, 500 trees, 30 features",
                         find_folder(arguments.peers, "xgb500_d6_cancer") / "model.espalier")):
        done = subprocess.run([sys.executable, HERE / "measure_overhead.py", arguments.call_loop,
                               model], check=True, capture_output=True, text=True,
                              timeout=START_SECONDS_MAX)
        lines += [(name, *line.split("\t")) for line in done.stdout.splitlines()]
    return make_table(("model", "row", "from C, ns", "predict_one, ns", "added, ns"), lines)


def make_stump(folder):
    import espalier

    path = folder / "stump.espalier"
    espalier.convert(HERE.parent.parent / "docs/example/stump.pkl", path)
    return path


def show_workers(arguments):
    found = measure_workers(find_folder(arguments.peers, WORKERS_MODEL), arguments.workers,
                            arguments.starts)
    head = ("%s, %d gunicorn workers" % (WORKERS_MODEL, arguments.workers), "the file",
            "start to first answer", "workers together", "for each")
    return make_table(head, [(name, "%.3g MB" % (size / 1e6), "%.3g s" % first,
                              "%.0f MiB" % memory, "%.0f MiB" % (memory / arguments.workers))
                             for name, size, first, memory in found], 1)


TABLES = {"first": show_first, "loop": show_one_row, "overhead": show_overhead,
          "workers": show_workers}


# --- the document -------------------------------------------------------------------------------

def show_machine():
    """When, where and with what, in a line."""
    said = {}
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            said.setdefault(name.strip(), value.strip())
    cpu = said.get("model name", platform.machine())
    if "cpu family" in said:
        cpu += ", family %s model %s" % (said["cpu family"], said["model"])
    versions = []
    for name in PACKAGES:
        try:
            versions.append("%s %s" % (name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return "%s, %s, %d of %d CPUs, Linux %s, Python %s; %s." % (
        datetime.date.today(), cpu, len(os.sched_getaffinity(0)), os.cpu_count(),
        platform.release(), platform.python_version(), ", ".join(versions))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="the cache of bench/peers")
    parser.add_argument("--call-loop", type=Path, required=True, help="call_loop.c, compiled")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(TOOLS))
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--starts", type=int, default=3, help="of each service")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    arguments = parser.parse_args()
    arguments.peers = arguments.peers.resolve()
    arguments.call_loop = arguments.call_loop.resolve()
    unknown = [name for name in arguments.models if name not in TOOLS]
    if unknown:
        parser.error("models are %s, not %s" % (", ".join(TOOLS), ", ".join(unknown)))
    arguments.place = None
    if arguments.write is not None:
        try:
            arguments.place = FiguresPlace(arguments.write, "bench/python/run_python.sh --write")
        except (OSError, ValueError) as error:
            parser.error(str(error))
    return arguments


def main():
    arguments = parse_arguments()
    parts = [show_machine()]
    print(parts[0], flush=True)
    for name, show in TABLES.items():
        if arguments.only in (None, name):
            parts.append(show(arguments))
            print("\n" + parts[-1], flush=True)
    if arguments.place is not None:
        arguments.place.write("\n\n".join(parts))


if __name__ == "__main__":
    main()
