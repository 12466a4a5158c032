# SPDX-License-Identifier: Apache-2.0
"""What predict_one adds to the call from C, in nanoseconds, as numbers on standard output.

    python measure_overhead.py CALL_LOOP.so MODEL

A line for each kind of row: its name, the C call, the whole call from Python, and the difference,
each the median of many short passes. What Python adds includes the numbers of a tuple or list, one
by one; the row from C is float32 already. A pass of C stands between two of Python, since a core of
a shared machine changes its speed from moment to moment.
"""
import array
import ctypes
import statistics
import sys
import timeit

import espalier
import numpy

PASSES = 400
CALLS = 500


def make_rows(count):
    values = [0.25 * i for i in range(count)]
    return {"tuple": tuple(values), "list": values, "array.array of float32":
            array.array("f", values), "NumPy float32": numpy.array(values, numpy.float32)}


def main():
    library = ctypes.CDLL(sys.argv[1])
    library.call_loop_open.restype = ctypes.c_void_p
    library.call_loop_open.argtypes = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
    library.call_loop_run.restype = ctypes.c_double
    library.call_loop_run.argtypes = (ctypes.c_void_p, ctypes.c_uint)
    with espalier.load(sys.argv[2]) as model:
        rows = make_rows(model.n_features_in_)
        values = rows["array.array of float32"]
        loop = library.call_loop_open(sys.argv[2].encode(), values.buffer_info()[0], len(values))
        if loop is None:
            sys.exit("measure_overhead: %s cannot be opened" % sys.argv[2])
        for name, row in rows.items():
            timer = timeit.Timer("predict(row)", globals={"predict": model.predict_one,
                                                          "row": row})
            found = []
            for _ in range(PASSES):
                in_c = library.call_loop_run(loop, CALLS)
                whole = timer.timeit(CALLS) * 1e9 / CALLS
                found.append((in_c, whole, whole - in_c))
            print(name, *("%.0f" % statistics.median(one) for one in zip(*found)), sep="\t")


if __name__ == "__main__":
    main()
