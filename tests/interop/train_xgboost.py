# SPDX-License-Identifier: Apache-2.0
"""Trains XGBoost models, saves them as JSON and UBJSON, and records the library's own answers.

    python train_xgboost.py OUTPUT_FOLDER MANIFEST_PART

Runs inside an environment of one XGBoost version (Python 3.7 or newer). Must never compute an
expected answer by itself: margins are output_margin, leaves are pred_leaf, values are a Booster's
or regressor's predict, classes and probabilities a classifier's predict and predict_proba. What
goes through exp has "~" behind its name.
Before 1.3 XGBoost adds the base score last, later first; its models here start from a margin of 0,
where both are the same, but for base_last.
"""
import json
import os
import re
import sys
import warnings

import numpy as np
import xgboost as xgb

from categories import mix_codes
from fixture_folder import FixtureFolder, same_bits, write_npy

warnings.filterwarnings("ignore")

VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
NEWEST = (3, 4)  # the only version whose set is whole
BASE_LAST = VERSION < (1, 3)
UBJSON = VERSION >= (1, 6)
FLOAT32_MAX = float(np.finfo(np.float32).max)
# Objectives whose predict goes through exp.
LINKED = ("binary:logistic", "reg:logistic", "multi:softprob", "count:poisson", "reg:gamma",
          "reg:tweedie", "survival:cox", "survival:aft", "reg:expectileerror")
SPECIAL = (np.nan, 0.0, -0.0, 1e-45, -1e-45, 5e-324, -5e-324, 1.17549435e-38, 1e30, FLOAT32_MAX,
           -FLOAT32_MAX, 3.4028235e38)


def trees_of(path):
    """The trees of a model saved as JSON."""
    with open(path, encoding="utf-8") as file:
        booster = json.load(file)["learner"]["gradient_booster"]
    return booster.get("gbtree", booster)["model"]["trees"]


def neighbours(threshold):
    """On the threshold and one step of each width to each side."""
    narrow = np.float32(threshold)
    wide = float(narrow)
    return [wide, float(np.nextafter(narrow, np.float32(np.inf))),
            float(np.nextafter(narrow, np.float32(-np.inf))),
            np.nextafter(wide, np.inf), np.nextafter(wide, -np.inf)]


def make_rows(rng, base, trees, count):
    """Held-out rows, rows on and beside thresholds, rows of special values."""
    rows = [base[rng.randint(len(base), size=count)]]
    splits = [(tree["split_indices"][node], tree["split_conditions"][node])
              for tree in trees for node in range(len(tree["left_children"]))
              if tree["left_children"][node] != -1]
    for index in rng.permutation(len(splits))[:8]:
        feature, threshold = splits[index]
        for value in neighbours(threshold):
            row = base[rng.randint(len(base))].copy()
            row[feature] = value
            rows.append(row[np.newaxis])
    for value in SPECIAL:
        row = base[rng.randint(len(base))].copy()
        row[rng.randint(base.shape[1])] = value
        rows.append(row[np.newaxis])
        rows.append(np.full((1, base.shape[1]), value))
    return np.vstack(rows)


def infinite_rows(rng, base):
    rows = base[rng.randint(len(base), size=6)].copy()
    for index, row in enumerate(rows[:4]):
        row[rng.randint(base.shape[1])] = np.inf if index % 2 else -np.inf
    rows[4, :] = np.inf
    rows[5, :] = -np.inf
    return rows


def matrix(rows, model):
    types = getattr(model, "feature_types", None)  # not in 1.0
    options = dict(feature_types=types, enable_categorical=True) if types and "c" in types else {}
    return xgb.DMatrix(rows, feature_names=model.feature_names, **options)


def answers(model, rows, objective):
    """A Booster's margins, leaves and values."""
    data = matrix(rows, model)
    leaf = model.predict(data, pred_leaf=True).reshape(len(rows), -1)
    return {"margin": model.predict(data, output_margin=True), "leaf": leaf.astype(np.int64),
            "value~" if objective in LINKED else "value": model.predict(data)}


def wrapper_answers(model, rows):
    """A scikit-learn wrapper's, of the best iterations; the leaves of all trees, which apply has
    not after early stopping."""
    leaf = answers(model.get_booster(), rows, None)["leaf"]
    stopped = model.apply(rows).reshape(len(rows), -1).shape != leaf.shape
    found = {"margin": model.predict(rows, output_margin=True),
             "leaf@0:%d" % model.get_booster().num_boosted_rounds() if stopped else "leaf": leaf}
    if hasattr(model, "predict_proba"):
        found.update({"class": model.predict(rows), "probability~": model.predict_proba(rows)})
    else:
        found["value~" if model.objective in LINKED else "value"] = model.predict(rows)
    return found


class FixtureSet(FixtureFolder):
    def line(self, name, purpose, cases="-", refused="-", estimator="Booster"):
        self.add_line(name, xgb.__version__, estimator, purpose, "-", cases, refused)

    def write_case(self, stem, files, found):
        parts = [",".join(files)]
        for key in sorted(found):
            name = "%s.%s.npy" % (stem, key.replace("@", "_").replace(":", "_").strip("~"))
            write_npy(self.path(name), found[key])
            parts.append("%s=%s" % (key, name))
        return " ".join(parts)

    def write_rows(self, stem, ask, rows64, extra=None):
        """Rows of both widths: float64 is rounded, so the answers are the same."""
        with np.errstate(over="ignore", under="ignore"):
            rows32 = rows64.astype(np.float32)
        found = ask(rows64)
        for key, value in ask(rows32).items():
            assert same_bits(value, found[key]), (stem, key)
        files = [stem + ".rows64.npy", stem + ".rows32.npy"]
        write_npy(self.path(files[0]), rows64)
        write_npy(self.path(files[1]), rows32)
        found.update(extra(rows64) if extra else {})
        return self.write_case(stem, files, found)

    def write_infinite(self, stem, model, rng, base):
        """What a DMatrix refuses, inplace_predict (and so the wrapper) answers."""
        rows = infinite_rows(rng, base)
        margin = model.inplace_predict(rows, predict_type="margin")
        name = stem + ".infinite"
        write_npy(self.path(name + ".npy"), rows)
        return self.write_case(name, [name + ".npy"], {"margin": margin})

    def save(self, model, stem, rng):
        """As JSON or as UBJSON; the trees as the JSON has them are returned too."""
        path = self.path(stem + ".json")
        model.save_model(path)
        trees = trees_of(path)
        if UBJSON and rng.randint(2):
            os.remove(path)
            model.save_model(self.path(stem + ".ubj"))
            return stem + ".ubj", trees
        return stem + ".json", trees

    def add(self, stem, model, base, objective, purpose, count=6, ranges=(), infinite=True):
        """One Booster with rows and answers, after a round through its file."""
        rng = np.random.RandomState(len(stem))
        name, trees = self.save(model, stem, rng)
        rows = make_rows(rng, base, trees, count)

        def ask(rows):
            return answers(model, rows, objective)

        def ask_ranges(rows):
            found = {}
            for first, last in ranges:
                found["margin@%d:%d" % (first, last)] = model.predict(
                    matrix(rows, model), output_margin=True, iteration_range=(first, last))
            return found

        cases = [self.write_rows(stem, ask, rows, ask_ranges)]
        if infinite and VERSION >= (1, 3):
            cases.append(self.write_infinite(stem, model, rng, base))
        again = xgb.Booster()
        again.load_model(self.path(name))
        for key, value in answers(again, rows, objective).items():
            assert same_bits(value, ask(rows)[key]), (stem, key)
        self.line(name, purpose, "; ".join(cases))
        return "; ".join(cases)

    def add_wrapper(self, stem, model, base, purpose):
        rng = np.random.RandomState(len(stem))
        model.save_model(self.path(stem + ".json"))
        rows = make_rows(rng, base, trees_of(self.path(stem + ".json")), 6)
        found = wrapper_answers(model, rows)
        again = type(model)()
        again.load_model(self.path(stem + ".json"))
        for key, value in wrapper_answers(again, rows).items():
            assert same_bits(value, found[key]), (stem, key)
        cases = self.write_rows(stem, lambda rows: wrapper_answers(model, rows), rows)
        self.line(stem + ".json", purpose, cases, estimator=type(model).__name__)

    def write_text(self, name, text):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            file.write(text)


def train(data, target, rounds, **parameters):
    options = dict(objective="reg:squarederror", max_depth=3, eta=0.3, seed=7, nthread=1,
                   verbosity=0)
    options.update(parameters)
    if BASE_LAST:
        zero = {"binary:logistic": 0.5, "count:poisson": 1.0}
        options.setdefault("base_score", zero.get(options["objective"], 0.0))
    group = options.pop("group", None)
    names = options.pop("names", None)
    rows = xgb.DMatrix(data, feature_names=names)
    if options["objective"] == "survival:aft":
        rows.set_float_info("label_lower_bound", target)
        rows.set_float_info("label_upper_bound", target * 1.5)
    else:
        rows.set_label(target)
    if group:
        rows.set_group(group)
    model = xgb.train(options, rows, rounds)
    model.set_param({"nthread": 1})
    return model


class Data:
    """Rows of six features, made from a seed: plain, and with missing values."""

    def __init__(self):
        rng = np.random.RandomState(11)
        self.plain = rng.randn(400, 6)
        self.plain[:, 5] = np.round(self.plain[:, 5])
        self.target = (np.sin(2 * self.plain[:, 0]) + self.plain[:, 1] * self.plain[:, 2]
                       + 0.1 * rng.randn(400))
        self.missing = np.where(rng.rand(400, 6) < 0.25, np.nan, self.plain)
        self.positive = np.exp(self.target / 2)

    def classes(self, count):
        edges = np.quantile(self.target, np.linspace(0, 1, count + 1)[1:-1])
        return np.digitize(self.target, edges).astype(float)


def add_core(out, data):
    """What every version's set has."""
    ranges = ((0, 2), (2, 5)) if VERSION >= (1, 4) else ()
    out.add("regression", train(data.plain, data.target, 6), data.plain, "reg:squarederror",
            "regression", ranges=ranges)
    out.add("binary", train(data.missing, data.classes(2), 5, objective="binary:logistic"),
            data.missing, "binary:logistic", "two classes, missing values")
    out.add("multiclass", train(data.missing, data.classes(3), 3, objective="multi:softprob",
                                num_class=3), data.missing, "multi:softprob", "three classes",
            ranges=ranges[1:] and ((1, 2),))
    out.add("parallel", train(data.plain, data.classes(3), 2, objective="multi:softmax",
                              num_class=3, num_parallel_tree=2, subsample=0.6, max_depth=2),
            data.plain, "multi:softmax", "several trees at once",
            ranges=ranges[1:] and ((1, 2),))
    out.add("one_leaf", train(data.plain, data.target, 3, min_child_weight=1000), data.plain,
            "reg:squarederror", "trees of one leaf", count=4)
    if VERSION < (1, 3) or VERSION >= (1, 4):
        # 1.3 adds the base score last with dart alone.
        out.add("dart", train(data.missing, data.target, 6, booster="dart", rate_drop=0.4,
                              max_depth=2), data.missing, "reg:squarederror", "dart",
                infinite=False)
    if VERSION >= (1, 3):
        out.add("base_score", train(data.missing, data.classes(2), 3, objective="binary:logistic",
                                    base_score=0.2), data.missing, "binary:logistic",
                "a base score that is given")
        out.add("pruned", train(data.plain, data.target, 4, tree_method="exact", gamma=3.0,
                                max_depth=4), data.plain, "reg:squarederror", "pruned nodes")


def add_base_last(out, data):
    """The sum of the leaves, and then the base score: as JSON and as binary."""
    model = train(data.plain, data.target, 4, max_depth=2, base_score=0.3)
    rows = make_rows(np.random.RandomState(0), data.plain, [], 8)
    cases = out.write_rows("base_last", lambda rows: answers(model, rows, "reg:squarederror"), rows)
    for name in ("base_last.json", "base_last.model"):
        model.save_model(out.path(name))
        out.line(name, "the base score comes last", cases)


def add_vectors(out, data):
    """Leaves of several values."""
    options = dict(multi_strategy="multi_output_tree", tree_method="hist", max_depth=2)
    model = train(data.missing, np.c_[data.target, -data.target], 3, **options)
    out.add("vector", model, data.missing, "reg:squarederror", "vector leaves", infinite=False)
    model = train(data.plain, data.classes(3), 2, objective="multi:softprob", num_class=3,
                  num_parallel_tree=2, subsample=0.7, **options)
    out.add("vector_classes", model, data.plain, "multi:softprob", "vector leaves of three classes",
            infinite=False)


def add_objectives(out, data):
    plain, missing = data.plain, data.missing
    cases = [("poisson", "count:poisson", np.round(data.positive * 3), {}),
             ("gamma", "reg:gamma", data.positive, {}),
             ("tweedie", "reg:tweedie", data.positive, {"tweedie_variance_power": 1.3}),
             ("cox", "survival:cox", data.positive, {}),
             ("aft", "survival:aft", data.positive, {}),
             ("logistic", "reg:logistic", data.classes(3) / 2, {}),
             ("raw", "binary:logitraw", data.classes(2), {}),
             ("hinge", "binary:hinge", data.classes(2), {}),
             ("squared_log", "reg:squaredlogerror", data.positive, {}),
             ("pseudo_huber", "reg:pseudohubererror", data.target, {}),
             ("absolute", "reg:absoluteerror", data.target, {}),
             ("quantile", "reg:quantileerror", data.target, {"quantile_alpha": 0.3}),
             ("expectile", "reg:expectileerror", data.target, {"expectile_alpha": 0.3}),
             ("rank", "rank:ndcg", data.classes(4), {"group": [20] * 20}),
             ("pairwise", "rank:pairwise", data.classes(4), {"group": [20] * 20})]
    for index, (stem, objective, target, more) in enumerate(cases):
        base = missing if index % 2 else plain
        out.add(stem, train(base, target, 3, objective=objective, max_depth=2, **more), base,
                objective, objective, infinite=False)
    several = train(plain, data.target, 2, objective="reg:quantileerror", max_depth=2,
                    quantile_alpha=[0.2, 0.5, 0.8])
    out.add("quantiles", several, plain, "reg:quantileerror", "three quantiles, sorted")
    out.add("targets", train(plain, np.c_[data.target, -2 * data.target], 3, max_depth=2), plain,
            "reg:squarederror", "two targets, a tree each")
    out.add("labels", train(plain, np.c_[data.classes(2), 1 - data.classes(2)], 3, max_depth=2,
                            objective="binary:logistic"), plain, "binary:logistic",
            "two labels, a tree each")
    out.add("expectiles", train(plain, data.target, 2, objective="reg:expectileerror", max_depth=2,
                                expectile_alpha=[0.2, 0.5, 0.8]), plain, "reg:expectileerror",
            "three expectiles, which predict adds up", infinite=False)


def add_shapes(out, data):
    out.add("wide", train(data.plain, data.target, 1, max_depth=0, max_leaves=300,
                          grow_policy="lossguide", tree_method="hist", min_child_weight=0,
                          reg_lambda=0.0), data.plain, "reg:squarederror", "a tree of many leaves")
    out.add("chain", train(np.sort(data.plain, axis=0), 2.0 ** np.arange(-100, 100, 0.5), 2,
                           max_depth=0, max_leaves=40, grow_policy="lossguide",
                           tree_method="hist", min_child_weight=0), data.plain, "reg:squarederror",
            "deep, narrow trees")
    out.add("depth_8", train(data.missing, data.target, 2, max_depth=8, min_child_weight=0),
            data.missing, "reg:squarederror", "trees of up to eight levels")
    out.add("one_tree", train(data.plain, data.target, 1, max_depth=2), data.plain,
            "reg:squarederror", "one tree")
    out.add("names", train(data.plain[:, :3], data.target, 2, max_depth=2,
                           names=["width", "h\u00f6he \"1\"", "d\\2"]), data.plain[:, :3],
            "reg:squarederror", "feature names", infinite=False)
    out.add("cuts", train(data.plain[:, :1], np.arange(400) % 17, 1, max_depth=0, max_leaves=280,
                          grow_policy="lossguide", tree_method="hist", max_bin=400,
                          min_child_weight=0, reg_lambda=0.0), data.plain[:, :1],
            "reg:squarederror", "more than 255 thresholds on one feature")
    out.add("exact", train(data.missing, data.target, 3, tree_method="exact", max_depth=5),
            data.missing, "reg:squarederror", "tree_method exact")
    huge = data.plain.copy()
    huge[::3, 0] = FLOAT32_MAX
    huge[1::3, 0] = -FLOAT32_MAX
    out.add("huge", train(huge, np.arange(400) % 3, 3, tree_method="exact", max_depth=2), huge,
            "reg:squarederror", "thresholds at the ends of float32")


def add_wrappers(out, data):
    """Early stopping: the file has all trees, and the wrapper's predict the best ones."""
    base, target = data.plain, data.classes(2).astype(int)
    options = dict(n_estimators=16, max_depth=2, learning_rate=0.9, n_jobs=1, random_state=3)
    fit_options = {}
    if VERSION >= (1, 6):
        options["early_stopping_rounds"] = 3
    else:
        fit_options["early_stopping_rounds"] = 3
    model = xgb.XGBClassifier(**options)
    model.fit(base[:200], target[:200], eval_set=[(base[200:], target[200:])], verbose=False,
              **fit_options)
    assert model.best_iteration + 1 < len(model.get_booster().get_dump())
    out.add_wrapper("early", model, base, "early stopping, saved by the wrapper")
    model = xgb.XGBRegressor(n_estimators=4, max_depth=2, n_jobs=1)
    model.fit(base, data.target)
    out.add_wrapper("wrapper", model, base, "a wrapper without early stopping")
    if VERSION >= (1, 6):
        add_classifiers(out, data)


def add_classifiers(out, data):
    """predict and predict_proba of the wrapper."""
    base, options = data.missing, dict(n_estimators=3, max_depth=2, n_jobs=1)
    several = data.classes(4).astype(int)
    model = xgb.XGBClassifier(**options).fit(base, several)
    out.add_wrapper("classes", model, base, "four classes")
    model = xgb.XGBClassifier(objective="multi:softmax", **options).fit(base, several)
    out.add_wrapper("softmax", model, base, "four classes, decided by the Booster")
    labels = np.c_[several > 0, several > 1, several > 2].astype(int)
    model = xgb.XGBClassifier(**options).fit(base, labels)
    out.add_wrapper("multilabel", model, base, "three labels, each there or not")
    model = xgb.XGBRegressor(objective="count:poisson", **options)
    out.add_wrapper("counts", model.fit(base, several), base, "a regressor behind exp")


def add_categories(out, data):
    """Splits on one category and on sets; rows with other numbers in their place."""
    rng = np.random.RandomState(3)
    codes = data.plain.copy()
    codes[:, 0] = rng.permutation(300)[np.minimum(120 * rng.rand(400)**2, 119).astype(int)]
    codes[:, 1] = np.abs(np.round(data.plain[:, 1]))
    codes[rng.rand(400) < 0.1, 1] = np.nan
    rows = xgb.DMatrix(codes, data.target + codes[:, 0] % 7, enable_categorical=True,
                       feature_types=["c", "c"] + ["q"] * (codes.shape[1] - 2))
    model = xgb.train({"max_depth": 3, "tree_method": "hist" if VERSION >= (1, 7) else "approx",
                       "max_cat_to_onehot": 8, "nthread": 1, "verbosity": 0}, rows, 2)
    asked = mix_codes(rng, codes, [0, 1], 60, infinite=False)
    asked = asked[~(np.abs(asked) > FLOAT32_MAX).any(axis=1)]
    out.add("categorical", model, asked, "reg:squarederror", "splits on categories", 24,
            infinite=False)


def add_refused(out, data, cases):
    """What is not converted, and what a file must not say."""
    with open(out.path("small.json"), encoding="utf-8") as file:
        text = file.read()
    linear = xgb.train({"booster": "gblinear", "nthread": 1, "verbosity": 0},
                       xgb.DMatrix(data.plain, data.target), 2)
    linear.save_model(out.path("linear.json"))
    out.line("linear.json", "a linear model", refused="gblinear gbtree")
    xgb.train({"max_depth": 2, "nthread": 1, "verbosity": 0},
              xgb.DMatrix(data.plain, data.target), 2).dump_model(out.path("dump.json"),
                                                                  dump_format="json")
    out.line("dump.json", "a dump, no model", refused="dump save_model")
    if not BASE_LAST and VERSION <= (1, 7):
        model = train(data.plain, data.target, 2, max_depth=2)
        model.save_model(out.path("old.model"))
        rows = make_rows(np.random.RandomState(0), data.missing, [], 20)
        out.line("old.model", "the binary format", out.write_rows(
            "old", lambda rows: answers(model, rows, "reg:squarederror"), rows))
    out.write_text("half.json", text[:len(text) // 2])
    out.line("half.json", "cut inside a tree", refused="ends too early")
    out.write_text("spaced.json", json.dumps(json.loads(text), indent=1, sort_keys=False,
                                             allow_nan=True) + "\n")
    out.line("spaced.json", "written again by another program", cases)
    child = re.sub(r'"left_children":\[\d+', '"left_children":[99', text, count=1)
    assert child != text
    out.write_text("child.json", child)
    out.line("child.json", "a child that is not there", refused="trees[0] child range")


def main():
    root, manifest = sys.argv[1:3]
    out = FixtureSet(root, "xgboost-" + xgb.__version__)
    data = Data()
    add_core(out, data)
    if VERSION >= (1, 4):
        add_wrappers(out, data)
    if VERSION >= (2, 0):
        add_vectors(out, data)
    if VERSION == NEWEST:
        add_objectives(out, data)
        add_shapes(out, data)
    small = train(data.missing, data.target, 2, max_depth=2)
    rng = np.random.RandomState(0)
    small.save_model(out.path("small.json"))
    rows = make_rows(rng, data.missing, trees_of(out.path("small.json")), 4)
    cases = out.write_rows("small", lambda rows: answers(small, rows, "reg:squarederror"), rows)
    out.line("small.json", "a small model", cases)
    if UBJSON:
        small.save_model(out.path("small.ubj"))
        out.line("small.ubj", "the same as UBJSON", cases)
    if VERSION >= (1, 6):
        add_categories(out, data)
    if BASE_LAST:
        add_base_last(out, data)
    add_refused(out, data, cases)
    out.write_manifest(manifest, "XGBoost %s: NumPy %s" % (xgb.__version__, np.__version__))


if __name__ == "__main__":
    main()
