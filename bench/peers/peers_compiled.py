# SPDX-License-Identifier: Apache-2.0
"""The peers whose single rows are predicted in the C loop: Espalier and the naive forest, the
trainers through their C interfaces, and what compiles or interprets their models. scikit-learn and
the Python routes of XGBoost and LightGBM stand beside them.
"""

import ctypes
import os
import shutil
import subprocess

import numpy

from peer_base import Peer, Unsupported
from peer_routes import DTYPES, KINDS, MESSAGE_BYTES, CRoute, PythonRoute, address_of

# ---- Espalier and the naive forest --------------------------------------------------------------

class Espalier(Peer):
    name = "espalier"
    families = ("forest", "xgboost", "lightgbm")
    is_fresh = True

    def file(self, cached):
        return cached.derived("model.espalier")

    def prepare(self, cached, tools):
        done = subprocess.run([tools.command, "convert", cached.source, "-o", self.file(cached)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            text = lines[0].replace(str(cached.folder) + "/", "")
            raise Unsupported(text.removeprefix("espalier: "))

    def load(self, cached, tools):
        message = ctypes.create_string_buffer(MESSAGE_BYTES)
        route = tools.harness.peer_route_espalier(
            str(self.file(cached)).encode(), KINDS[cached.model.output],
            DTYPES[cached.model.row_dtype], message, MESSAGE_BYTES)
        if not route:
            raise Unsupported(message.value.decode())
        return CRoute(tools.harness, route)

    def batch(self, loaded, rows):
        return loaded.batch(loaded.harness.peer_espalier_batch, rows)

    def route(self, loaded, cached, tools):
        return loaded

    def kernel(self, loaded):
        return loaded.harness.peer_espalier_kernel(loaded.route).decode()


class Naive(Peer):
    name = "naive"
    families = ("forest",)
    is_fresh = True

    def file(self, cached):
        return cached.derived("model.naive")

    def prepare(self, cached, tools):
        espalier = Espalier().file(cached)
        if not espalier.exists() or tools.harness.peer_naive_write(
                str(espalier).encode(), str(self.file(cached)).encode()) != 0:
            raise Unsupported("its writer takes only models of one part that Espalier converts")

    def load(self, cached, tools):
        return CRoute(tools.harness,
                      tools.harness.peer_route_naive(str(self.file(cached)).encode()))

    def batch(self, loaded, rows):
        return loaded.batch(loaded.harness.peer_naive_batch, rows)

    def route(self, loaded, cached, tools):
        return loaded


# ---- the trainers -------------------------------------------------------------------------------

class ScikitLearn(Peer):
    name = "scikit-learn"
    package = "scikit-learn"
    families = ("forest",)

    def import_package(self):
        import joblib  # noqa: F401
        import sklearn.ensemble  # noqa: F401

    def load(self, cached, tools):
        import joblib

        trained = joblib.load(self.file(cached))
        trained.n_jobs = 1
        return (trained.predict_proba if self.output(cached.model) == "probability"
                else trained.predict)

    def batch(self, loaded, rows):
        return loaded(rows)

    def route(self, loaded, cached, tools):
        return PythonRoute(loaded)


class XGBoost(Peer):
    name = "xgboost"
    package = "xgboost-cpu"
    families = ("xgboost",)

    def file(self, cached):
        return cached.source.with_suffix(".ubj")  # its own default format

    def import_package(self):
        import xgboost  # noqa: F401

    def load(self, cached, tools):
        import xgboost

        return xgboost.Booster({"nthread": 1}, model_file=str(self.file(cached)))

    def batch(self, loaded, rows):
        return loaded.inplace_predict(rows, predict_type="margin")

    def route(self, loaded, cached, tools):
        """XGBoosterPredictFromDense with texts and proxy made once."""
        from xgboost.core import _LIB

        proxy = ctypes.c_void_p()
        if _LIB.XGProxyDMatrixCreate(ctypes.byref(proxy)) != 0:
            raise RuntimeError("XGProxyDMatrixCreate failed")
        config = (b'{"type": 1, "training": false, "iteration_begin": 0, "iteration_end": 0, '
                  b'"missing": NaN, "strict_shape": false, "cache_id": 0}')
        route = tools.harness.peer_route_xgboost(
            address_of(_LIB.XGBoosterPredictFromDense), loaded.handle, proxy,
            loaded.num_features(), 1, config)
        return CRoute(tools.harness, route, keep=(loaded,))


class XGBoostPython(XGBoost):
    name = "xgboost-python"
    variant_of = "xgboost"

    def route(self, loaded, cached, tools):
        return PythonRoute(lambda row: loaded.inplace_predict(row, predict_type="margin"))


class LightGBM(Peer):
    name = "lightgbm"
    package = "lightgbm"
    families = ("lightgbm",)

    def import_package(self):
        import lightgbm  # noqa: F401

    def load(self, cached, tools):
        import lightgbm

        return lightgbm.Booster(model_file=self.file(cached))

    def batch(self, loaded, rows):
        return loaded.predict(rows, raw_score=True, num_threads=1)

    def route(self, loaded, cached, tools):
        """LGBM_BoosterPredictForMatSingleRowFast, raw scores."""
        from lightgbm.basic import _LIB

        config = ctypes.c_void_p()
        float64, raw_score = 1, 1
        status = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            loaded._handle, ctypes.c_int(raw_score), ctypes.c_int(0), ctypes.c_int(-1),
            ctypes.c_int(float64), ctypes.c_int32(loaded.num_feature()), b"num_threads=1",
            ctypes.byref(config))
        if status != 0:
            raise RuntimeError("LGBM_BoosterPredictForMatSingleRowFastInit failed")
        route = tools.harness.peer_route_lightgbm(
            address_of(_LIB.LGBM_BoosterPredictForMatSingleRowFast), config,
            loaded.num_feature(), 1, DTYPES["float64"])
        return CRoute(tools.harness, route, keep=(loaded,))


class LightGBMPython(LightGBM):
    name = "lightgbm-python"
    variant_of = "lightgbm"

    def route(self, loaded, cached, tools):
        return PythonRoute(lambda row: loaded.predict(row, raw_score=True, num_threads=1))


# ---- compilers ----------------------------------------------------------------------------------

class Lleaves(Peer):
    """LightGBM models compiled by LLVM with its default blocks. One block of all trees, which its
    documents advise for single rows, was measured to take minutes and to save nothing."""

    name = "lleaves"
    package = "lleaves"
    families = ("lightgbm",)
    prepare_seconds_max = 600
    note = "compiled beforehand; loads the cached object code"

    def file(self, cached):
        return cached.derived("lleaves.o")

    def import_package(self):
        import lleaves  # noqa: F401

    def compile(self, cached, file):
        import lleaves

        model = lleaves.Model(model_file=str(cached.source))
        model.compile(cache=str(file), raw_score=True)
        return model

    def prepare(self, cached, tools):
        partial = self.file(cached).with_suffix(".part")
        partial.unlink(missing_ok=True)
        self.compile(cached, partial)
        partial.rename(self.file(cached))

    def load(self, cached, tools):
        return self.compile(cached, self.file(cached))

    def batch(self, loaded, rows):
        return loaded.predict(rows, n_jobs=1)

    def route(self, loaded, cached, tools):
        route = tools.harness.peer_route_lleaves(address_of(loaded._c_entry_func),
                                                 loaded.num_feature(), 1)
        return CRoute(tools.harness, route, keep=(loaded,))


def rows_of_thresholds(cached):
    """treelite wants rows in the dtype of the model's thresholds: scikit-learn's are float64."""
    rows = cached.rows(cached.model.row_dtype)
    return rows if cached.model.family == "xgboost" else rows.astype(numpy.float64)


class Treelite(Peer):
    """treelite's own interpreter, GTIL."""

    name = "treelite"
    package = "treelite"
    families = ("forest", "xgboost", "lightgbm")

    def rows(self, cached):
        return rows_of_thresholds(cached)

    def file(self, cached):
        return cached.derived("model.treelite")

    def import_package(self):
        import treelite  # noqa: F401

    def read_source(self, cached):
        import treelite

        if cached.model.family == "xgboost":
            return treelite.frontend.load_xgboost_model(str(cached.source))
        if cached.model.family == "lightgbm":
            return treelite.frontend.load_lightgbm_model(str(cached.source))
        import joblib
        return treelite.sklearn.import_model(joblib.load(cached.source))

    def prepare(self, cached, tools):
        self.read_source(cached).serialize(str(self.file(cached)))

    def load(self, cached, tools):
        import treelite

        return treelite.Model.deserialize(str(self.file(cached)))

    def batch(self, loaded, rows):
        import treelite

        return treelite.gtil.predict(loaded, rows, nthread=1, pred_margin=True)

    def route(self, loaded, cached, tools):
        import treelite

        from treelite.core import _LIB
        if loaded.input_type != loaded.output_type:
            raise Unsupported("mixed dtypes")
        config = treelite.gtil.gtil.GTILConfig(nthread=1, predict_type="raw")
        width = cached.answers(cached.model.output).shape[1]
        route = tools.harness.peer_route_treelite(
            address_of(_LIB.TreeliteGTILPredict), loaded.handle, config.handle,
            loaded.num_feature, width, DTYPES[loaded.input_type])
        return CRoute(tools.harness, route, keep=(loaded, config))


class TL2cgen(Peer):
    """C code made from a treelite model, compiled by gcc -O3."""

    name = "tl2cgen"
    package = "tl2cgen"
    families = ("forest", "xgboost", "lightgbm")
    note = "compiled beforehand; loads the shared library"
    SOURCE_BYTES_MAX = 60_000_000  # larger models make hundreds of megabytes of C
    UNITS = 250  # files of C; gcc takes more than twice as long for a function twice as long

    def rows(self, cached):
        return rows_of_thresholds(cached)

    def file(self, cached):
        return cached.derived("tl2cgen.so")

    def import_package(self):
        import tl2cgen  # noqa: F401

    def check(self, cached):
        if cached.source.stat().st_size > self.SOURCE_BYTES_MAX:
            raise Unsupported("too large to be compiled as C code in the time of a run")

    def prepare(self, cached, tools):
        import tl2cgen

        folder = cached.derived("tl2cgen")
        shutil.rmtree(folder, ignore_errors=True)
        tl2cgen.generate_c_code(Treelite().read_source(cached), dirpath=str(folder),
                                params={"parallel_comp": self.UNITS})
        made = tl2cgen.create_shared("gcc", str(folder), nthread=os.cpu_count(),
                                     long_build_time_warning=False)
        shutil.move(made, self.file(cached))
        shutil.rmtree(folder)

    def load(self, cached, tools):
        import tl2cgen

        return tl2cgen.Predictor(str(self.file(cached)), nthread=1)

    def batch(self, loaded, rows):
        import tl2cgen

        return loaded.predict(tl2cgen.DMatrix(rows, dtype=loaded.threshold_type),
                              pred_margin=True)

    def route(self, loaded, cached, tools):
        if loaded.threshold_type != loaded.leaf_output_type:
            raise Unsupported("mixed dtypes")
        library = ctypes.CDLL(str(self.file(cached)))
        width = cached.answers(cached.model.output).shape[1]
        rows = self.rows(cached)
        route = tools.harness.peer_route_tl2cgen(
            address_of(library.predict), rows.shape[1], width, DTYPES[str(rows.dtype)],
            DTYPES[loaded.threshold_type])
        return CRoute(tools.harness, route, keep=(loaded, library))
