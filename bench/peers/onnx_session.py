# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime's C interface through ctypes: only what is needed to load a model and to run it on
buffers that stay where they are. The wheel ships the library without its header; the interface is
one table of functions that is only ever appended to, so places of the first version stay valid
(OrtApi of onnxruntime_c_api.h).
"""

import ctypes
import functools
import glob
import pathlib

import numpy

API_VERSION = 1
PLACES = {"GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "Run": 9,
          "CreateSessionOptions": 10, "SetIntraOpNumThreads": 24, "SetInterOpNumThreads": 25,
          "CreateTensorWithDataAsOrtValue": 49, "CreateCpuMemoryInfo": 69, "ReleaseStatus": 93,
          "ReleaseSession": 95, "ReleaseValue": 96, "ReleaseSessionOptions": 100}
LOG_ERRORS = 3
FLOAT32 = 1
ARENA_ALLOCATOR, DEFAULT_MEMORY = 1, 0


class ApiBase(ctypes.Structure):
    _fields_ = [("get_api", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
                ("get_version", ctypes.CFUNCTYPE(ctypes.c_char_p))]


class Api:
    """Calls by name; a status that is not NULL becomes an exception."""

    def __init__(self):
        import onnxruntime

        folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
        found = sorted(glob.glob(str(folder / "libonnxruntime.so*")))
        if not found:
            raise FileNotFoundError("the wheel has no libonnxruntime.so")
        self.library = ctypes.CDLL(found[0])
        self.library.OrtGetApiBase.restype = ctypes.POINTER(ApiBase)
        table = self.library.OrtGetApiBase().contents.get_api(API_VERSION)
        self.table = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        self.env = ctypes.c_void_p()
        self.memory = ctypes.c_void_p()
        self.call("CreateEnv", LOG_ERRORS, b"peers", ctypes.byref(self.env))
        self.call("CreateCpuMemoryInfo", ARENA_ALLOCATOR, DEFAULT_MEMORY,
                  ctypes.byref(self.memory))

    def address(self, name):
        return ctypes.c_void_p(self.table[PLACES[name]])

    def raw(self, name, result):
        return ctypes.CFUNCTYPE(result)(self.table[PLACES[name]])

    def call(self, name, *arguments):
        function = self.raw(name, ctypes.c_void_p)
        status = function(*arguments)
        if status:
            status = ctypes.c_void_p(status)
            text = self.raw("GetErrorMessage", ctypes.c_char_p)(status).decode()
            self.raw("ReleaseStatus", None)(status)
            raise RuntimeError(text)

    def tensor(self, array):
        """An OrtValue over the array's own memory."""
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        value = ctypes.c_void_p()
        self.call("CreateTensorWithDataAsOrtValue", self.memory,
                  ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes), shape,
                  ctypes.c_size_t(array.ndim), ctypes.c_int(FLOAT32), ctypes.byref(value))
        return value


@functools.lru_cache(maxsize=1)
def load_api():
    """Loads the library: part of importing ONNX Runtime, not of loading a model."""
    return Api()


class Session:
    def __init__(self, api, path, input_name, output_name, width):
        self.api = api
        self.width = width
        self.names = ((ctypes.c_char_p * 1)(input_name), (ctypes.c_char_p * 1)(output_name))
        options = ctypes.c_void_p()
        self.session = ctypes.c_void_p()
        api.call("CreateSessionOptions", ctypes.byref(options))
        try:
            api.call("SetIntraOpNumThreads", options, ctypes.c_int(1))
            api.call("SetInterOpNumThreads", options, ctypes.c_int(1))
            api.call("CreateSession", api.env, str(path).encode(), options,
                     ctypes.byref(self.session))
        finally:
            api.raw("ReleaseSessionOptions", None)(options)

    def __del__(self):
        if self.session:
            self.api.raw("ReleaseSession", None)(self.session)

    def run(self, rows):
        results = numpy.empty((len(rows), self.width), numpy.float32)
        values = [self.api.tensor(rows), self.api.tensor(results)]
        try:
            self.api.call("Run", self.session, None, self.names[0],
                          (ctypes.c_void_p * 1)(values[0].value), ctypes.c_size_t(1),
                          self.names[1], ctypes.c_size_t(1),
                          (ctypes.c_void_p * 1)(values[1].value))
        finally:
            for value in values:
                self.api.raw("ReleaseValue", None)(value)
        return results
