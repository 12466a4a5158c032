# SPDX-License-Identifier: Apache-2.0
"""Pickles and dumps estimators of XGBoost and LightGBM, and records their own answers.

    python train_pickles.py OUTPUT_FOLDER MANIFEST_PART

Runs inside an environment of one version of each (Python 3.7 or newer) and scikit-learn. Must never
compute an expected answer by itself: everything expected is what the estimator's own predict gave.
"""
import pickle
import sys
import warnings

import joblib
import lightgbm as lgb
import numpy as np
import sklearn
import xgboost as xgb
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier

from fixture_folder import FixtureFolder, write_npy
from prove_pickles import (fit_stopping, leaves_of, make_data, make_rows, margins_of,
                           thresholds_of, words_of)

warnings.filterwarnings("ignore")

XGBOOST = tuple(int(part) for part in xgb.__version__.split(".")[:2])
LIGHTGBM = tuple(int(part) for part in lgb.__version__.split(".")[:2])
MISSING = -1.0  # a value of the data, so that other rows have it too
LINKED = "~"  # behind exp: two units in the last place


class PickleSet(FixtureFolder):
    def line(self, name, version, estimator, purpose, select="-", cases="-", refused="-"):
        self.add_line(name, version, estimator, purpose, select, cases, refused)

    def write_answers(self, stem, rows, found):
        """Rows of float64 and float32; the answers to both are the same if both are given."""
        parts = [stem + ".rows.npy"]
        write_npy(self.path(parts[0]), rows)
        for key in sorted(found):
            name = "%s.%s.npy" % (stem, key.strip(LINKED))
            write_npy(self.path(name), found[key])
            parts.append("%s=%s" % (key, name))
        return " ".join(parts)

    def dump(self, name, thing, how):
        """how: a protocol, or what joblib calls a compression."""
        with open(self.path(name), "wb") as file:
            if isinstance(how, int):
                pickle.dump(thing, file, how)
            else:
                joblib.dump(thing, file, compress=how)


def answers(model, rows, linked):
    """Of an estimator; linked: its value is behind exp. Leaves where all trees are used."""
    found = {"margin": margins_of(model, rows)}
    leaves = leaves_of(model, rows)
    inner = getattr(model, "best_estimator_", model)
    if isinstance(inner, (xgb.Booster, lgb.Booster)):
        return dict(found, leaf=leaves)
    if hasattr(inner, "predict_proba"):
        found.update({"class": np.asarray(model.predict(rows)),
                      "probability" + LINKED: model.predict_proba(rows)})
    else:
        found["value" + (LINKED if linked else "")] = model.predict(rows)
    return found


def with_strings(array):
    """Objects as fixed-width text, as the command gives them."""
    return array.astype(str) if array.dtype.kind == "O" else array


def add(out, stem, how, model, purpose, data, linked=False, inside=None):
    rng = np.random.RandomState(len(stem))
    booster = getattr(model, "best_estimator_", model)
    booster = getattr(booster, "booster_", None) or (
        booster.get_booster() if isinstance(booster, xgb.XGBModel) else booster)
    rows = make_rows(rng, data, thresholds_of(booster))[90:130]
    if getattr(model, "missing", None) == MISSING:
        rows = np.where(np.isnan(rows), MISSING, rows)
    found = {key: with_strings(value) for key, value in answers(model, rows, linked).items()}
    if "class" in found and "probability" + LINKED not in found:
        raise AssertionError(stem)
    name = stem + (".pkl" if isinstance(how, int) else ".joblib")
    out.dump(name, inside(model) if inside else model, how)
    version = xgb.__version__ if stem.startswith("xgb") else lgb.__version__
    out.line(name, version, type(model).__name__, purpose,
             cases=out.write_answers(stem, rows, found))


def add_xgboost(out, data, target, held):
    two = (target > 0).astype(int)
    classes = np.digitize(target, [-0.7, 0.7])
    options = dict(n_estimators=4, max_depth=3, random_state=1)
    stop = dict(options, n_estimators=40, learning_rate=0.7)
    labelled = XGBOOST < (1, 6)
    add(out, "xgb_binary", 2, xgb.XGBClassifier(**options).fit(
        data, words_of(two) if labelled else two), "classes of an encoder", data)
    add(out, "xgb_classes", ("zlib", 3), xgb.XGBClassifier(**options).fit(
        data, classes * 10 if labelled else classes), "three classes", data)
    add(out, "xgb_stopped", 4, fit_stopping(xgb.XGBClassifier(**stop), data, two,
                                            (held[0], (held[1] > 0).astype(int))),
        "stopped early", data)
    add(out, "xgb_dart", ("xz", 3), xgb.XGBRegressor(booster="dart", base_score=0.3, **options).fit(
        data, target), "dart", data)
    add(out, "xgb_counts", 3, xgb.XGBRegressor(objective="count:poisson", **options).fit(
        data, np.round(np.exp(np.clip(target, -2, 2)))), "a link", data, linked=True)
    add(out, "xgb_forest", 0, xgb.XGBRFRegressor(**options).fit(data, target),
        "a random forest, protocol 0", data)
    stopped = fit_stopping(xgb.XGBRegressor(**stop), data, target, held)
    add(out, "xgb_booster", pickle.HIGHEST_PROTOCOL, stopped.get_booster(),
        "a Booster uses all iterations", data)
    search = GridSearchCV(xgb.XGBClassifier(**options), {"max_depth": [1, 2]}, cv=2)
    add(out, "xgb_search", 4, search.fit(data, two), "a search, inside a dict", data,
        inside=lambda model: {"columns": ["a"], "model": (1, model)})


def add_missing(out, data, target):
    model = xgb.XGBRegressor(missing=MISSING, n_estimators=2, max_depth=2)
    add(out, "xgb_missing", 4, model.fit(np.nan_to_num(data), target), "missing=-1", data)


def add_lightgbm(out, data, target, held):
    two = (target > 0).astype(int)
    classes = np.digitize(target, [-0.7, 0.7])
    options = dict(n_estimators=4, num_leaves=6, min_child_samples=5, random_state=1)
    options.update({"verbose": -1} if LIGHTGBM >= (3, 3) else {})
    stop = dict(options, n_estimators=40, learning_rate=0.6)
    add(out, "lgb_binary", 2, lgb.LGBMClassifier(**options).fit(data, words_of(two)),
        "labels of text", data)
    add(out, "lgb_classes", ("gzip", 3), lgb.LGBMClassifier(**options).fit(data, classes * 10),
        "three classes", data)
    add(out, "lgb_stopped", 4, fit_stopping(lgb.LGBMClassifier(**stop), data, two.astype(bool),
                                            (held[0], held[1] > 0)), "stopped early", data)
    add(out, "lgb_forest", 3, lgb.LGBMRegressor(boosting_type="rf", subsample=0.7,
                                                subsample_freq=1, **options).fit(data, target),
        "a random forest", data)
    add(out, "lgb_counts", ("bz2", 3), lgb.LGBMRegressor(objective="poisson", **options).fit(
        data, np.round(np.exp(np.clip(target, -2, 2)))), "a link", data, linked=True)
    add(out, "lgb_booster", 2, lgb.LGBMRegressor(**options).fit(data, target).booster_,
        "a Booster", data)


def add_searches(out, data, target):
    plain = np.nan_to_num(data)
    forest = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=1)
    models = [("grid", GridSearchCV(forest, {"max_depth": [1, 2]}, cv=2)),
              ("random", RandomizedSearchCV(forest, {"max_depth": [1, 2, 3]}, n_iter=2, cv=2,
                                            random_state=1))]
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (0, 24):
        from sklearn.experimental import enable_halving_search_cv
        from sklearn.model_selection import HalvingGridSearchCV
        models.append(("halving", HalvingGridSearchCV(forest, {"max_depth": [1, 2]}, cv=2)))
    rows = plain[:40]
    for name, model in models:
        model.fit(plain, words_of((target > 0).astype(int)))
        out.dump("search_%s.pkl" % name, model, 4)
        found = {"class": model.predict(rows), "probability": model.predict_proba(rows)}
        out.line("search_%s.pkl" % name, sklearn.__version__, type(model).__name__,
                 "the best estimator", cases=out.write_answers("search_" + name, rows, found))


def add_members(out, data, target):
    """Estimators of scikit-learn: members that answer in float32, and one with margins."""
    plain = np.nan_to_num(data)
    classes = np.digitize(target, [-0.7, 0.7])
    options = dict(n_estimators=2, max_depth=2, random_state=1, n_jobs=1)
    inside = {"estimator": xgb.XGBRegressor(**options), "n_estimators": 2, "random_state": 1}
    leaves = lgb.LGBMClassifier(n_estimators=1, num_leaves=3, n_jobs=1, verbose=-1)
    models = [("bagging", BaggingRegressor(max_features=3, **inside), target, "a sum of float32"),
              ("median", AdaBoostRegressor(**inside), target, "a median of float32"),
              ("rest", OneVsRestClassifier(xgb.XGBClassifier(**options)), classes,
               "shares of float32"),
              ("calibrated", CalibratedClassifierCV(leaves, ensemble=False, cv=2), target > 0,
               "of LightGBM's decision_function")]
    rows = plain[:12]
    for name, model, wanted, purpose in models:
        model.fit(plain, wanted)
        out.dump("members_%s.joblib" % name, model, ("xz", 9))
        found = ({"value": model.predict(rows)} if not hasattr(model, "predict_proba") else
                 {"class": model.predict(rows), "probability" + LINKED: model.predict_proba(rows)})
        out.line("members_%s.joblib" % name, sklearn.__version__, type(model).__name__, purpose,
                 cases=out.write_answers("members_" + name, rows, found))


def add_refused(out, data, target):
    options = dict(n_estimators=2, max_depth=2)
    linear = xgb.XGBRegressor(booster="gblinear", n_estimators=2).fit(np.nan_to_num(data), target)
    forest = RandomForestClassifier(n_estimators=2, max_depth=1)
    cases = [("linear", linear, "gblinear"), ("linear_booster", linear.get_booster(), "gblinear"),
             ("xgb_unfitted", xgb.XGBClassifier(), "never fitted"),
             ("lgb_unfitted", lgb.LGBMRanker(), "never fitted"),
             ("no_refit", GridSearchCV(forest, {"max_depth": [1]}, refit=False, cv=2).fit(
                 np.nan_to_num(data), (target > 0).astype(int)), "best_estimator_ refit=False")]
    for name, model, words in cases:
        out.dump("refused_%s.pkl" % name, model, 4)
        out.line("refused_%s.pkl" % name, xgb.__version__, type(model).__name__, "not supported",
                 refused=words)


def main():
    root, manifest = sys.argv[1:3]
    out = PickleSet(root, "boosted-%s-%s" % (xgb.__version__, lgb.__version__))
    rng = np.random.RandomState(7)
    data, target = make_data(rng, 300, 5)
    held = make_data(rng, 150, 5)
    add_xgboost(out, data, target, held)
    add_missing(out, data, target)
    add_lightgbm(out, data, target, held)
    add_searches(out, data, target)
    if XGBOOST >= (3, 4):
        add_members(out, data, target)
    add_refused(out, data, target)
    out.write_manifest(manifest, out.folder)


if __name__ == "__main__":
    main()
