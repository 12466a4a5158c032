# SPDX-License-Identifier: Apache-2.0
"""How one row is predicted and timed. A CRoute calls a C function row by row inside the compiled
loop of peer_timing.c; a PythonRoute calls a Python function, whose own cost is then part of every
figure (results say which route a figure took). Both have the same interface.
"""

import ctypes
import time

import numpy

DTYPES = {"float32": 1, "float64": 2}  # espalier_dtype
KINDS = {"margin": 1, "probability": 2, "value": 4}  # espalier_output_kind
MESSAGE_BYTES = 512


def address_of(function):
    """The address of a function of a loaded library, as peer_timing.c takes it."""
    return ctypes.cast(function, ctypes.c_void_p)


class Harness:
    """The shared library made from peer_timing.c."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
        text = ctypes.c_char_p
        self.declare("peer_route_free", None, pointer)
        self.declare("peer_route_empty", pointer, size, number)
        self.declare("peer_route_espalier", pointer, text, number, number, text, size)
        self.declare("peer_espalier_batch", ctypes.c_int, pointer, pointer, size, pointer)
        self.declare("peer_espalier_kernel", text, pointer)
        self.declare("peer_naive_write", ctypes.c_int, text, text)
        self.declare("peer_route_naive", pointer, text)
        self.declare("peer_naive_batch", ctypes.c_int, pointer, pointer, size, pointer)
        self.declare("peer_route_xgboost", pointer, pointer, pointer, pointer, size, size, text)
        self.declare("peer_route_lightgbm", pointer, pointer, pointer, size, size, number)
        self.declare("peer_route_lleaves", pointer, pointer, size, size)
        self.declare("peer_route_treelite", pointer, pointer, pointer, pointer, size, size, number)
        self.declare("peer_route_tl2cgen", pointer, pointer, size, size, number, number)
        self.declare("peer_route_onnx", pointer, pointer, pointer, size, size, text, text)
        self.declare("peer_onnx_set_tensors", None, pointer, pointer, pointer)
        self.declare("peer_route_row", pointer, pointer)
        self.declare("peer_route_result", pointer, pointer)
        self.declare("peer_time_rows", ctypes.c_int, pointer, pointer, size, size, size, size,
                     pointer)
        self.declare("peer_predict_rows", ctypes.c_int, pointer, pointer, size, pointer)
        self.declare("peer_route_width", size, pointer)
        self.declare("peer_route_features", size, pointer)
        self.declare("peer_route_result_dtype", number, pointer)

    def declare(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype = result
        function.argtypes = arguments
        setattr(self, name, function)


class CRoute:
    how = "C loop"

    def __init__(self, harness, route, keep=()):
        """keep: what the C side points to and Python would otherwise free."""
        if not route:
            raise MemoryError("no memory for a route")
        self.harness = harness
        self.route = ctypes.c_void_p(route)
        self.keep = keep
        self.width = harness.peer_route_width(self.route)

    def __del__(self):
        if getattr(self, "route", None):
            self.harness.peer_route_free(self.route)

    def check_rows(self, rows):
        if not rows.flags.c_contiguous:
            raise ValueError("rows with gaps")
        if rows.shape[1] != self.harness.peer_route_features(self.route):
            raise ValueError("rows of another number of features than the model's")

    def time(self, rows, first, warm, count):
        """Nanoseconds of `count` calls, after `warm` calls that are not timed."""
        self.check_rows(rows)
        times = numpy.empty(count, dtype=numpy.int64)
        status = self.harness.peer_time_rows(self.route, rows.ctypes.data, len(rows), first, warm,
                                             count, times.ctypes.data)
        if status != 0:
            raise RuntimeError(f"a prediction failed with status {status}")
        return times

    def predict(self, rows):
        """The answers, row by row, as float64 [rows][outputs]."""
        self.check_rows(rows)
        results = numpy.empty((len(rows), self.width))
        status = self.harness.peer_predict_rows(self.route, rows.ctypes.data, len(rows),
                                                results.ctypes.data)
        if status != 0:
            raise RuntimeError(f"a prediction failed with status {status}")
        return results

    def batch(self, function, rows):
        """All rows in one call of a C function of the harness, in the route's own dtype."""
        self.check_rows(rows)
        is_wide = self.harness.peer_route_result_dtype(self.route) == DTYPES["float64"]
        results = numpy.empty((len(rows), self.width), numpy.float64 if is_wide else numpy.float32)
        status = function(self.route, rows.ctypes.data, len(rows), results.ctypes.data)
        if status != 0:
            raise RuntimeError(f"a prediction failed with status {status}")
        return results


class PythonRoute:
    how = "Python"

    def __init__(self, call, read=None):
        """call(row): row is [1][features]; read() gives the answer when call does not."""
        self.call = call
        self.read = read

    def time(self, rows, first, warm, count):
        times = numpy.empty(count, dtype=numpy.int64)
        call, clock, row_count = self.call, time.perf_counter_ns, len(rows)
        for i in range(-warm, count):
            at = (first + i) % row_count
            row = rows[at:at + 1]
            start = clock()
            call(row)
            end = clock()
            if i >= 0:
                times[i] = end - start
        return times

    def predict(self, rows):
        results = []
        for i in range(len(rows)):
            result = self.call(rows[i:i + 1])
            if self.read is not None:
                result = self.read()
            results.append(numpy.array(result, dtype=numpy.float64).reshape(1, -1))
        return numpy.vstack(results)
