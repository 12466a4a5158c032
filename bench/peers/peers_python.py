# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, and the peers that are reached only through Python because their wheels have no C
interface: Python's cost per call is part of their one-row figures, and results say so.
"""

import ctypes
import os

import numpy

from peer_base import Peer, Unsupported
from peer_models import SEED
from peer_routes import CRoute, PythonRoute


class OnnxRuntime(Peer):
    """Models from skl2onnx and onnxmltools, through the C interface on fixed buffers."""

    name = "onnxruntime"
    package = "onnxruntime"
    families = ("forest", "xgboost", "lightgbm")

    def output(self, model):
        # The converters put the link inside: there are no margins of classifiers.
        return "probability" if model.task != "regression" else model.output

    def rows(self, cached):
        return cached.rows("float32")  # the tree operators take nothing else

    def file(self, cached):
        return cached.derived("model.onnx")

    def import_package(self):
        from onnx_session import load_api

        load_api()

    def prepare(self, cached, tools):
        width = self.rows(cached).shape[1]
        family = cached.model.family
        if family == "forest":
            import joblib
            from skl2onnx import to_onnx

            trained = joblib.load(cached.source)
            options = {} if cached.model.task == "regression" else {"zipmap": False}
            made = to_onnx(trained, numpy.zeros((1, width), numpy.float32),
                           options={id(trained): options} if options else None)
        else:
            import onnxmltools
            from onnxmltools.convert.common.data_types import FloatTensorType

            types = [("X", FloatTensorType([None, width]))]
            if family == "xgboost":
                import xgboost

                made = onnxmltools.convert_xgboost(
                    xgboost.Booster(model_file=str(cached.source)), initial_types=types)
            else:
                import lightgbm

                made = onnxmltools.convert_lightgbm(
                    lightgbm.Booster(model_file=cached.source), initial_types=types,
                    zipmap=False)
        self.file(cached).write_bytes(made.SerializeToString())

    def names_and_width(self, cached):
        """Input and output of the converters' graphs, and the output's values per row."""
        family, task = cached.model.family, cached.model.task
        width = cached.answers(self.output(cached.model)).shape[1]
        output = "variable" if task == "regression" else "probabilities"
        return "X", output, 2 if family != "forest" and task == "binary" else width

    def load(self, cached, tools):
        from onnx_session import Session, load_api

        input_name, output_name, width = self.names_and_width(cached)
        return Session(load_api(), self.file(cached), input_name.encode(), output_name.encode(),
                       width)

    def batch(self, loaded, rows):
        return loaded.run(rows)

    def route(self, loaded, cached, tools):
        harness, api = tools.harness, loaded.api
        features = self.rows(cached).shape[1]
        names = [name[0] for name in loaded.names]
        route = harness.peer_route_onnx(api.address("Run"), loaded.session, features,
                                        loaded.width, *names)
        made = CRoute(harness, route, keep=(loaded, names))
        tensors = []
        for place, count in ((harness.peer_route_row(route), features),
                             (harness.peer_route_result(route), loaded.width)):
            memory = (ctypes.c_float * count).from_address(place)
            tensors.append(api.tensor(numpy.frombuffer(memory, numpy.float32).reshape(1, -1)))
        harness.peer_onnx_set_tensors(made.route, *tensors)
        return made


class OnnxRuntimePython(OnnxRuntime):
    """An io-binding on fixed buffers: nothing is looked up by name in the timed call."""

    name = "onnxruntime-python"
    variant_of = "onnxruntime"

    def import_package(self):
        import onnxruntime  # noqa: F401

    def load(self, cached, tools):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(self.file(cached)), options,
                                            providers=["CPUExecutionProvider"])

    def batch(self, loaded, rows):
        return loaded.run([loaded.get_outputs()[-1].name], {loaded.get_inputs()[0].name: rows})[0]

    def route(self, loaded, cached, tools):
        import onnxruntime

        width = self.rows(cached).shape[1]
        buffer = numpy.zeros((1, width), numpy.float32)
        value = onnxruntime.OrtValue.ortvalue_from_numpy(buffer)
        binding = loaded.io_binding()
        binding.bind_ortvalue_input(loaded.get_inputs()[0].name, value)
        binding.bind_output(loaded.get_outputs()[-1].name)
        run = loaded.run_with_iobinding

        def call(row):
            value.update_inplace(row)
            run(binding)

        return PythonRoute(call, read=lambda: binding.copy_outputs_to_cpu()[0])


class Ydf(Peer):
    """Forests are scikit-learn's, taken over by from_sklearn; boosted trees are YDF's own."""

    name = "ydf"
    package = "ydf"
    families = ("forest", "xgboost")
    note = "forests: each tree votes with its majority class, as YDF's from_sklearn sets it"
    TRAIN_ROWS = 10_000  # of 50,000: its exact splits take as long as all other peers together

    def is_own(self, model):
        return model.family != "forest"

    def output(self, model):
        return "probability" if model.task != "regression" else model.output

    def rows(self, cached):
        return cached.rows("float32")

    def file(self, cached):
        return cached.derived("model.ydf")

    def import_package(self):
        import ydf  # noqa: F401

    def prepare(self, cached, tools):
        import ydf

        if cached.model.family == "forest":
            import joblib

            made = ydf.from_sklearn(joblib.load(cached.source))
        else:
            made = self.train(cached)
        made.save(str(self.file(cached)))

    def train(self, cached):
        import peer_data
        import ydf

        data = peer_data.make_data(cached.model.data)
        settings = dict(cached.model.settings)
        task = ydf.Task.REGRESSION if cached.model.task == "regression" else ydf.Task.CLASSIFICATION
        learner = ydf.GradientBoostedTreesLearner(
            label="target", task=task, num_trees=settings["trees"],
            max_depth=settings["max_depth"] + 1,  # YDF counts the root
            shrinkage=0.05, validation_ratio=0.0, early_stopping="NONE", random_seed=SEED)
        rows = data.train[:self.TRAIN_ROWS].astype(numpy.float32)
        return learner.train({"features": rows, "target": data.target[:self.TRAIN_ROWS]})

    def load(self, cached, tools):
        import ydf

        return ydf.load_model(str(self.file(cached)))

    def batch(self, loaded, rows):
        return loaded.predict({"features": rows}, num_threads=1)

    def route(self, loaded, cached, tools):
        return PythonRoute(lambda row: loaded.predict({"features": row}, num_threads=1))


class OneDal(Peer):
    """oneDAL through scikit-learn-intelex: boosted trees are converted (daal4py.mb), forests are
    its own, trained with scikit-learn's settings."""

    name = "onedal"
    package = "scikit-learn-intelex"
    families = ("forest", "xgboost", "lightgbm")

    def check(self, cached):
        if cached.model.data == "made":
            raise Unsupported("trains its own forests, and this one's rows are made elsewhere")

    def is_own(self, model):
        return model.family == "forest"

    def output(self, model):
        return "probability" if model.task != "regression" else model.output

    def file(self, cached):
        return cached.derived("onedal.joblib")

    def import_package(self):
        import daal4py
        import joblib  # noqa: F401
        import sklearnex.ensemble  # noqa: F401

        daal4py.daalinit(1)

    def prepare(self, cached, tools):
        import joblib

        family = cached.model.family
        if family == "forest":
            made = self.train(cached)
        else:
            import daal4py

            if family == "xgboost":
                import xgboost

                trained = xgboost.Booster(model_file=str(cached.source))
            else:
                import lightgbm

                trained = lightgbm.Booster(model_file=cached.source)
            made = daal4py.mb.convert_model(trained)
        joblib.dump(made, self.file(cached))

    def train(self, cached):
        import peer_data
        from sklearnex.ensemble import RandomForestClassifier, RandomForestRegressor

        data = peer_data.make_data(cached.model.data)
        kind = (RandomForestRegressor if cached.model.task == "regression"
                else RandomForestClassifier)
        trained = kind(random_state=SEED, **dict(cached.model.settings))
        trained.fit(data.train.astype(numpy.float32), data.target)
        trained.n_jobs = 1
        return trained

    def load(self, cached, tools):
        import joblib

        loaded = joblib.load(self.file(cached))
        return loaded.predict if cached.model.task == "regression" else loaded.predict_proba

    def batch(self, loaded, rows):
        return loaded(rows)

    def route(self, loaded, cached, tools):
        return PythonRoute(loaded)


class CatBoost(Peer):
    """Its own symmetric trees: as many, as deep, on the same rows. Not the same model, and a
    simpler one: all nodes of a level ask the same question."""

    name = "catboost"
    package = "catboost"
    families = ("xgboost", "lightgbm")

    def is_own(self, model):
        return True

    def rows(self, cached):
        return cached.rows("float32")

    def file(self, cached):
        return cached.derived("model.cbm")

    def import_package(self):
        import catboost  # noqa: F401

    def prepare(self, cached, tools):
        import catboost
        import peer_data

        settings = dict(cached.model.settings)
        # As many leaves as LightGBM's, rounded up to a power of two.
        depth = settings.get("max_depth") or settings["num_leaves"].bit_length()
        kind = (catboost.CatBoostRegressor if cached.model.task == "regression"
                else catboost.CatBoostClassifier)
        trained = kind(iterations=settings["trees"], depth=depth, learning_rate=0.05, verbose=0,
                       random_seed=SEED, thread_count=os.cpu_count(), allow_writing_files=False)
        data = peer_data.make_data(cached.model.data)
        trained.fit(data.train.astype(numpy.float32), data.target)
        trained.save_model(str(self.file(cached)))

    def load(self, cached, tools):
        import catboost

        loaded = catboost.CatBoost()
        loaded.load_model(str(self.file(cached)))
        return loaded

    def batch(self, loaded, rows):
        return loaded.predict(rows, prediction_type="RawFormulaVal", thread_count=1)

    def route(self, loaded, cached, tools):
        return PythonRoute(lambda row: loaded.predict(row, prediction_type="RawFormulaVal",
                                                      thread_count=1))
