# SPDX-License-Identifier: Apache-2.0
"""Espalier's Python package against the trainers and ONNX Runtime, as Markdown on standard output.

    python measure_python.py --cache FOLDER [--repeats N] [--quick]

Run by run_python.sh, which makes the environment. Three tables: from import to the first answer in
a new process; one row, again and again; the proportional set size of eight gunicorn workers. Models
are trained once, into the cache. Tools take turns, each in a process of its own on one CPU.
"""
import argparse
import http.client
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORKERS = 8
PORT = 18765
START_SECONDS_MAX = 120

# Model: (its file, by tool).
TOOLS = {
    "forest": {"espalier": "forest.espalier", "espalier-numpy": "forest.espalier",
               "joblib": "forest.joblib", "onnxruntime": "forest.onnx"},
    "xgboost": {"espalier": "xgboost.espalier", "espalier-numpy": "xgboost.espalier",
                "xgboost": "xgboost.json", "onnxruntime": "xgboost.onnx"},
    "lightgbm": {"espalier": "lightgbm.espalier", "espalier-numpy": "lightgbm.espalier",
                 "lightgbm": "lightgbm.txt", "onnxruntime": "lightgbm.onnx"},
}
NAMES = {"espalier": "Espalier, a tuple", "espalier-numpy": "Espalier, NumPy row",
         "joblib": "joblib + scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM",
         "onnxruntime": "ONNX Runtime"}


# --- models -------------------------------------------------------------------------------------

def train(cache, quick):
    """The models and rows; nothing is done for what is there."""
    stamp = cache / ("quick" if quick else "full")
    if stamp.exists():
        return
    import espalier
    import joblib
    import lightgbm
    import numpy
    import onnxmltools
    import skl2onnx
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    count, trees = (2000, 20) if quick else (30000, 200)
    rows, labels = make_classification(count, 50, n_informative=20, flip_y=0.05, random_state=1)
    rows = rows.astype(numpy.float32)
    numpy.save(cache / "rows.npy", numpy.ascontiguousarray(rows[-1000:]))
    rows, labels = rows[:-1000], labels[:-1000]
    models = {
        "forest": RandomForestClassifier(trees, n_jobs=-1, random_state=1),
        "xgboost": xgboost.XGBClassifier(n_estimators=trees * 5 // 2, max_depth=6, random_state=1),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=trees * 5, num_leaves=31, verbosity=-1),
    }
    kinds = [("input", FloatTensorType([None, 50]))]
    for name, model in models.items():
        model.fit(rows, labels)
        if name == "forest":
            model.n_jobs = None
        espalier.dump(model, cache / (name + ".espalier"), check=rows[:100])
    joblib.dump(models["forest"], cache / "forest.joblib")
    models["xgboost"].save_model(cache / "xgboost.json")
    models["lightgbm"].booster_.save_model(cache / "lightgbm.txt")
    graphs = {
        "forest": lambda: skl2onnx.to_onnx(models["forest"], rows[:1], options={"zipmap": False}),
        "xgboost": lambda: onnxmltools.convert_xgboost(models["xgboost"], initial_types=kinds),
        "lightgbm": lambda: onnxmltools.convert_lightgbm(models["lightgbm"], initial_types=kinds,
                                                         zipmap=False),
    }
    for name, make in graphs.items():
        try:
            (cache / (name + ".onnx")).write_bytes(make().SerializeToString())
        except Exception as error:  # noqa: BLE001 a converter's failure is a result
            print("no ONNX of %s: %s" % (name, error), file=sys.stderr)
    stamp.touch()


# --- processes ----------------------------------------------------------------------------------

def run_child(what, tool, model, cache):
    variables = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1",
                     PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([sys.executable, HERE / "python_child.py", what, tool, model,
                           cache / "rows.npy"], check=True, capture_output=True, text=True,
                          timeout=START_SECONDS_MAX, env=variables)
    return [int(number) for number in done.stdout.split()]


def measure(what, cache, repeats):
    """{(model, tool): the runs' numbers}; tools take turns."""
    found = {}
    for _ in range(repeats):
        for model, tools in TOOLS.items():
            for tool, file in tools.items():
                if (cache / file).exists():
                    found.setdefault((model, tool), []).append(
                        run_child(what, tool, cache / file, cache))
    return found


def read_pss(pid):
    for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Pss of %d" % pid)


def ask_workers():
    """The pids of all workers, each of which has answered."""
    pids = set()
    end = time.monotonic() + START_SECONDS_MAX
    while len(pids) < WORKERS and time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            pids.add(int(answer.getheader("X-Worker")))
            connection.close()
        except OSError:
            time.sleep(0.1)
    if len(pids) < WORKERS:
        raise RuntimeError("only %d of %d workers answered" % (len(pids), WORKERS))
    return pids


def measure_workers(tool, model, cache, preload):
    """The sum of the workers' proportional set sizes once all have answered."""
    variables = dict(os.environ, BENCH_TOOL=tool, BENCH_MODEL=str(model),
                     BENCH_ROWS=str(cache / "rows.npy"), OMP_NUM_THREADS="1",
                     OPENBLAS_NUM_THREADS="1")
    command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-b", "127.0.0.1:%d" % PORT,
               "--log-level", "error", "--timeout", "120"]
    command += (["--preload"] if preload else []) + ["wsgi_app:application"]
    server = subprocess.Popen(command, cwd=HERE, env=variables, start_new_session=True)
    try:
        return sum(read_pss(pid) for pid in ask_workers())
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


# --- tables -------------------------------------------------------------------------------------

def show_time(nanoseconds):
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


def print_first(cache, repeats):
    found = measure("first", cache, repeats)
    print_table(("model", "", "import to first answer", "of it the import"),
                [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                 for (model, tool), runs in found.items()])


def print_one_row(cache, repeats):
    found = measure("loop", cache, repeats)
    print_table(("model", "", "one row, median", "99th percentile"),
                [(model, NAMES[tool], show_time(median(runs, 0)), show_time(median(runs, 1)))
                 for (model, tool), runs in found.items()])


def print_workers(cache):
    lines = []
    for tool, preload in (("espalier", False), ("espalier-numpy", False), ("joblib", False),
                          ("joblib", True), ("onnxruntime", False)):
        model = cache / TOOLS["forest"][tool]
        if model.exists():
            pss = measure_workers(tool, model, cache, preload)
            lines.append(("forest", NAMES[tool] + (", preloaded" if preload else ""),
                          "%.0f MB" % (pss / 1e6)))
    print_table(("model", "", "8 workers together"), lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="small models: only whether it runs")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    train(arguments.cache, arguments.quick)
    print_first(arguments.cache, arguments.repeats)
    print_one_row(arguments.cache, max(1, arguments.repeats // 2))
    print_workers(arguments.cache)


if __name__ == "__main__":
    main()
