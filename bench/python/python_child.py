# SPDX-License-Identifier: Apache-2.0
"""One way to predict from Python, in a process of its own; measure_python.py starts it.

    python python_child.py first|loop TOOL MODEL ROWS.npy

first: prints the nanoseconds from before the imports to the first row's answer, and to its import.
loop: prints the median and the 99th percentile of a row's nanoseconds, in the tool's fastest way
for one row, after a second of running.
"""
import sys
import time

LOOP_SECONDS = 1.0
LOOP_CALLS = 2000


def open_espalier(model, row):
    import espalier

    loaded = time.perf_counter_ns()
    predict = espalier.load(model).predict_one
    row = tuple(row)
    return loaded, lambda: predict(row, "probability")


def open_espalier_numpy(model, row):
    import espalier
    import numpy

    loaded = time.perf_counter_ns()
    predict = espalier.load(model).predict_one
    row = numpy.array(row, dtype=numpy.float32)
    return loaded, lambda: predict(row, "probability")


def open_joblib(model, row):
    import joblib
    import numpy
    import sklearn.ensemble  # noqa: F401 what unpickling imports

    loaded = time.perf_counter_ns()
    forest = joblib.load(model)
    forest.n_jobs = 1
    rows = numpy.array([row], dtype=numpy.float32)
    return loaded, lambda: forest.predict_proba(rows)


def open_xgboost(model, row):
    import numpy
    import xgboost

    loaded = time.perf_counter_ns()
    booster = xgboost.Booster({"nthread": 1}, model_file=model)
    rows = numpy.array([row], dtype=numpy.float32)
    return loaded, lambda: booster.inplace_predict(rows)


def open_lightgbm(model, row):
    import lightgbm
    import numpy

    loaded = time.perf_counter_ns()
    booster = lightgbm.Booster(model_file=model)
    rows = numpy.array([row])
    return loaded, lambda: booster.predict(rows, num_threads=1)


def open_onnxruntime(model, row):
    import numpy
    import onnxruntime

    loaded = time.perf_counter_ns()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rows = numpy.array([row], dtype=numpy.float32)
    name = session.get_inputs()[0].name
    return loaded, lambda: session.run(None, {name: rows})


TOOLS = {"espalier": open_espalier, "espalier-numpy": open_espalier_numpy, "joblib": open_joblib,
         "xgboost": open_xgboost, "lightgbm": open_lightgbm, "onnxruntime": open_onnxruntime}


def read_row(path):
    """The first row as Python's floats, without NumPy: its import is part of what is measured."""
    import ast
    import struct

    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10:10 + length].decode())
    assert header["descr"] == "<f4" and not header["fortran_order"]
    return list(struct.unpack_from("<%df" % header["shape"][1], data, 10 + length))


def main():
    what, tool, model, rows = sys.argv[1:]
    row = read_row(rows)
    start = time.perf_counter_ns()
    loaded, predict = TOOLS[tool](model, row)
    predict()
    done = time.perf_counter_ns()
    if what == "first":
        print(done - start, loaded - start)
        return
    times = []
    end = time.perf_counter() + LOOP_SECONDS
    while len(times) < LOOP_CALLS or time.perf_counter() < end:
        before = time.perf_counter_ns()
        predict()
        times.append(time.perf_counter_ns() - before)
    times.sort()
    print(times[len(times) // 2], times[len(times) * 99 // 100])


if __name__ == "__main__":
    main()
