# SPDX-License-Identifier: Apache-2.0
"""Pickled and joblib-dumped estimators of XGBoost and LightGBM, converted and compared.

    python prove_pickles.py --espalier PATH [--seed N] [--rounds N] [--verbose]

Runs inside an environment with XGBoost (0.90 or newer), LightGBM (2.2 or newer), or both, and
scikit-learn; not part of the test suite, which has fixtures. Trains estimators and Boosters, dumps
them in every protocol and container, bare and inside other objects, converts the files, and
compares margins and leaves with what the estimator's own predict gives, bit for bit, and classes
and probabilities where the model has them. Must never compute an expected answer by itself.

One line per difference; exit 1 if there is any.
"""
import io
import os
import pickle
import re
import sys

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from proving import AGAIN, THREADS, Prover, optional, run, share

xgb = optional("xgboost")
lgb = optional("lightgbm")

CONTAINERS = [None, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)]
CONTAINERS += [("lz4", 3)] if optional("lz4") else []  # of a package of its own
SPECIAL = [np.nan, 0.0, -0.0, 1e-45, 5e-324, 1e-35, -1e-35, 1e30, -1e30]


def version_of(module):
    return tuple(int(part) for part in module.__version__.split(".")[:2]) if module else None


XGBOOST = version_of(xgb)
LIGHTGBM = version_of(lgb)
SKLEARN = version_of(sklearn)
TRAINERS = {name: (name, module.__version__) for name, module in (
    ("XGBoost", xgb), ("LightGBM", lgb), ("scikit-learn", sklearn)) if module}


# --- Data -----------------------------------------------------------------------------------------

def make_data(rng, count=400, width=6):
    data = np.round(rng.randn(count, width) * 8) / 8
    target = data[:, 0] + np.sin(2 * data[:, 1]) + 0.3 * rng.randn(count)
    data[rng.rand(count, width) < 0.1] = np.nan
    return data, target


def thresholds_of(booster):
    """From the dump for people, which all versions have."""
    if lgb and isinstance(booster, lgb.Booster):
        found = re.findall(r"^threshold=(.*)$", booster.model_to_string(num_iteration=-1), re.M)
        return sorted({float(word) for line in found for word in line.split()})[:200]
    try:
        dump = booster.get_dump()
    except xgb.core.XGBoostError:  # of vector leaves
        return []
    found = [word for tree in dump for word in re.findall(r"<([-+.0-9e]+)\]", tree)]
    return sorted({float(word) for word in found})[:200]


def make_rows(rng, data, thresholds):
    """Held-out rows, rows on and beside thresholds, and rows of special values."""
    rows = np.round(rng.randn(300, data.shape[1]) * 8) / 8
    near = [0.0]
    for threshold in thresholds:
        narrow = np.float32(threshold)
        near += [threshold, float(narrow), np.nextafter(threshold, np.inf),
                 np.nextafter(threshold, -np.inf),
                 float(np.nextafter(narrow, np.float32(np.inf))),
                 float(np.nextafter(narrow, np.float32(-np.inf)))]
    for row in rows[100:]:
        for feature in range(len(row)):
            chance = rng.randint(8)
            if chance == 0:
                row[feature] = SPECIAL[rng.randint(len(SPECIAL))]
            elif chance < 5:
                row[feature] = near[rng.randint(len(near))]
    return rows


# --- Models ---------------------------------------------------------------------------------------

def fit_stopping(model, data, target, held):
    """Early stopping as the version wants it."""
    if lgb and isinstance(model, lgb.LGBMModel):
        if LIGHTGBM >= (3, 3):
            return model.fit(data, target, eval_set=[held],
                             callbacks=[lgb.early_stopping(3, verbose=False)])
        return model.fit(data, target, eval_set=[held], early_stopping_rounds=3, verbose=False)
    if XGBOOST >= (1, 6):
        return model.set_params(early_stopping_rounds=3).fit(data, target, eval_set=[held],
                                                             verbose=False)
    return model.fit(data, target, eval_set=[held], early_stopping_rounds=3, verbose=False)


def words_of(classes):
    return np.array(["no", "perhaps", "yes, \u00e9"])[classes]


def xgboost_models(rng, data, target):
    """Name, estimator or Booster."""
    held = make_data(rng, 150)
    classes = np.digitize(target, [-0.7, 0.7])
    two = (target > 0).astype(int)
    options = dict(n_estimators=7, max_depth=4, random_state=int(rng.randint(1000)))
    labelled = XGBOOST < (1, 6)  # later only the integers from 0 on
    yield "binary", xgb.XGBClassifier(**options).fit(data, two * 3 + 5 if labelled else two)
    yield "words", xgb.XGBClassifier(**options).fit(
        data, words_of(two) if labelled else two)
    yield "classes", xgb.XGBClassifier(**options).fit(
        data, words_of(classes) if labelled else classes)
    yield "stopped", fit_stopping(xgb.XGBClassifier(**dict(options, n_estimators=60,
                                                           learning_rate=0.6)),
                                  data, two, (held[0], (held[1] > 0).astype(int)))
    yield "stopped classes", fit_stopping(
        xgb.XGBClassifier(**dict(options, n_estimators=60, learning_rate=0.6)), data, classes,
        (held[0], np.digitize(held[1], [-0.7, 0.7])))
    yield "stopped parallel", fit_stopping(
        xgb.XGBRegressor(**dict(options, n_estimators=40, learning_rate=0.7, num_parallel_tree=3,
                                subsample=0.7)), data, target, held)
    yield "value", xgb.XGBRegressor(**options).fit(data, target)
    yield "base", xgb.XGBRegressor(base_score=0.3, **options).fit(data, target)
    yield "raw", xgb.XGBClassifier(objective="binary:logitraw", base_score=0.3, **options).fit(
        data, two)
    if XGBOOST >= (2, 0):
        both = np.c_[target, -2 * target]
        yield "targets", xgb.XGBRegressor(**options).fit(data, both)
        yield "vectors", xgb.XGBRegressor(multi_strategy="multi_output_tree", tree_method="hist",
                                          **options).fit(data, both)
        yield "labels", xgb.XGBClassifier(**options).fit(data, np.c_[two, 1 - two])
    yield "dart", xgb.XGBRegressor(booster="dart", **options).fit(data, target)
    if XGBOOST >= (1, 0):  # before, predict drops trees at random
        yield "dropped classes", xgb.XGBClassifier(booster="dart", rate_drop=0.4, **options).fit(
            data, classes)
        yield "dropped", xgb.XGBRegressor(booster="dart", rate_drop=0.4, **options).fit(data,
                                                                                        target)
    if (1, 3) <= XGBOOST < (2, 0):
        yield "dropped, by matrix", xgb.XGBRegressor(booster="dart", rate_drop=0.4,
                                                     predictor="cpu_predictor", **options).fit(
                                                         data, target)
    yield "counts", xgb.XGBRegressor(objective="count:poisson", **options).fit(
        data, np.round(np.exp(np.clip(target, -2, 2))))
    yield "forest", xgb.XGBRFClassifier(**options).fit(data, two)
    yield "forest value", xgb.XGBRFRegressor(**options).fit(data, target)
    ranked = xgb.XGBRanker(**options)
    if XGBOOST >= (1, 4):
        ranked.fit(data, np.clip(classes, 0, 2), qid=np.arange(len(data)) // 20)
    else:
        ranked.fit(data, np.clip(classes, 0, 2), [20] * (len(data) // 20))
    yield "ranks", ranked
    yield "Booster", xgb.XGBRegressor(**options).fit(data, target).get_booster()
    stopped = fit_stopping(xgb.XGBRegressor(**dict(options, n_estimators=60, learning_rate=0.6)),
                           data, target, held)
    yield "stopped Booster", stopped.get_booster()
    names = ["first", "second name", "\u00e4", "d", "e", "f"]
    yield "named Booster", xgb.train({"max_depth": 3, "verbosity": 0},
                                     xgb.DMatrix(data, target, feature_names=names), 5)
    marked = np.where(np.isnan(data), -999.0, data)
    yield "missing is -999", xgb.XGBClassifier(missing=-999, **options).fit(marked, two)
    yield "missing is 0.1", xgb.XGBRegressor(missing=0.1, **options).fit(
        np.where(np.isnan(data), 0.1, data), target)
    yield "missing is 0", xgb.XGBRegressor(missing=0, **options).fit(
        np.nan_to_num(data), target)
    yield "search", GridSearchCV(xgb.XGBClassifier(**options), {"max_depth": [2, 3]},
                                 cv=2).fit(data, two)


def lightgbm_models(rng, data, target):
    held = make_data(rng, 150)
    classes = np.digitize(target, [-0.7, 0.7])
    two = (target > 0).astype(int)
    options = dict(n_estimators=7, num_leaves=15, min_child_samples=5,
                   random_state=int(rng.randint(1000)))
    if LIGHTGBM >= (3, 3):
        options["verbose"] = -1
    stop = dict(options, n_estimators=60, learning_rate=0.6)
    yield "binary", lgb.LGBMClassifier(**options).fit(data, two * 3 + 5)
    yield "words", lgb.LGBMClassifier(**options).fit(data, words_of(two))
    yield "classes", lgb.LGBMClassifier(**options).fit(data, words_of(classes))
    yield "truth", lgb.LGBMClassifier(**options).fit(data, two.astype(bool))
    yield "stopped", fit_stopping(lgb.LGBMClassifier(**stop), data, words_of(two),
                                  (held[0], words_of((held[1] > 0).astype(int))))
    yield "stopped classes", fit_stopping(lgb.LGBMClassifier(**stop), data, classes,
                                          (held[0], np.digitize(held[1], [-0.7, 0.7])))
    yield "value", lgb.LGBMRegressor(**options).fit(data, target)
    yield "stopped value", fit_stopping(lgb.LGBMRegressor(**stop), data, target, held)
    yield "counts", lgb.LGBMRegressor(objective="poisson", **options).fit(
        data, np.round(np.exp(np.clip(target, -2, 2))))
    yield "forest", lgb.LGBMRegressor(boosting_type="rf", subsample=0.7, subsample_freq=1,
                                      **options).fit(data, target)
    yield "dart", lgb.LGBMClassifier(boosting_type="dart", **options).fit(data, two)
    yield "ranks", lgb.LGBMRanker(**options).fit(data, np.clip(classes, 0, 2),
                                                 group=[20] * (len(data) // 20))
    yield "Booster", lgb.LGBMRegressor(**options).fit(data, target).booster_
    yield "stopped Booster", fit_stopping(lgb.LGBMRegressor(**stop), data, target, held).booster_
    yield "search", GridSearchCV(lgb.LGBMClassifier(**options), {"num_leaves": [4, 8]},
                                 cv=2).fit(data, words_of(two))


def search_models(rng, data, target):
    data = np.nan_to_num(data)
    two = (target > 0).astype(int)
    forest = RandomForestClassifier(n_estimators=5, random_state=1)
    yield "grid", GridSearchCV(forest, {"max_depth": [2, 4]}, cv=2).fit(data, words_of(two))
    yield "random", RandomizedSearchCV(ExtraTreesRegressor(n_estimators=4, random_state=2),
                                       {"max_depth": [2, 4, 6]}, n_iter=2, cv=2,
                                       random_state=3).fit(data, target)
    if SKLEARN >= (0, 24):
        from sklearn.experimental import enable_halving_search_cv
        from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV
        yield "halving", HalvingGridSearchCV(forest, {"max_depth": [2, 4]}, cv=2).fit(data, two)
        yield "halving random", HalvingRandomSearchCV(forest, {"max_depth": [2, 4]}, cv=2,
                                                      random_state=4).fit(data, two)


# --- What the trainers say ------------------------------------------------------------------------

def booster_of(model):
    model = getattr(model, "best_estimator_", model)
    if xgb and isinstance(model, xgb.XGBModel):
        return model.get_booster()
    if lgb and isinstance(model, lgb.LGBMModel):
        return model.booster_
    return model


def matrix_of(booster, rows, missing=np.nan):
    return xgb.DMatrix(rows, feature_names=booster.feature_names, missing=missing)


def margins_of(model, rows):
    model = getattr(model, "best_estimator_", model)
    if lgb and isinstance(model, (lgb.LGBMModel, lgb.Booster)):
        return model.predict(rows, raw_score=True)
    if xgb and isinstance(model, xgb.Booster):
        return model.predict(matrix_of(model, rows), output_margin=True)
    return model.predict(rows, output_margin=True)


def leaves_of(model, rows):
    """Of all trees; which of them predict uses is seen in the margins."""
    booster = booster_of(model)
    if lgb and isinstance(booster, lgb.Booster):
        leaves = booster.predict(rows, pred_leaf=True, num_iteration=-1)
    else:
        missing = getattr(model, "missing", None)
        leaves = booster.predict(matrix_of(booster, rows, np.nan if missing is None else missing),
                                 pred_leaf=True)
    return leaves.reshape(len(rows), -1).astype(np.int64)


def boosts(model):
    return isinstance(booster_of(model), tuple(one.Booster for one in (xgb, lgb) if one))


def name_of(model):
    inner = getattr(model, "best_estimator_", None)
    name = type(model).__name__
    return name if inner is None else "%s of %s" % (name, type(inner).__name__)


def is_estimator(model):
    return hasattr(model, "get_params")


def outputs_of(model, rows):
    """Further outputs: name, the trainer's answer, whether it may go through exp."""
    if not is_estimator(model):
        return
    if hasattr(model, "classes_") or hasattr(model, "predict_proba"):
        yield "class", model.predict(rows), False
        yield "probability", model.predict_proba(rows), boosts(model)
    else:
        yield "value", model.predict(rows), boosts(model)


# --- Comparing ------------------------------------------------------------------------------------

class PickleProver(Prover):
    exact_types = False

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.verbose = False
        self.files = 0
        self.absent = set()  # outputs that the converter does not give yet

    def write_rows(self, rows):
        with open(self.path("rows.npy"), "wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(rows), version=(1, 0))

    def compare(self, what, rows, wanted, linked, kind):
        self.write_rows(rows)
        wanted = np.asarray(wanted)
        self.compare_output(kind, wanted, what, linked and wanted.dtype.kind == "f")

    def compare_outputs(self, what, rows, model):
        self.write_rows(rows[:2])
        for name, wanted, linked in outputs_of(model, rows):
            failed, _ = self.predict(name)
            if failed and "output" in failed:
                self.absent.add(name)
            else:
                self.compare(what, rows, wanted, linked, name)

    def compare_model(self, what, rows, model):
        self.about(*TRAINERS[what.split(",")[0]] + (name_of(model) + " in a pickle", model))
        if not boosts(model):
            rows = np.nan_to_num(rows)  # a forest
            self.compare_outputs(what, rows, model)
            return
        for one in (rows, rows.astype(np.float32)):
            self.compare(what, one, margins_of(model, one), False, "margin")
        self.compare_outputs(what, rows, model)
        leaves = leaves_of(model, rows)
        self.write_rows(rows)
        failed, found = self.predict("leaf")
        if failed:
            self.complain(what, failed)
            return
        found = found.reshape(len(rows), -1)
        self.compare_arrays("leaf", found, leaves[:, :found.shape[1]], what)

    def convert(self, what, data, select=None, suffix=".pkl"):
        self.files += 1
        with open(self.path("model" + suffix), "wb") as file:
            file.write(data)
        options = ["--select", select] if select else []
        failed = self.run("convert", self.path("model" + suffix), "-o",
                          self.path("model.espalier"), *options)
        if failed:
            self.complain(what, failed)
        if self.run("info", self.path("model" + suffix)):
            self.complain(what, "info refuses it")
        return not failed


def dumps(model, rng, everything):
    """The forms of a file: name and bytes. One at random, or all."""
    forms = [("protocol %d" % number, lambda number=number: pickle.dumps(model, number))
             for number in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for container in CONTAINERS:
        def write(container=container):
            stream = io.BytesIO()
            joblib.dump(model, stream, compress=container or 0)
            return stream.getvalue()
        forms.append(("joblib %s" % (container[0] if container else "plain"), write))
    for name, write in forms if everything else [forms[rng.randint(len(forms))]]:
        yield name, write()


def prove(prover, rng, library, models, data, target):
    found = list(enumerate(models(rng, data, target)))
    for index, (name, model) in found[::max(1, len(found) // share(len(found)))]:
        rows = make_rows(rng, data, thresholds_of(booster_of(model)) if boosts(model) else [])
        missing = getattr(model, "missing", None)
        if missing is not None and missing == missing:
            rows = np.where(np.isnan(rows) | (rng.rand(*rows.shape) < 0.2), missing, rows)
        for form, content in dumps(model, rng, index < 2):
            what = "%s, %s, %s" % (library, form, name)
            if prover.verbose:
                print(what, flush=True)
            if prover.convert(what, content):
                prover.compare_model(what, rows, model)
        wrapped = {"about": [1, "two"], "models": [None, model], "again": model}
        what = "%s, inside, %s" % (library, name)
        if prover.convert(what, pickle.dumps(wrapped, 4), "models[1]"):
            prover.compare_model(what, rows, model)


def prove_refused(prover, data, target):
    """What must be refused, and how."""
    two = (target > 0).astype(int)
    cases = []
    if xgb:
        linear = xgb.XGBRegressor(booster="gblinear", n_estimators=3)
        linear.fit(np.nan_to_num(data), target)
        cases += [("gblinear", linear, "gblinear"), ("gblinear", linear.get_booster(), "gblinear"),
                  ("unfitted", xgb.XGBClassifier(), "never fitted"),
                  ("search", GridSearchCV(xgb.XGBClassifier(), {"max_depth": [1]}, refit=False,
                                          cv=2).fit(data, two), "refit=False")]
    if lgb:
        cases += [("unfitted", lgb.LGBMClassifier(), "never fitted")]
    for name, model, words in cases:
        with open(prover.path("refused.pkl"), "wb") as file:
            pickle.dump(model, file, 2)
        prover.files += 1
        failed = prover.run("convert", prover.path("refused.pkl"), "-o",
                            prover.path("refused.espalier"))
        if failed is None or words not in failed or os.path.exists(
                prover.path("refused.espalier")):
            prover.complain("refused " + name, failed or "converted")


def show_routes(prover, data, target):
    """The trainers with themselves: what predict says once more, and with two threads."""
    models = []
    if xgb:
        options = dict(n_estimators=20, max_depth=4, n_jobs=1)
        models += [("XGBoost", xgb.XGBRegressor(**options)),
                   ("XGBoost", xgb.XGBRegressor(booster="dart", rate_drop=0.4, **options))]
    if lgb:
        models += [("LightGBM", lgb.LGBMRegressor(n_estimators=20, n_jobs=1))]
    for library, model in models:
        model.fit(data, target)
        dart = getattr(model, "booster", None) == "dart"
        name = type(model).__name__ + (", dart" if dart else "")
        prover.about(*TRAINERS[library] + (name, model))
        once = model.predict(data)
        prover.compare_route("value", AGAIN, once, model.predict(data))
        if library == "LightGBM":
            prover.compare_route("value", THREADS, once, model.booster_.predict(data,
                                                                                num_threads=2))
        elif not dart:
            model.get_booster().set_param({"nthread": 2})
            prover.compare_route("value", THREADS, once, model.predict(data))


def prove_all(prover, arguments):
    prover.verbose = arguments.verbose
    rng = np.random.RandomState(arguments.seed)
    for _ in range(arguments.rounds):
        data, target = make_data(rng)
        if xgb:
            prove(prover, rng, "XGBoost", xgboost_models, data, target)
        if lgb:
            prove(prover, rng, "LightGBM", lightgbm_models, data, target)
        prove(prover, rng, "scikit-learn", search_models, data, target)
        prove_refused(prover, data, target)
    show_routes(prover, *make_data(rng))
    if prover.absent:
        print("not given: " + ", ".join(sorted(prover.absent)))
    return "%d files of %s" % (prover.files, ", ".join(" ".join(one) for one in TRAINERS.values()))


if __name__ == "__main__":
    sys.exit(run(prove_all, PickleProver, rounds=1))
