# SPDX-License-Identifier: Apache-2.0
"""Hundreds of small and odd trainings of every trainer, converted and compared.

    python prove_odd.py --espalier PATH [--models N] [--seed N] [--only TRAINER] [--verbose]

Runs inside an environment with scikit-learn and, if they are there, XGBoost and LightGBM; not part
of the test suite. --models is the number for each trainer: scikit-learn's trees and forests, its
boosting, its pipelines, its estimators of others, XGBoost, LightGBM. A training takes some oddities
of a list: one row or two, one class, two hundred classes, constant features, features of one value
and NaN, huge, denormal and neighbouring values, duplicate rows, trees that may not split. What a
trainer refuses to train is counted and left. Each model is converted in one layout, another from
model to model, and asked for its outputs; what goes through exp may differ by 2 ulp, all else not
at all. The seed of a difference is printed with it; exit 1 if there is any.
"""
import collections
import pickle
import sys

import numpy as np
import sklearn

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if VERSION < (1, 0):
    from sklearn.experimental import enable_hist_gradient_boosting
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor, IsolationForest,
                              RandomForestClassifier, RandomForestRegressor)
from sklearn.feature_selection import VarianceThreshold
from sklearn.preprocessing import (Binarizer, FunctionTransformer, OneHotEncoder,
                                   OrdinalEncoder)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import prove_ensembles
import prove_pipelines
from fixture_set import FLOAT32_MAX, fixed_width, write_npy
from proof_exceptions import BLURRED
from proving import LAYOUTS, choose, leave, optional, run

xgb = optional("xgboost")
lgb = optional("lightgbm")

VALUES = {
    "plain": [0.0, -0.0, 1.0, -1.0, 0.5, 0.25, 2.0, 3.0],
    "denormal": [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.17549435e-38, 2.3e-308],
    "huge": [FLOAT32_MAX, -FLOAT32_MAX, 1e38, -1e38, 3e37, 1e30, 0.0, 1.0],
    "near": [1.0, float(np.nextafter(np.float32(1), np.float32(2))), float(np.nextafter(1.0, 2.0)),
             float(np.nextafter(1.0, 0.0)), float(np.nextafter(np.float32(1), np.float32(0)))],
}

# What the converter refuses, as docs/semantics.md says: counts that are all 0; one class; an
# IsolationForest of single rows; a function of sparse columns.
DECLINED = ("gives no finite margin with count:poisson", "trained on a single class",
            "trees of one row each, whose scores are NaN in this version",
            "a function of boolean or sparse columns is not converted",
            "of 128 in int8 or int16 is not converted",
            "an AdaBoostClassifier of one class", "a CalibratedClassifierCV of one class",
            "a OneVsRestClassifier of one class", "1 class labels for 2 classes")


class OddProver(prove_ensembles.EnsembleProver):
    def __init__(self, espalier, folder):
        prove_ensembles.EnsembleProver.__init__(self, espalier, folder)
        self.models = collections.Counter()  # of each trainer: those that were trained
        self.untrained = collections.Counter()
        self.declined = collections.Counter()
        self.trainer = ""
        self.index = 0

    def is_declined(self, failed):
        return any(one in failed for one in DECLINED)

    def convert_layouts(self, source, what, *more):
        """In one layout, or as the converter likes where that cannot hold the model."""
        layout = LAYOUTS[self.index % len(LAYOUTS)]
        options = ["--layout", layout] if layout != "automatic" else []
        arguments = ("convert", source, "-o", self.path("model.espalier"))
        failed = self.run(*(arguments + tuple(options)))
        if failed and layout == "mask" and "cannot hold it" in failed:
            self.refused += 1
            failed = self.run(*arguments)
        if failed and self.is_declined(failed):
            self.declined[self.trainer] += 1
        elif failed:
            self.complain(what, failed)
        else:
            yield what

    def compare_rows(self, source, answers, rows, what):
        """answers: of rows, {output: (array, linked)}"""
        with np.errstate(all="ignore"):
            asked = rows.astype(np.float32) if self.index % 2 else rows
        for words in self.convert_layouts(source, what):
            write_npy(self.path("rows.npy"), asked)
            found = answers(asked)
            for kind, (wanted, linked) in found.items():
                scale = found["score"][0] if "score" in found and wanted.dtype.kind == "f" else None
                self.compare_output(kind, wanted, words, linked, scale)

    def compare_accepted(self, source, model, rows, what):
        """Those that the trainer takes; of the others some, which must be refused."""
        with np.errstate(all="ignore"):
            rows = rows.astype(np.float32) if self.index % 2 else rows
        taken, refused, blurred = [], [], 0
        for row in rows:
            Blur.met = False
            try:
                model.predict(np.vstack([row, row]))
            except (ValueError, IndexError):
                if not Blur.met:
                    refused.append(row)
            else:
                taken += [] if Blur.met else [row]
            blurred += Blur.met
        if blurred:
            self.exceptions[self.subject, "predict", BLURRED].add(blurred,
                                                                  np.full(blurred, np.inf))
        for words in self.convert_layouts(source, what):
            if len(taken) >= 2:
                write_npy(self.path("rows.npy"), np.array(taken))
                for kind, (wanted, linked) in prove_pipelines.answers(model,
                                                                      np.array(taken)).items():
                    self.compare_output(kind, wanted, words, linked)
            for row in refused[:2]:
                write_npy(self.path("rows.npy"), row[None])
                failed, _ = self.predict("predict")
                if not failed or "row" not in failed:
                    self.complain(words, "row %s is not refused: %s" % (row, failed))


class Blur:
    """Whether an encoder met a number of float32 that is a category's only if that is rounded."""
    met = False

    def __init__(self, kind):
        self.transform = kind.transform
        kind.transform = lambda encoder, data: self.watch(encoder, data)

    def watch(self, encoder, data):
        if getattr(data, "dtype", None) == np.float32:
            for column, known in zip(np.asarray(data).T, encoder.categories_):
                exact = np.isin(column.astype(np.float64), known)
                Blur.met |= bool((np.isin(column, known.astype(np.float32)) & ~exact).any())
        return self.transform(encoder, data)


if int(np.__version__.split(".")[0]) < 2:  # which compares with a number in the array's type
    Blur(OneHotEncoder)
    Blur(OrdinalEncoder)


# --- Data -----------------------------------------------------------------------------------------

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
    return rng.randn(count) * (choose(rng, 1e30, 1e-30, 1e-40, 1e-310) if kind == 1 else 1)


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


def make_sklearn(rng, boosting):
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
    if boosting:
        return choose(rng, GradientBoostingClassifier(**boosted),
                      GradientBoostingRegressor(**boosted),
                      HistGradientBoostingClassifier(**histogram),
                      HistGradientBoostingRegressor(**histogram))
    return choose(
        rng, DecisionTreeClassifier(random_state=seed, **tree),
        DecisionTreeRegressor(random_state=seed, **tree),
        RandomForestClassifier(**dict(many, **tree)), RandomForestRegressor(**dict(many, **tree)),
        ExtraTreesClassifier(**dict(many, **tree)), ExtraTreesRegressor(**dict(many, **tree)),
        IsolationForest(**many))


def save(prover, model):
    with open(prover.path("model.pkl"), "wb") as file:
        pickle.dump(model, file)
    prover.about("scikit-learn", sklearn.__version__, type(model).__name__, model)
    return prover.path("model.pkl")


def train_sklearn(rng, prover, boosting=False):
    model = make_sklearn(rng, boosting)
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
    source = save(prover, model)
    rows = make_rows(rng, data, sklearn_thresholds(model), missing)
    return lambda what: prover.compare_rows(source, lambda asked: sklearn_answers(model, asked),
                                            rows, what)


def train_boosting(rng, prover):
    return train_sklearn(rng, prover, True)


# --- Pipelines and estimators of others -----------------------------------------------------------

def make_steps(rng, missing, width):
    """One, two or three transformers, also side by side."""
    makers = [prove_pipelines.make_scaler, prove_pipelines.make_one_hot,
              prove_pipelines.make_ordinal, prove_pipelines.make_bins,
              lambda rng: VarianceThreshold(), lambda rng: Binarizer(threshold=1e-45),
              lambda rng: FunctionTransformer(np.abs)]
    steps = [prove_pipelines.make_imputer(rng)] if missing else []
    if rng.randint(3) == 0 and width > 1:
        cut = 1 + rng.randint(width - 1)
        sides = [(str(side), choose(rng, *makers)(rng), columns) for side, columns in
                 enumerate((slice(0, cut), slice(cut, width)))]
        return steps + [ColumnTransformer(sides)]
    return steps + [choose(rng, *makers)(rng) for _ in range(rng.randint(1, 3))]


def make_last(rng, classifier):
    """A tree, a forest, boosting, or a model of another library."""
    if rng.randint(3) == 0:
        other = prove_ensembles.make_booster(rng, classifier)
        if other is not None:
            return other
    return prove_ensembles.make_member(rng, classifier)


def train_pipeline(rng, prover):
    classifier, missing = bool(rng.randint(2)), rng.randint(3) == 0
    data = make_matrix(rng, missing)
    target = make_classes(rng, len(data)) if classifier else make_values(rng, len(data))
    model = prove_pipelines.chain(*(make_steps(rng, missing, data.shape[1])
                                    + [make_last(rng, classifier)]))
    model.fit(data, target)
    prove_pipelines.answers(model, data)  # some are trained and cannot be asked
    source = save(prover, model)
    prover.about("scikit-learn", sklearn.__version__, "Pipeline, small and odd")
    rows = make_rows(rng, data, np.unique(data).tolist(), missing)
    return lambda what: prover.compare_accepted(source, model, rows, "%s, %s" % (
        what, " ".join(repr(model).split())))


def train_ensemble(rng, prover):
    name, maker, classifier = choose(rng, *prove_ensembles.MAKERS)
    rng.boosted = rng.randint(3) == 0
    data = make_matrix(rng, False)
    target = make_classes(rng, len(data)) if classifier else make_values(rng, len(data))
    if name == "transformed":
        target = target - target.min() + 0.5
    if name.startswith("outputs"):
        target = np.column_stack([target, target[::-1]])
    model = maker(rng, classifier)
    model.fit(data, target)
    rows = make_rows(rng, data, prove_ensembles.find_thresholds(model), False)
    prove_ensembles.answers(model, rows, classifier)  # some are trained and cannot be asked
    return lambda what: prover.compare(name, model, rows, classifier, "%s, %s" % (
        what, " ".join(repr(model).split())))


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
    with open(prover.path("model.json"), encoding="utf-8") as file:
        if "nan" in file.read():  # as 1.0 writes it
            raise xgb.core.XGBoostError("a file that no version reads")
    prover.about("XGBoost", xgb.__version__, "Booster, small and odd")
    thresholds = numbers_behind("<", "\n".join(model.get_dump()))
    rows = make_rows(rng, data, thresholds, True)
    return lambda what: prover.compare_rows(
        prover.path("model.json"), lambda asked: xgboost_answers(model, objective, asked), rows,
        what)


LINEAR = lgb is not None and tuple(map(int, lgb.__version__.split(".")[:2])) >= (3, 2)
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
    if LINEAR and rng.randint(3) == 0:
        options["linear_tree"] = True
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
    return lambda what: prover.compare_rows(
        prover.path("trained.txt"), lambda asked: lightgbm_answers(loaded, linked, asked), rows,
        what)


# --- All ------------------------------------------------------------------------------------------

# Name, training, module, what it refuses with.
REFUSALS = (ValueError, KeyError, IndexError, TypeError, AttributeError)
TRAINERS = [("scikit-learn", train_sklearn, sklearn, ValueError),
            ("boosting", train_boosting, sklearn, ValueError),
            ("pipelines", train_pipeline, sklearn, REFUSALS),
            ("ensembles", train_ensemble, sklearn, REFUSALS)]
if xgb and int(xgb.__version__.split(".")[0]) >= 1:  # has JSON
    TRAINERS += [("XGBoost", train_xgboost, xgb, xgb.core.XGBoostError)]
TRAINERS += [("LightGBM", train_lightgbm, lgb, lgb.basic.LightGBMError)] if lgb else []


def prove_trainer(prover, number, arguments):
    name, train, module, refusal = TRAINERS[number]
    prover.trainer, findings, refused = name, prover.findings, prover.refused_models
    for prover.index in range(arguments.models):
        rng = prove_ensembles.Chance([arguments.seed, number, prover.index])
        what = "%s, seed %d %d %d" % (name, arguments.seed, number, prover.index)
        if arguments.verbose:
            print(what, flush=True)
        try:
            compare = train(rng, prover)
        except refusal as error:
            prover.untrained[name] += 1
            if arguments.verbose:
                print("  not trained: " + str(error).split("\n")[0][:120])
            continue
        prover.models[name] += 1
        compare(what)
    declined = prover.declined[name] + prover.refused_models - refused
    prover.trainings.append({
        "trainer": name, "version": module.__version__, "compared": prover.models[name] - declined,
        "untrained": prover.untrained[name], "declined": declined,
        "findings": prover.findings - findings})


def prove(prover, arguments):
    np.seterr(all="ignore")
    for number, (name, _, _, _) in enumerate(TRAINERS):
        if not arguments.only or arguments.only in name:
            prove_trainer(prover, number, arguments)
    return "seed %d, %s, %d not converted, as documented" % (
        arguments.seed, ", ".join("%d of %s (%s, %d not trained)" % (
            prover.models[name], name, module.__version__, prover.untrained[name])
                                  for name, _, module, _ in TRAINERS),
        sum(prover.declined.values()))


if __name__ == "__main__":
    leave(run(prove, OddProver, only=True, models=70))  # LightGBM 2.2 breaks the heap
