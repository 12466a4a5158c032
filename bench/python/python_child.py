# SPDX-License-Identifier: Apache-2.0
"""One way to predict from Python, in a process of its own; measure_python.py starts it.

    python python_child.py first|loop TOOL MODEL ROWS.npy

first: prints the nanoseconds from before the imports to the first row's answer, and to its import.
loop: prints the median and the 99th percentile of a row's nanoseconds, in the tool's fastest way
for one row, of a second of calls; every call has another row, which is what the tool takes before
the clock runs. Calls during which the kernel took the CPU away are left out, since on a shared
machine a long call meets that more often than a short one; but not where nearly all are such
(scikit-learn's threads take it from each other).
"""
import resource
import sys
import time

LOOP_SECONDS = 1.0
LOOP_CALLS = 100
LOOP_ROWS = 5000


def one_row_matrix(row):
    """A row as float32, for what takes matrices only."""
    import numpy

    return numpy.array([row], dtype=numpy.float32)


# Each imports, tells when that was done, and opens: how a row is made ready, how it is predicted.

def open_espalier(model):
    import espalier

    loaded = time.perf_counter_ns()
    predict = espalier.load(model).predict_one
    return loaded, tuple, lambda row: predict(row, "probability")


def open_espalier_numpy(model):
    import espalier
    import numpy

    loaded = time.perf_counter_ns()
    predict = espalier.load(model).predict_one
    return (loaded, lambda row: numpy.array(row, dtype=numpy.float32),
            lambda row: predict(row, "probability"))


def open_joblib(model):
    import joblib
    import numpy  # noqa: F401
    import sklearn.ensemble  # noqa: F401 what unpickling imports

    loaded = time.perf_counter_ns()
    forest = joblib.load(model)
    forest.n_jobs = 1
    return loaded, one_row_matrix, forest.predict_proba


def open_xgboost(model):
    import numpy  # noqa: F401
    import xgboost

    loaded = time.perf_counter_ns()
    booster = xgboost.Booster({"nthread": 1}, model_file=model)
    return loaded, one_row_matrix, booster.inplace_predict


def open_lightgbm(model):
    import lightgbm
    import numpy

    loaded = time.perf_counter_ns()
    booster = lightgbm.Booster(model_file=model)
    return (loaded, lambda row: numpy.array([row]),
            lambda rows: booster.predict(rows, num_threads=1))


def open_onnxruntime(model):
    import numpy  # noqa: F401
    import onnxruntime

    loaded = time.perf_counter_ns()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return loaded, one_row_matrix, lambda rows: session.run(None, {name: rows})


TOOLS = {"espalier": open_espalier, "espalier-numpy": open_espalier_numpy, "joblib": open_joblib,
         "xgboost": open_xgboost, "lightgbm": open_lightgbm, "onnxruntime": open_onnxruntime}


def read_rows(path, count):
    """Rows as Python's floats, without NumPy: its import is part of what is measured."""
    import ast
    import struct

    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    rows, width = header["shape"]
    return [list(struct.unpack_from("<%df" % width, data, 10 + length + 4 * width * row))
            for row in range(min(rows, count))]


def taken_away():
    """How often the kernel gave the CPU to somebody else."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def main():
    what, tool, model, path = sys.argv[1:]
    rows = read_rows(path, 1 if what == "first" else LOOP_ROWS)
    start = time.perf_counter_ns()
    loaded, prepare, predict = TOOLS[tool](model)
    predict(prepare(rows[0]))
    done = time.perf_counter_ns()
    if what == "first":
        print(done - start, loaded - start)
        return
    rows = [prepare(row) for row in rows]
    calls, taken = [], taken_away()
    end = time.perf_counter() + LOOP_SECONDS
    while len(calls) < LOOP_CALLS or time.perf_counter() < end:
        row = rows[len(calls) % len(rows)]
        before = time.perf_counter_ns()
        predict(row)
        spent = time.perf_counter_ns() - before
        calls.append((spent, taken_away() - taken))
        taken += calls[-1][1]
    whole = [spent for spent, taken in calls if taken == 0]
    times = sorted(whole if len(whole) * 2 > len(calls) else [spent for spent, _ in calls])
    print(times[len(times) // 2], times[len(times) * 99 // 100])


if __name__ == "__main__":
    main()
