# SPDX-License-Identifier: Apache-2.0
"""NumPy 1.19 as on CPUs without AVX-512, where NPY_DISABLE_CPU_FEATURES asks for that.

NumPy 1.19 has an exp and a log of float64 for AVX-512 and does not heed the variable for them: of
a softmax, 26 of 1,242 probabilities were others by up to 3 ulp. Without AVX-512 they are the C
library's, as Python's own are, which take their places here.
"""
import copyreg
import math
import os

import numpy as np


class PlainFunction:
    """A function of NumPy, but of float64 numbers, and nothing said of how, by Python's."""

    def __init__(self, numpys, function):
        self.numpys = numpys
        self.each = np.frompyfunc(function, 1, 1)

    def __call__(self, x, *arguments, **options):
        x = np.asarray(x)
        if arguments or options or x.dtype != np.float64:
            return self.numpys(x, *arguments, **options)
        return np.asarray(self.each(x), dtype=np.float64) if x.ndim else np.float64(self.each(x))

    def __getattr__(self, name):
        return getattr(self.numpys, name)

    def __reduce__(self):
        return copyreg.dispatch_table[np.ufunc](self.numpys)


def exp(x):
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log(x):
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


if np.__version__.startswith("1.19.") and os.environ.get("NPY_DISABLE_CPU_FEATURES"):
    np.exp = PlainFunction(np.exp, exp)
    np.log = PlainFunction(np.log, log)
