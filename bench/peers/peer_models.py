# SPDX-License-Identifier: Apache-2.0
"""The models of the comparison: what is trained, with which settings, and where it is cached. A
cached model is a folder with the trainer's own file (source), the unseen rows, and the trainer's
answers for them, which every peer's answers are compared with. Trains with all cores; the answers
are predicted with one thread and many rows, the way docs/semantics.md takes as the reference.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import time

import numpy

SEED = 42
SMALL_TREES = 5
SMALL_ROWS = 1000


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    family: str  # forest, xgboost, lightgbm
    task: str  # binary, classes, regression
    data: str  # peer_data, or "made": trained by bench/tools/make_forest
    settings: tuple  # (name, value) pairs of the trainer
    title: str
    is_quick: bool = False
    rows_max: int | None = None  # of the rows trained on, and of those predicted

    @property
    def trainer(self):
        return {"forest": "scikit-learn", "xgboost": "xgboost-cpu",
                "lightgbm": "lightgbm"}[self.family]

    @property
    def row_dtype(self):
        """What the trainer itself compares: LightGBM float64, the others float32."""
        return "float64" if self.family == "lightgbm" else "float32"

    @property
    def output(self):
        """What is measured: margins of boosted trees, probabilities or values of forests."""
        if self.family != "forest":
            return "margin"
        return "value" if self.task == "regression" else "probability"

    def folder(self, cache):
        version = importlib.metadata.version(self.trainer)
        key = json.dumps([dataclasses.astuple(self)[:5], version, SEED])
        return pathlib.Path(cache) / f"{self.name}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def forest(name, task, data, title, depth=None, is_quick=False):
    return Model(name, "forest", task, data, (("n_estimators", 200), ("max_depth", depth)),
                 title, is_quick)


def xgboost(name, task, data, title, trees, depth, is_quick=False):
    return Model(name, "xgboost", task, data, (("trees", trees), ("max_depth", depth)), title,
                 is_quick)


def lightgbm(name, task, data, title, trees, leaves, is_quick=False):
    return Model(name, "lightgbm", task, data, (("trees", trees), ("num_leaves", leaves)), title,
                 is_quick)


MODELS = (
    forest("rf200", "binary", "binary50", "forest, 200 trees, unlimited depth, 2 classes"),
    forest("rf200_d10", "binary", "binary50", "forest, 200 trees, depth 10, 2 classes", 10, True),
    forest("rf200_d8", "binary", "binary50", "forest, 200 trees, depth 8, 2 classes", 8),
    forest("rf200_made", "binary", "made",
           "forest, 200 trees, unlimited depth, 2 classes (make_forest)"),
    forest("rf200_7", "classes", "covertype", "forest, 200 trees, unlimited depth, 7 classes"),
    forest("rf200_7_d10", "classes", "covertype", "forest, 200 trees, depth 10, 7 classes", 10),
    forest("rf200_7_d8", "classes", "covertype", "forest, 200 trees, depth 8, 7 classes", 8),
    forest("rf200_value", "regression", "housing", "forest, 200 trees, unlimited depth, value"),
    forest("rf200_value_d10", "regression", "housing", "forest, 200 trees, depth 10, value", 10),
    forest("rf200_value_d8", "regression", "housing", "forest, 200 trees, depth 8, value", 8),
    xgboost("xgb500_d6", "binary", "binary50", "XGBoost, 500 trees, depth 6", 500, 6, True),
    xgboost("xgb1000_d8", "binary", "binary50", "XGBoost, 1000 trees, depth 8", 1000, 8),
    xgboost("xgb500_d6_value", "regression", "housing", "XGBoost, 500 trees, depth 6, value",
            500, 6),
    lightgbm("lgb1000_l31", "binary", "binary50", "LightGBM, 1000 trees, 31 leaves", 1000, 31,
             True),
    lightgbm("lgb1000_l255", "binary", "binary50", "LightGBM, 1000 trees, 255 leaves", 1000, 255),
    lightgbm("lgb1000_l31_value", "regression", "housing",
             "LightGBM, 1000 trees, 31 leaves, value", 1000, 31),
    forest("rf200_digits", "classes", "digits", "forest, 200 trees, digits (real), 10 classes",
           None, True),
    forest("rf200_wine", "classes", "wine", "forest, 200 trees, wine (real), 3 classes"),
    xgboost("xgb500_d6_cancer", "binary", "breast_cancer",
            "XGBoost, 500 trees, depth 6, breast cancer (real)", 500, 6),
    lightgbm("lgb1000_l31_diabetes", "regression", "diabetes",
             "LightGBM, 1000 trees, 31 leaves, diabetes (real)", 1000, 31),
)


# What --small takes unless --only names others: what bench/python measures, too.
SMALL_NAMES = ("rf200", "xgb500_d6", "lgb1000_l31", "xgb500_d6_cancer")


def cut(model):
    """The model with a few trees of a few rows: of no use for figures, but answers must agree."""
    count = "n_estimators" if model.family == "forest" else "trees"
    settings = tuple((name, SMALL_TREES if name == count else value)
                     for name, value in model.settings)
    return dataclasses.replace(model, settings=settings, rows_max=SMALL_ROWS,
                               title=f"{model.title}; {SMALL_TREES} of the trees")


class Cached:
    """A model that was trained: files of its folder."""

    def __init__(self, model, folder):
        self.model = model
        self.folder = pathlib.Path(folder)
        self.facts = json.loads((self.folder / "facts.json").read_text())
        self.source = self.folder / self.facts["source"]

    def rows(self, dtype):
        """The unseen rows. float32 ones are the float64 ones rounded."""
        return numpy.load(self.folder / f"rows_{dtype}.npy")

    def answers(self, kind):
        """The trainer's answers as float64 [rows][outputs], or None: no such output."""
        path = self.folder / f"{kind}.npy"
        return numpy.load(path) if path.exists() else None

    def derived(self, name):
        """A file that a peer makes from the model."""
        return self.folder / name


# ---- training -----------------------------------------------------------------------------------

def train_forest(model, data, source):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    import joblib

    kind = RandomForestRegressor if model.task == "regression" else RandomForestClassifier
    trained = kind(random_state=SEED, n_jobs=-1, **dict(model.settings))
    trained.fit(data.train.astype(numpy.float32), data.target)
    trained.n_jobs = 1
    joblib.dump(trained, source)


def train_xgboost(model, data, source):
    import xgboost

    settings = dict(model.settings)
    objective = "reg:squarederror" if model.task == "regression" else "binary:logistic"
    trained = xgboost.train(
        {"max_depth": settings["max_depth"], "objective": objective, "eta": 0.05,
         "tree_method": "hist", "seed": SEED, "nthread": os.cpu_count()},
        xgboost.DMatrix(data.train.astype(numpy.float32), data.target), settings["trees"])
    trained.save_model(source)
    trained.save_model(source.with_suffix(".ubj"))


def train_lightgbm(model, data, source):
    import lightgbm

    settings = dict(model.settings)
    objective = "regression" if model.task == "regression" else "binary"
    parameters = {"num_leaves": settings["num_leaves"], "objective": objective,
                  "learning_rate": 0.05, "seed": SEED, "deterministic": True,
                  "force_row_wise": True, "num_threads": os.cpu_count(), "verbose": -1}
    if model.data == "diabetes":
        parameters["min_child_samples"] = 5  # 20 of 221 rows would leave a handful of leaves
    trained = lightgbm.train(parameters, lightgbm.Dataset(data.train, data.target),
                             settings["trees"])
    trained.save_model(source)


TRAINERS = {"forest": train_forest, "xgboost": train_xgboost, "lightgbm": train_lightgbm}
SUFFIXES = {"forest": "joblib", "xgboost": "json", "lightgbm": "txt"}


# ---- the trainer's answers ----------------------------------------------------------------------

def answer_forest(model, source, folder):
    import joblib

    trained = joblib.load(source)
    trained.n_jobs = 1
    rows = numpy.load(folder / "rows_float32.npy")
    yield model.output, (trained.predict_proba if model.output == "probability"
                         else trained.predict)(rows)


def answer_xgboost(model, source, folder):
    import xgboost

    trained = xgboost.Booster({"nthread": 1}, model_file=str(source))
    rows = numpy.load(folder / "rows_float32.npy")
    yield "margin", trained.inplace_predict(rows, predict_type="margin")
    if model.task == "binary":
        yield "probability", trained.inplace_predict(rows)


def answer_lightgbm(model, source, folder):
    import lightgbm

    trained = lightgbm.Booster(model_file=source)
    rows = numpy.load(folder / "rows_float64.npy")
    yield "margin", trained.predict(rows, raw_score=True, num_threads=1)
    if model.task == "binary":
        yield "probability", trained.predict(rows, num_threads=1)


ANSWERS = {"forest": answer_forest, "xgboost": answer_xgboost, "lightgbm": answer_lightgbm}


def make_source(model, folder, build):
    """The trainer's file, and the unseen rows. Returns (file name, distinct rows)."""
    name = f"model.{SUFFIXES[model.family]}"
    if model.data == "made":
        sizes = ("--trees", SMALL_TREES, "--train-rows", model.rows_max,
                 "--row-count", model.rows_max) if model.rows_max else ()
        subprocess.run([str(pathlib.Path(build) / "bin" / "make_forest"), "-o", folder / name,
                        "--rows", folder / "rows_float32.npy", *map(str, sizes)],
                       check=True, stdout=subprocess.DEVNULL)
        rows = numpy.load(folder / "rows_float32.npy")
        numpy.save(folder / "rows_float64.npy", rows.astype(numpy.float64))
        return name, len(rows)
    import peer_data

    data = peer_data.make_data(model.data).first(model.rows_max)
    numpy.save(folder / "rows_float64.npy", data.test)
    numpy.save(folder / "rows_float32.npy", data.test.astype(numpy.float32))
    TRAINERS[model.family](model, data, folder / name)
    return name, data.real_count


def train(model, cache, build):
    """Trains unless the cache has the model. The folder appears under its name when complete."""
    folder = model.folder(cache)
    if (folder / "facts.json").exists():
        return Cached(model, folder)
    started = time.perf_counter()
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    source, real_count = make_source(model, partial, build)
    seconds = time.perf_counter() - started
    for kind, answers in ANSWERS[model.family](model, partial / source, partial):
        answers = numpy.asarray(answers)
        numpy.save(partial / f"{kind}.npy", answers.reshape(len(answers), -1))
    facts = {"source": source, "real_rows": real_count, "train_seconds": round(seconds, 3)}
    (partial / "facts.json").write_text(json.dumps(facts))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return Cached(model, folder)
