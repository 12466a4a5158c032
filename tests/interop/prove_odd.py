# SPDX-License-Identifier: Apache-2.0
"""Hundreds of small and odd trainings of every trainer, converted and compared.

    python prove_odd.py --espalier PATH [--models N] [--seed N] [--only TRAINER] [--verbose]

Runs inside an environment with scikit-learn and, if they are there, XGBoost and LightGBM; not part
of the test suite. --models is the number for each trainer. A training takes some oddities of a
list: one row or two, one class, two hundred classes, constant features, features of one value and
NaN, huge, denormal and neighbouring values, duplicate rows, trees that may not split. What a
trainer refuses to train is counted and left. Each model is converted in one layout, another from
model to model, and asked for its outputs; what goes through exp may differ by 2 ulp, all else not
at all. The seed of a difference is printed with it; exit 1 if there is any.
"""
import argparse
import collections
import os
import pickle
import sys
import tempfile
import warnings

import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, IsolationForest,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

try:
    import xgboost as xgb
except ImportError:
    xgb = None
try:
    import lightgbm as lgb
except ImportError:
    lgb = None

from fixture_set import FLOAT32_MAX, fixed_width, write_npy
from proving import LAYOUTS, Prover, share

warnings.filterwarnings("ignore")

VALUES = {
    "plain": [0.0, -0.0, 1.0, -1.0, 0.5, 0.25, 2.0, 3.0],
    "denormal": [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.17549435e-38, 2.3e-308],
    "huge": [FLOAT32_MAX, -FLOAT32_MAX, 1e38, -1e38, 3e37, 1e30, 0.0, 1.0],
    "near": [1.0, float(np.nextafter(np.float32(1), np.float32(2))), float(np.nextafter(1.0, 2.0)),
             float(np.nextafter(1.0, 0.0)), float(np.nextafter(np.float32(1), np.float32(0)))],
}

# What the converter refuses, as docs/semantics.md says: counts that are all 0; one class.
DECLINED = ("gives no finite margin with count:poisson", "trained on a single class")


class OddProver(Prover):
    exact_types = False

    def __init__(self, espalier, folder):
        Prover.__init__(self, espalier, folder)
        self.models = collections.Counter()
        self.untrained = collections.Counter()
        self.declined = 0

    def convert_one(self, source, what, index):
        """In one layout, or as the converter likes where that cannot hold the model."""
        layout = LAYOUTS[index % len(LAYOUTS)]
        options = ["--layout", layout] if layout != "automatic" else []
        arguments = ("convert", source, "-o", self.path("model.espalier"))
        failed = self.run(*(arguments + tuple(options)))
        if failed and layout == "mask" and "cannot hold it" in failed:
            self.refused += 1
            failed = self.run(*arguments)
        if failed and any(one in failed for one in DECLINED):
            self.declined += 1
        elif failed:
            self.complain(what, failed)
        return not failed

    def compare(self, source, answers, rows, what, index):
        """answers: of rows, {output: (array, linked)}"""
        if not self.convert_one(source, what, index):
            return
        with np.errstate(all="ignore"):
            asked = rows.astype(np.float32) if index % 2 else rows
        write_npy(self.path("rows.npy"), asked)
        found = answers(asked)
        for kind, (wanted, linked) in found.items():
            scale = found["score"][0] if "score" in found and wanted.dtype.kind == "f" else None
            self.compare_output(kind, wanted, what, linked, scale)


# --- Data -----------------------------------------------------------------------------------------

def choose(rng, *values):
    return values[rng.randint(len(values))]


def make_matrix(rng, missing):
    """Features of several odd kinds side by side."""
    count, width = int(choose(rng, 1, 2, 3, 10, 60, 250)), int(choose(rng, 1, 1, 2, 5, 33))
    data = np.empty((count, width))
    for feature in range(width):
        kind = choose(rng, "constant", "normal", "integers", *sorted(VALUES))
        if kind == "constant":
            data[:, feature] = choose(rng, 0.0, 1.0, -3.5, 1e-45)
        elif kind == "normal":
            data[:, feature] = rng.randn(count)
        elif kind == "integers":
            data[:, feature] = rng.randint(-2, 3, size=count)
        else:
            data[:, feature] = rng.choice(VALUES[kind], size=count)
        if missing and rng.randint(4) == 0:
            data[rng.rand(count) < choose(rng, 0.2, 1.0), feature] = np.nan
    if rng.randint(4) == 0:
        data[:] = data[rng.randint(len(data), size=len(data)) // 2]
    return data


def make_rows(rng, data, thresholds, missing):
    """Rows of the data, and values anywhere that are the data's, thresholds, and beside them."""
    values = [0.0, -0.0, 5e-324, -1e-45, FLOAT32_MAX, -FLOAT32_MAX, 1e-35, 1.0]
    values += [np.nan] if missing else []
    for one in [one for one in thresholds if np.isfinite(one)][:40]:
        with np.errstate(all="ignore"):
            narrow = np.float32(one)
            near = [one, np.nextafter(one, np.inf), np.nextafter(one, -np.inf), narrow,
                    np.nextafter(narrow, np.float32(np.inf)),
                    np.nextafter(narrow, np.float32(-np.inf))]
        values += [float(value) for value in near if abs(value) <= FLOAT32_MAX]
    rows = data[rng.randint(len(data), size=40)].copy()
    chosen = rng.rand(*rows.shape) < 0.5
    rows[chosen] = rng.choice(values, size=np.count_nonzero(chosen))
    return rows


def make_classes(rng, count):
    """Codes from 0 on, all there: one class, two, a few, or as many as rows, up to 200."""
    number = min(count, int(choose(rng, 1, 2, 2, 3, 200)))
    codes = rng.randint(number, size=count)
    codes[:number] = np.arange(number)
    return codes


def make_values(rng, count):
    kind = rng.randint(4)
    if kind == 0:
        return np.full(count, choose(rng, 0.0, -1.5, 1e-300))
    return rng.randn(count) * (1e30 if kind == 1 else 1e-30 if kind == 2 else 1)


# --- scikit-learn ---------------------------------------------------------------------------------

def sklearn_thresholds(model):
    if hasattr(model, "_predictors"):
        nodes = np.concatenate([one.nodes for pair in model._predictors for one in pair])
        name = "num_threshold" if "num_threshold" in nodes.dtype.names else "threshold"
        return np.unique(nodes[name][nodes["is_leaf"] == 0]).tolist()
    trees = [model] if hasattr(model, "tree_") else np.ravel(model.estimators_)
    return np.unique(np.concatenate([one.tree_.threshold[one.tree_.children_left >= 0]
                                     for one in trees])).tolist()


def sklearn_answers(model, rows):
    if isinstance(model, IsolationForest):
        return {"score": (model.score_samples(rows), True),
                "margin": (model.decision_function(rows), True),
                "class": (model.predict(rows), False)}
    boosts = "Boosting" in type(model).__name__
    found = {}
    if hasattr(model, "predict_proba"):
        found["probability"] = (model.predict_proba(rows), boosts)
        found["class"] = (fixed_width(model.predict(rows)), False)
        if boosts:
            starts = isinstance(model, GradientBoostingClassifier)
            found["margin"] = (model.decision_function(rows), starts)
    else:
        linked = getattr(model, "loss", "") in ("poisson", "gamma")
        found["value"] = (model.predict(rows), linked)
    if hasattr(model, "apply"):
        found["leaf"] = (np.asarray(model.apply(rows)).astype(np.int64), False)
    return found


def make_sklearn(rng):
    seed = int(rng.randint(1 << 30))
    many = dict(n_estimators=int(choose(rng, 1, 2, 7)), random_state=seed)
    tree = dict(max_depth=choose(rng, None, 1, 3), max_leaf_nodes=choose(rng, None, 2, 5))
    tree["min_samples_split"] = choose(rng, 2, 2, 10 ** 6)  # depth 0
    histogram = dict(max_iter=int(choose(rng, 1, 3)), min_samples_leaf=choose(rng, 1, 20),
                     max_leaf_nodes=choose(rng, 2, 31), max_bins=choose(rng, 2, 255),
                     random_state=seed)
    if VERSION >= (0, 23):
        histogram["early_stopping"] = False
    boosted = dict(many, **dict(tree, max_depth=choose(rng, 1, 3)))
    return choose(
        rng, DecisionTreeClassifier(random_state=seed, **tree),
        DecisionTreeRegressor(random_state=seed, **tree),
        RandomForestClassifier(**dict(many, **tree)), RandomForestRegressor(**dict(many, **tree)),
        ExtraTreesClassifier(**dict(many, **tree)), ExtraTreesRegressor(**dict(many, **tree)),
        GradientBoostingClassifier(**boosted), GradientBoostingRegressor(**boosted),
        HistGradientBoostingClassifier(**histogram), HistGradientBoostingRegressor(**histogram),
        IsolationForest(**many))


def train_sklearn(rng, prover):
    model = make_sklearn(rng)
    missing = type(model).__name__.startswith("Hist")
    data = make_matrix(rng, missing)
    if isinstance(model, IsolationForest):
        target = None
    elif hasattr(type(model), "predict_proba"):
        target = make_classes(rng, len(data))
        words = rng.randint(3) == 0
        target = np.array(["c%d" % one for one in target]) if words else target * 2 - 1
    else:
        target = make_values(rng, len(data))
    model.fit(data, target)
    with open(prover.path("model.pkl"), "wb") as file:
        pickle.dump(model, file)
    prover.about("scikit-learn", sklearn.__version__, type(model).__name__)
    rows = make_rows(rng, data, sklearn_thresholds(model), missing)
    return prover.path("model.pkl"), lambda asked: sklearn_answers(model, asked), rows


# --- XGBoost and LightGBM -------------------------------------------------------------------------

def numbers_behind(words, text):
    """All numbers behind a word of a dump."""
    found = set()
    for part in text.split(words)[1:]:
        number = part.split("]")[0].split("\n")[0]
        found.update(float(one) for one in number.split() if one[-1:].isdigit())
    return sorted(found)


def xgboost_answers(model, objective, rows):
    data = xgb.DMatrix(rows)
    leaf = model.predict(data, pred_leaf=True).reshape(len(rows), -1)
    linked = objective in ("binary:logistic", "multi:softprob", "count:poisson")
    return {"margin": (model.predict(data, output_margin=True), False),
            "leaf": (leaf.astype(np.int64), False), "value": (model.predict(data), linked)}


def train_xgboost(rng, prover):
    data = make_matrix(rng, True)
    objective = choose(rng, "reg:squarederror", "binary:logistic", "multi:softprob",
                       "count:poisson", "binary:hinge")
    options = dict(objective=objective, nthread=1, verbosity=0, seed=int(rng.randint(1 << 30)),
                   max_depth=int(choose(rng, 1, 3, 7)), eta=choose(rng, 1.0, 0.3, 1e-10),
                   tree_method=choose(rng, "exact", "hist", "approx"), reg_lambda=choose(rng, 0, 1),
                   min_child_weight=choose(rng, 0, 1, 1e9))  # the last: depth 0
    if objective == "multi:softprob":
        target = make_classes(rng, len(data))
        options["num_class"] = int(choose(rng, 1, 1 + target.max(), 200, 3 + target.max()))
    elif objective.startswith("binary"):
        target = make_classes(rng, len(data)) % 2
    else:
        target = np.abs(make_values(rng, len(data)).astype(np.float32))
    model = xgb.train(options, xgb.DMatrix(data, target), int(choose(rng, 1, 1, 4)))
    model.save_model(prover.path("model.json"))
    prover.about("XGBoost", xgb.__version__, "Booster, small and odd")
    thresholds = numbers_behind("<", "\n".join(model.get_dump()))
    rows = make_rows(rng, data, thresholds, True)
    return prover.path("model.json"), lambda asked: xgboost_answers(model, objective, asked), rows


# With two, LightGBM 2 ends the whole process.
BINS_MIN = 2 if lgb and int(lgb.__version__.split(".")[0]) >= 3 else 15


def lightgbm_answers(model, linked, rows):
    leaf = model.predict(rows, pred_leaf=True).reshape(len(rows), -1)
    return {"margin": (model.predict(rows, raw_score=True), False),
            "leaf": (leaf.astype(np.int64), False), "value": (model.predict(rows), linked)}


def train_lightgbm(rng, prover):
    data = make_matrix(rng, True)
    objective = choose(rng, "regression", "binary", "multiclass", "poisson", "regression_l1")
    options = dict(objective=objective, num_threads=1, verbose=-1, seed=int(rng.randint(1 << 30)),
                   num_leaves=int(choose(rng, 2, 7, 31)), min_data_in_leaf=int(choose(rng, 1, 20)),
                   learning_rate=choose(rng, 1.0, 0.3, 1e-10), min_data_in_bin=1,
                   max_bin=int(choose(rng, BINS_MIN, 15, 255)), zero_as_missing=not rng.randint(3),
                   use_missing=bool(rng.randint(4)), feature_pre_filter=False,
                   min_sum_hessian_in_leaf=choose(rng, 1e-3, 1e9))  # the last: depth 0
    if objective == "multiclass":
        target = make_classes(rng, len(data))
        options["num_class"] = int(max(2, choose(rng, 1 + target.max(), 200, 3 + target.max())))
    elif objective == "binary":
        target = make_classes(rng, len(data)) % 2
    else:
        target = np.abs(make_values(rng, len(data))) + 1e-3
    model = lgb.train(options, lgb.Dataset(data, target.astype(float)), int(choose(rng, 1, 1, 4)))
    model.save_model(prover.path("trained.txt"))
    loaded = lgb.Booster(model_file=prover.path("trained.txt"))
    prover.about("LightGBM", lgb.__version__, "Booster, small and odd")
    with open(prover.path("trained.txt"), encoding="utf-8") as file:
        thresholds = numbers_behind("\nthreshold=", file.read())
    linked = objective in ("binary", "multiclass", "poisson")
    rows = make_rows(rng, data, thresholds, True)
    return prover.path("trained.txt"), lambda asked: lightgbm_answers(loaded, linked, asked), rows


# --- All ------------------------------------------------------------------------------------------

TRAINERS = [("scikit-learn", train_sklearn, sklearn, ValueError)]
# Before 1.3 XGBoost adds the base score last, and its files are read as later versions read them.
if xgb and tuple(int(part) for part in xgb.__version__.split(".")[:2]) >= (1, 3):
    TRAINERS += [("XGBoost", train_xgboost, xgb, xgb.core.XGBoostError)]
TRAINERS += [("LightGBM", train_lightgbm, lgb, lgb.basic.LightGBMError)] if lgb else []


def prove(prover, seed, count, only, verbose):
    for number, (name, train, _, refusal) in enumerate(TRAINERS):
        if only and only != name:
            continue
        for index in range(count):
            rng = np.random.RandomState([seed, number, index])
            what = "%s, seed %d %d %d" % (name, seed, number, index)
            if verbose:
                print(what, flush=True)
            try:
                with np.errstate(all="ignore"):
                    source, answers, rows = train(rng, prover)
            except refusal as error:
                prover.untrained[name] += 1
                if verbose:
                    print("  not trained: " + str(error).split("\n")[0][:120])
                continue
            prover.models[name] += 1
            with np.errstate(all="ignore"):
                prover.compare(source, answers, rows, what, index)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--espalier", required=True, metavar="PATH")
    parser.add_argument("--models", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--only", choices=[one[0] for one in TRAINERS])
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    print("seed %d" % arguments.seed)
    with tempfile.TemporaryDirectory(prefix="espalier-") as folder:
        prover = OddProver(arguments.espalier, folder)
        prove(prover, arguments.seed, share(arguments.models), arguments.only, arguments.verbose)
    return prover.report("seed %d, %s, %d not converted, as documented" % (
        arguments.seed, ", ".join("%d of %s %s (%d not trained)" % (
            prover.models[name], name, module.__version__, prover.untrained[name])
                                  for name, _, module, _ in TRAINERS), prover.declined))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
